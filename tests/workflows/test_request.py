"""What ``run`` refuses before it starts or writes anything, and what it takes from ``run.json``."""

import json
from pathlib import Path

import pytest

from imaging_core.errors import ConfigurationError, DataError, MissingError, UsageError
from imaging_core.models.card import Architecture, Card, Input, Output, Weights, write_card
from steps import split_yaml
from workflows.command_line import parser
from workflows.parameters import ADDED
from workflows.request import default_run, new_run, resumed_run
from workflows.run_record import RunRecord


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a dataset file and a bundle, as they look before any image or weight is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    Path("cells.yml").write_text("images: [a.png, b.png, c.png]\nsplit: {test: [0, 2]}\n")
    Path("model").mkdir()
    card = Card(
        name="net",
        task="segmentation",
        architecture=Architecture(name="unet"),
        input=Input(height=32, width=32, channels=1),
        batch=4,
        output=Output(kind="binary", activation="sigmoid", classes=("cell",)),
        weights=Weights(sha256="0" * 64),
    )
    Path("model/model.yaml").write_bytes(write_card(card))
    Path("model/weights.safetensors").touch()
    return tmp_path


@pytest.fixture
def request_of():
    """What the engine would be told to do, from a command line."""

    def read(*arguments: str):
        asked = parser().parse_args(["run", *arguments])
        return resumed_run(asked) if asked.resume else new_run(asked)

    return read


NEW = ("--dataset", "cells.yml", "--model", "model")


def test_a_new_run_is_recorded_with_locations_that_hold_from_any_folder(place, request_of):
    request = request_of(*NEW, "--run", "r", "--shards", "2", "--allow-root", "../other")
    record = json.loads((place / "r/run.json").read_text())

    assert record["parameters"]["dataset"] == f"{place}/cells.yml"
    assert record["parameters"]["allow_root"] == [f"{place.parent}/other"]
    assert request.parameters.threads_per_step == 1
    assert request.missing is None
    assert request.inputs.dataset.words == "segmentation, 2 of 3 images in split test"


def test_there_are_as_many_shards_as_run_at_once(place, request_of):
    assert request_of(*NEW, "--run", "a", "--parallelism", "3").parameters.shards == 3
    assert request_of(*NEW, "--run", "b", "--shards", "5").parameters.parallelism >= 1


def test_every_gpu_has_its_step(place, request_of, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")

    assert request_of(*NEW, "--run", "a").parameters.parallelism == 3
    assert request_of(*NEW, "--run", "a2", "--device", "cpu").gpus == []


def test_the_run_is_named_after_the_dataset_and_the_time(place, request_of):
    assert request_of(*NEW).store.root.is_within(default_run("cells.yml").parent)
    assert default_run("/x/two words.yml").name.startswith("two-words-20")
    assert default_run("/x/.yml").name.startswith("yml-20")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), UsageError, "--dataset and --model missing; or continue a run that was begun: --resume RUN"),
        (("--dataset", "cells.yml"), UsageError, "--model missing"),
        ((*NEW, "--retry-failed"), UsageError, "--retry-failed goes with --resume"),
        (("--dataset", "none.yml", "--model", "model"), MissingError, "none.yml: no such file"),
        (("--dataset", "model", "--model", "model"), DataError, "model: is a folder"),
        (("--dataset", "broken.yml", "--model", "model"), DataError, "broken.yml:2"),
        ((*NEW, "--split", "tset"), DataError, "tset"),
        (("--dataset", "cells.yml", "--model", "none"), DataError, "none: no model bundle here"),
        (("--dataset", "cells.yml", "--model", "empty"), DataError, "weights.safetensors is missing"),
        (("--dataset", "cells.yml", "--model", "cells.yml"), DataError, "no model bundle here"),
        ((*NEW, "--require", "accuracy.mean>1"), UsageError, "no metric of a segmentation; there are iou, dice, "),
        ((*NEW, "--require", "iou[dog]>=0"), UsageError, "the model has no class 'dog'; its classes are cell"),
        ((*NEW, "--require", "hd95.mean<5"), UsageError, "hd95.mean<5: is measured with --surface-distances only"),
        ((*NEW, "--require", "lesion_f1.mean>0"), UsageError, "is measured with --lesions only; add it"),
        ((*NEW, "--no-regression", "model"), MissingError, "model: holds no run"),
        ((*NEW, "--no-regression", "r"), UsageError, "is this run itself"),
        (
            (*NEW, "--cache", "https://example.org/c"),
            ConfigurationError,
            "https://example.org/c: objects can be",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(place, request_of, arguments, error, message):
    Path("broken.yml").write_text("images: [a.png, a.png\n")
    Path("empty").mkdir()
    Path("empty/model.yaml").write_bytes(Path("model/model.yaml").read_bytes())
    with pytest.raises(error) as said:
        request_of(*arguments, "--run", "r") if arguments else request_of()

    assert message in str(said.value)
    assert not Path("r").exists()
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shards", "0"), "argument --shards: '0' is not a whole number of at least 1"),
        (("--max-failed", "many"), "argument --max-failed: 'many' is neither a count (5) nor a percentage (2%)"),
        (("--dataset", ""), "argument --dataset: location ''"),
        (("--dataset", "https://me:secret@host/x.yml"), "run.json would keep the password"),
        (("--shrads", "2"), "unrecognized arguments: --shrads 2"),
        (("--parallel", "2"), "unrecognized arguments: --parallel 2"),
    ],
)
def test_an_option_that_is_wrong_is_said_in_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(["run", *arguments])
    said = capsys.readouterr().err

    assert stopped.value.code == 64
    assert message in said
    assert said.count("\n") == 2
    assert "secret" not in said


def test_a_place_that_holds_a_run_is_not_taken_by_another(place, request_of):
    request_of(*NEW, "--run", "my run")
    with pytest.raises(UsageError, match="my run: holds a run already; continue it with --resume 'my run'"):
        request_of(*NEW, "--run", "my run")


def test_of_two_runs_that_begin_at_the_same_moment_one_gives_way(place, request_of):
    first = request_of(*NEW, "--run", "r")
    late = RunRecord.now(first.parameters, "0" * 64, "0" * 64)

    assert not late.is_written(first.store)


def test_a_resumed_run_does_what_it_was_asked_at_first(place, request_of):
    options = ("--shards", "2", "--parallelism", "2", "--max-failed", "1%", "--cache", "../a cache")
    begun = request_of(*NEW, "--run", "r", *options)
    resumed = request_of("--resume", "r")

    assert resumed.parameters == begun.parameters
    assert resumed.missing is None


def test_a_baseline_is_a_run_of_the_same_dataset_file(place, request_of):
    for name in ("cells", "others"):
        Path(f"{name}.yml").write_text(f"name: {name}\nimages: [a.png, b.png, c.png]\nsplit: {{test: [0, 2]}}\n")
        assert split_yaml.main(["--dataset", f"{name}.yml", "--split", "test", "--shards", "1", "--run", name]) == 0
    assert request_of(*NEW, "--run", "r", "--no-regression", "cells").parameters.no_regression == f"{place}/cells"
    with pytest.raises(DataError, match=r"others: is of another dataset file than .*cells\.yml"):
        request_of(*NEW, "--run", "s", "--no-regression", "others")


def test_how_much_at_once_and_what_is_acceptable_may_change(place, request_of):
    request_of(*NEW, "--run", "r", "--shards", "2", "--parallelism", "2")
    options = ("--parallelism", "1", "--max-failed", "5", "--retry-failed", "--shards", "2", "--dataset", "cells.yml")
    resumed = request_of("--resume", "r", *options, "--cache", "c").parameters

    assert (resumed.parallelism, resumed.max_failed, resumed.retry_failed) == (1, "5", True)
    assert resumed.cache == f"{place}/c"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--shards", "3"), "--shards 3 contradicts r, which was begun with 2"),
        (("--threads-per-step", "2"), "--threads-per-step 2 contradicts r, which was begun with 1"),
        (("--probabilities",), "--probabilities on contradicts r, which was begun with off"),
        (("--surface-distances",), "--surface-distances 1.0 contradicts r, which was begun with none"),
        (("--lesions",), "--lesions on contradicts r, which was begun with off"),
        (("--dicom-results",), "--dicom-results anonymous contradicts r, which was begun with none"),
        (("--allow-http", "h"), "--allow-http h contradicts r, which was begun with none"),
        (("--max-pixels", "9"), "--max-pixels 9 contradicts r, which was begun with none"),
    ],
)
def test_what_the_result_depends_on_may_not_change(place, request_of, option, message):
    request_of(*NEW, "--run", "r", "--shards", "2")
    with pytest.raises(UsageError) as said:
        request_of("--resume", "r", *option)

    assert message in str(said.value)


@pytest.mark.parametrize("option", ["--probabilities", "--surface-distances", "--lesions"])
def test_what_only_masks_have_is_not_asked_of_a_classification(place, request_of, option):
    card = Path("model/model.yaml").read_text()
    Path("model/model.yaml").write_text(card.replace("segmentation", "classification").replace("unet", "lenet5"))
    with pytest.raises(UsageError, match=f"{option} is for segmentation; .*model is for classification"):
        request_of(*NEW, "--run", "r", option)
    assert not Path("r").exists()


def test_a_run_that_an_earlier_version_began_is_resumed_without_what_came_later(place, request_of):
    begun = request_of(*NEW, "--run", "r").parameters
    record = json.loads(Path("r/run.json").read_text())
    for name in ADDED:
        del record["parameters"][name]
    Path("r/run.json").write_text(json.dumps(record))

    assert request_of("--resume", "r").parameters == begun


@pytest.mark.parametrize(("name", "kind"), [("cells.yml", "dataset"), ("model/model.yaml", "model")])
def test_a_dataset_or_model_that_changed_since_is_refused(place, request_of, name, kind):
    request_of(*NEW, "--run", "r")
    with Path(name).open("a") as file:
        file.write("# edited\n")
    with pytest.raises(DataError, match=f"the {kind} has changed since the run began"):
        request_of("--resume", "r")


def test_there_is_nothing_to_resume(place, request_of):
    with pytest.raises(MissingError, match="nothing: no run here"):
        request_of("--resume", "nothing")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda record: record.update(format=9), "format 9 is not 1"),
        (lambda record: record["parameters"].pop("split"), "split is missing"),
        (lambda record: record["parameters"].update(shards="2"), "shards cannot be '2'"),
        (lambda record: record["parameters"].update(device="tpu"), "device cannot be 'tpu'"),
        (lambda record: record["parameters"].update(allow_root="/a"), "allow_root cannot be '/a'"),
        (lambda record: record["parameters"].update(colour="red"), "colour is unknown"),
        (lambda record: record.pop("digests"), "not the record of a run"),
    ],
)
def test_a_record_of_another_version_is_named(place, request_of, edit, message):
    request_of(*NEW, "--run", "r")
    record = json.loads(Path("r/run.json").read_text())
    edit(record)
    Path("r/run.json").write_text(json.dumps(record))
    with pytest.raises(DataError) as said:
        request_of("--resume", "r")

    assert f"{place}/r/run.json" in str(said.value)
    assert message in str(said.value)


def test_a_metric_that_the_task_does_not_have_is_refused_before_anything_runs(place, request_of):
    with pytest.raises(UsageError, match="--metric accuracy: no metric of a segmentation; there are iou, "):
        request_of(*NEW, "--run", "r", "--metric", "accuracy")
    assert not Path("r").exists()


@pytest.mark.parametrize("option", ["--patient", "--group-by"])
def test_a_feature_that_the_dataset_does_not_have_is_refused_before_anything_runs(place, request_of, option):
    with pytest.raises(UsageError, match=r"cells.yml: has no feature 'sex' for --patient or --group-by; it has none"):
        request_of(*NEW, "--run", "r", option, "sex")
    assert not Path("r").exists()
