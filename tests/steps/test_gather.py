"""python -m steps.gather: what it writes, prints and exits with."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from imaging_core import run
from imaging_core.errors import ConfigurationError, DataError, MissingError, UsageError
from imaging_core.inference.ledger import Record
from imaging_core.store.local import TEMPORARY_PREFIX
from steps.gather import main
from tests.imaging_core.report.synthetic_run import (
    COMPUTE_CLASS,
    SyntheticRun,
    classification_records,
    make_card,
    segmentation_run,
)

REPORT = (run.METRICS, run.PREDICTIONS, run.REPORT_PAGE, run.REPORT_UI_PAGE)


def synthetic(failed: int = 0, **changes) -> SyntheticRun:
    records = classification_records(100, 500)
    for k in range(failed):
        records[k] = Record(records[k].case, "failed", "", kind="unreadable", reason="the JPEG ends too early")
    return replace(SyntheticRun(records, make_card(), 500, ("cat", "dog", "owl"), shards=3), **changes)


def gather(folder: Path, *options: str) -> int:
    return main(["--run", str(folder / "run"), *options])


def metrics(folder: Path) -> dict:
    return json.loads((folder / "run" / run.METRICS).read_bytes())


def test_a_complete_run_is_0_and_prints_its_figures_and_where_the_report_is(tmp_path, capsys):
    synthetic().write(tmp_path)
    assert gather(tmp_path) == 0
    printed = capsys.readouterr().out
    figures = metrics(tmp_path)["metrics"]
    assert "synthetic, split test: 100 cases = 100 done + 0 failed + 0 skipped + 0 missing" in printed
    assert f"{figures['accuracy']['mean']:.4f}" in printed
    assert f"{figures['auroc']['macro']:.4f}" in printed
    assert "complete and acceptable" in printed
    assert printed.rstrip().endswith("run/report/report.html")


def test_argo_is_told_the_counts_the_headline_figure_and_the_page_also_when_not_acceptable(tmp_path):
    synthetic(failed=2).write(tmp_path)
    assert gather(tmp_path, "--outputs", str(tmp_path / "outputs")) == 1
    told = {path.name: path.read_text() for path in (tmp_path / "outputs").iterdir() if path.is_file()}
    accuracy = metrics(tmp_path)["metrics"]["accuracy"]["mean"]
    counts = {"expected": "100", "done": "98", "failed": "2", "skipped": "0", "missing": "0"}
    assert 1 <= float(told.pop("slowest")) <= 3
    assert told == {**counts, "metric": f"Accuracy {accuracy:.4f}"}
    ui, copied = tmp_path / "run/report/ui", tmp_path / "outputs/report"
    files = {path.relative_to(ui): path.read_bytes() for path in ui.rglob("*") if path.is_file()}
    assert Path("index.html") in files
    assert files == {path.relative_to(copied): path.read_bytes() for path in copied.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("failed", "options", "code"),
    [
        (0, [], 0),
        (1, [], 1),
        (3, ["--max-failed", "3"], 0),
        (4, ["--max-failed", "3"], 1),
        (5, ["--max-failed", "5%"], 0),
        (6, ["--max-failed", "5%"], 1),
    ],
)
def test_failed_cases_decide_the_exit_code_after_the_report_was_written(tmp_path, failed, options, code):
    synthetic(failed).write(tmp_path)
    assert gather(tmp_path, *options) == code
    assert metrics(tmp_path)["acceptable"] is (code == 0)
    assert all((tmp_path / "run" / key).is_file() for key in REPORT)


def test_a_figure_below_that_of_a_constant_answer_is_said(tmp_path, capsys):
    records = [replace(each, label=(0,), scores=(0.1, 0.8, 0.1)) for each in classification_records(10, 500)]
    synthetic(records=records).write(tmp_path)
    assert gather(tmp_path) == 0
    assert "lower than a constant answer: always 'cat' scores 1.0000" in capsys.readouterr().out


def test_an_incomplete_run_is_1_and_says_what_is_missing_and_what_to_type(tmp_path, capsys):
    synthetic(unfinished={1: 0}).write(tmp_path)
    assert gather(tmp_path) == 1
    printed = capsys.readouterr().out
    assert "unfinished shards: 001" in printed
    assert "33 of 100 cases are missing" in printed
    assert "… and 13 more" in printed
    assert f"python -m steps.infer --run {tmp_path}/run --shard 001" in printed
    assert all((tmp_path / "run" / key).is_file() for key in REPORT)


def test_mixed_compute_classes_are_said_and_on_request_not_acceptable(tmp_path, capsys):
    synthetic(compute_classes={1: {**COMPUTE_CLASS, "threads": 2}}).write(tmp_path)
    assert gather(tmp_path) == 0
    assert "mixed compute classes: 2" in capsys.readouterr().out
    assert len(metrics(tmp_path)["compute_classes"]) == 2
    assert gather(tmp_path, "--require-one-class") == 1
    assert "mixed compute classes: 2, where one was required" in capsys.readouterr().out


def test_results_that_cannot_be_trusted_are_65_and_no_report(tmp_path):
    synthetic(cards={1: make_card(name="other")}).write(tmp_path)
    with pytest.raises(DataError):
        gather(tmp_path)
    assert not (tmp_path / "run/report").exists()


def test_no_run_is_65_and_says_what_to_do(tmp_path):
    with pytest.raises(
        MissingError, match=r"shards/index\.json: no such file; is this a run, and was it split\?"
    ) as error:
        gather(tmp_path)
    assert error.value.exit_code == 65


def test_case_names_index_leaves_names_out(tmp_path):
    segmentation_run(tmp_path, 4, 10).write(tmp_path)
    assert gather(tmp_path, "--case-names", "index") == 0
    written = [path.read_bytes() for path in (tmp_path / "run/report").rglob("*") if path.is_file()]
    assert not any(b"images/" in data for data in written)


def test_reading_the_real_images(tmp_path, shared_data):
    """Real dermoscopy images, large JPEGs, with their real masks as ground truth and as prediction."""
    card = make_card("segmentation", "binary", ["lesion"])
    records, names, labels = [], {}, {}
    (tmp_path / "run/outputs").mkdir(parents=True)
    (tmp_path / "data").symlink_to(shared_data / "isic")
    for index, image in enumerate(sorted((shared_data / "isic/images").glob("*.jpg"))):
        names[index], labels[index] = f"images/{image.name}", f"masks/{image.stem}_segmentation.png"
        mask = (tmp_path / "data" / labels[index]).read_bytes()
        (tmp_path / f"run/outputs/{index}.png").write_bytes(mask)
        records.append(Record(str(index), "done", "", outputs={"mask": f"outputs/{index}.png"}))
    SyntheticRun(records, card, len(records), names=names, labels=labels).write(tmp_path)
    assert gather(tmp_path) == 0
    page = (tmp_path / "run" / run.REPORT_PAGE).read_text()
    assert page.count("data:image/jpeg") == len(records) == 5
    assert page.count('class="said"') == page.count('class="truth"') == 6  # one of each in the legend


def test_as_a_process_it_imports_no_torch_and_exits_with_its_code(tmp_path):
    synthetic(2).write(tmp_path)
    program = (
        "import sys; from steps.gather import main; code = main(sys.argv[1:]); print('torch' in sys.modules, code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--run", str(tmp_path / "run")], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "False 1"
    module = [sys.executable, "-m", "steps.gather", "--run"]
    assert subprocess.run([*module, str(tmp_path / "run")], capture_output=True).returncode == 1
    assert subprocess.run([*module, str(tmp_path / "none")], capture_output=True).returncode == 65
    assert subprocess.run([*module, str(tmp_path), "--max-failed", "many"], capture_output=True).returncode == 64


def test_what_killed_writers_left_in_the_run_is_removed(tmp_path):
    synthetic().write(tmp_path)
    left = tmp_path / "run" / "results" / "000" / f"{TEMPORARY_PREFIX}0"
    left.write_bytes(b"half")
    assert gather(tmp_path) == 0
    assert not left.exists()


class TestChosenMetrics:
    @pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
    @pytest.mark.parametrize("chosen", ["f1", "auroc", "average_precision", "calibration_error"])
    def test_only_those_and_the_headline_are_computed(self, tmp_path, kind, chosen):
        classes = ("no", "yes") if kind == "binary" else ("cat", "dog", "owl")
        records = classification_records(60, 80, len(classes), kind=kind)
        values = {int(record.case): ["ab"[number % 2]] for number, record in enumerate(records)}
        SyntheticRun(
            records, make_card(kind=kind, classes=classes), 80, classes, features=("sex",), values=values
        ).write(tmp_path)
        assert gather(tmp_path, "--group-by", "sex") == 0
        every = metrics(tmp_path)
        assert gather(tmp_path, "--group-by", "sex", "--metric", chosen) == 0
        found = metrics(tmp_path)
        assert set(found["metrics"]) == {"accuracy", chosen}
        for name in ("accuracy", chosen):
            assert found["metrics"][name] == every["metrics"][name]
            assert found["intervals"]["metrics"].get(name) == every["intervals"]["metrics"].get(name)
        for group in found["groups"]["sex"]["groups"]:
            assert set(group["metrics"]) == {"accuracy", chosen}

    def test_of_a_segmentation(self, tmp_path):
        segmentation_run(tmp_path, 6, 10).write(tmp_path)
        assert gather(tmp_path, "--metric", "dice", "--metric", "recall") == 0
        assert set(metrics(tmp_path)["metrics"]) == {"iou", "dice", "recall"}

    def test_another_name_is_refused_before_anything_is_written(self, tmp_path):
        synthetic().write(tmp_path)
        with pytest.raises(UsageError, match="--metric dice: no metric of a classification; there are accuracy, "):
            gather(tmp_path, "--metric", "dice")
        assert not (tmp_path / "run" / "report").exists()


class TestParquet:
    @pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "segmentation"])
    def test_holds_what_the_csv_holds_with_types(self, tmp_path, kind):
        if kind == "segmentation":
            made = segmentation_run(tmp_path, 6, 10)
        else:
            classes = ("=no", "yes") if kind == "binary" else ("=cat", "dog", "owl")
            records = classification_records(60, 80, len(classes), kind=kind, failing=0.1)
            made = SyntheticRun(records, make_card(kind=kind, classes=classes), 80, classes)
        made.write(tmp_path)
        assert gather(tmp_path, "--parquet", "--max-failed", "100%") == 0
        with (tmp_path / "run" / run.PREDICTIONS).open(newline="") as file:
            header, *lines = csv.reader(file)
        table = pyarrow.parquet.read_table(tmp_path / "run" / "report/predictions.parquet")
        assert table.column_names == header
        for name, column in zip(header, zip(*lines, strict=True), strict=True):
            texts = [text.removeprefix("'") for text in column]
            kind_of = {"string": str, "int64": int, "double": float}[str(table.schema.field(name).type)]
            assert table[name].to_pylist() == [kind_of(text) if text else None for text in texts]

    def test_without_pyarrow_it_says_what_to_install(self, tmp_path, monkeypatch):
        synthetic().write(tmp_path)
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ConfigurationError, match="pip install pyarrow"):
            gather(tmp_path, "--parquet")
        assert not (tmp_path / "run" / "report").exists()
