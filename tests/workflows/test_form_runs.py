"""Runs that a form began: their records are those of submitted ones, so that the same commands know them."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from imaging_core import run as layout
from imaging_core.errors import DataError, UsageError
from imaging_core.store import Location, open_store
from steps import cleanup, gather, split_yaml
from tests import small_run
from workflows.command_line import main
from workflows.distributed_inference import OUTPUTS
from workflows.parameters import Parameters
from workflows.pods import Pods
from workflows.run_record import read_record
from workflows.templates.catalogue import rendered
from workflows.templates.form import SEMAPHORE
from workflows.templates.site import Site

PODS = Pods(image="registry.example.org/imaging:1.0", s3_secret="keys", s3_endpoint="http://minio:9000")  # noqa: S106
TEMPLATE = yaml.safe_load(rendered(Site.of(PODS))["distributed-inference.yaml"])
ASKED = {"split": "test", "shards": "2", "device": "cpu", "max-failed": "50%", "case-names": "index", "memory": "8Gi"}
CASES = 6


@dataclass
class Form:
    """A folder with a dataset and, below runs/, runs as the template's steps make them."""

    folder: Path
    dataset: Path

    def model(self, name: str = "model") -> Path:
        small_run.make_bundle(self.folder / name, "segmentation", "binary", ["bright"])
        return self.folder / name

    def run(self, name: str) -> Path:
        return self.folder / "runs" / name

    def step(self, step: str, run: Path, model: Path, **changes: str) -> list[str]:
        """The arguments of a step, filled in as Argo does."""
        values = ASKED | {"threads-per-step": "1", "dataset": str(self.dataset), "run": str(run), "model": str(model)}
        (template,) = (each for each in TEMPLATE["spec"]["templates"] if each["name"] == step)
        text = json.dumps(template["container"]["args"])
        for field, value in (values | changes).items():
            text = text.replace(f"{{{{inputs.parameters.{field}}}}}", value)
        assert "{{" not in text
        return [str(self.folder / "outputs") if each == OUTPUTS else each for each in json.loads(text)]

    def carried_out(self, run: Path, model: Path) -> None:
        assert split_yaml.main(self.step("split", run, model)) == 0
        for shard in ("000", "001"):
            small_run.infer(run, model, shard)
        assert gather.main(self.step("gather", run, model)) == 0


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def form(tmp_path):
    names, masks = small_run.make_images(tmp_path / "data", CASES), small_run.make_masks(tmp_path / "data", CASES)
    entries = [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)]
    (tmp_path / "outputs").mkdir()
    return Form(tmp_path, small_run.write_dataset(tmp_path / "data", entries))


def test_the_record_is_what_submit_would_have_written(form):
    run, model = form.run("a"), form.model()
    assert split_yaml.main(form.step("split", run, model)) == 0
    record = read_record(open_store(Location.parse(str(run))))
    assert record.parameters == Parameters(
        dataset=str(form.dataset), model=str(model), run=str(run), shards=2, parallelism=2,
        device="cpu", max_failed="50%", case_names="index",
    )  # fmt: skip
    assert record.pods == replace(PODS, memory="8Gi", semaphore=SEMAPHORE)
    card = (model / "model.yaml").read_bytes()
    assert record.model == digest(card)
    assert record.dataset == digest(form.dataset.read_bytes())


def test_list_status_verify_and_provenance_know_it(form, capsys):
    run, model = form.run("a"), form.model()
    form.carried_out(run, model)
    capsys.readouterr()
    assert main(["list", str(form.folder / "runs"), "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["runs"]
    assert (listed["run"], listed["acceptable"]) == (str(run), True)
    assert main(["status", str(run)]) == 0
    said = capsys.readouterr().out
    assert "begun " in said
    assert f"model    {Location.parse(str(model)).for_person()}" in said
    assert main(["verify", str(run)]) == 0, capsys.readouterr().out
    crate = json.loads((run / layout.CRATE).read_text())["@graph"]
    assert {model.joinpath("model.yaml").as_uri(), form.dataset.as_uri()} <= {each["@id"] for each in crate}

    (model / "model.yaml").write_bytes((model / "model.yaml").read_bytes() + b"\n")
    assert main(["verify", str(run)]) == 1, "the model is another: the record says which it was"


def test_cleanup_removes_it_when_it_is_old_and_another_is_the_last_good_one(form, capsys):
    model = form.model()
    for name in ("older", "newer"):
        form.carried_out(form.run(name), model)
    capsys.readouterr()
    assert cleanup.main(["--runs", str(form.folder / "runs"), "--keep", "1", "--delete", "--json"]) == 0
    assert [each["run"] for each in json.loads(capsys.readouterr().out)["removed"]] == [str(form.run("older"))]
    assert not form.run("older").exists()
    assert (form.run("newer") / layout.METRICS).exists()


def test_the_form_again_with_its_run_changes_no_record(form):
    run, model = form.run("a"), form.model()
    assert split_yaml.main(form.step("split", run, model)) == 0
    before = (run / layout.RUN).read_bytes()
    assert split_yaml.main(form.step("split", run, model, memory="16Gi")) == 0
    assert (run / layout.RUN).read_bytes() == before


def test_a_form_that_names_no_model_is_told_before_anything_is_written(form):
    run = form.run("a")
    with pytest.raises(DataError, match="no model bundle here"):
        split_yaml.main(form.step("split", run, form.folder / "absent"))
    assert not run.exists()
    with pytest.raises(SystemExit) as ended:
        split_yaml.main(form.step("split", run, form.model(), **{"max-failed": "some"}))
    assert ended.value.code == 2
    by_hand = ["--dataset", str(form.dataset), "--split", "test", "--shards", "1", "--run", str(run)]
    with pytest.raises(UsageError, match="--record and --model go together"):
        split_yaml.main([*by_hand, "--model", str(form.model())])
    assert not run.exists()


def test_a_model_that_the_run_makes_itself_is_verified_by_what_it_was_inferred_with(form, capsys):
    """train-and-infer: split begins beside training, when there is no model yet."""
    run = form.run("trained")
    own = run / "model"
    assert split_yaml.main(form.step("split", run, own)) == 0
    assert read_record(open_store(Location.parse(str(run)))).model == ""
    small_run.make_bundle(own, "segmentation", "binary", ["bright"])
    (own / "training.json").write_text("{}")
    form.carried_out(run, own)
    assert main(["verify", str(run)]) == 0, capsys.readouterr().out
    capsys.readouterr()
    assert main(["list", str(form.folder / "runs"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 1
    weights = own / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    assert main(["verify", str(run)]) == 1
    assert "weights" in capsys.readouterr().out
