"""DeepHealth's lines, whatever the order in which cases finish; Argo's progress file."""

import pytest

from imaging_core.inference.progress import BatchLog, ProgressFile


@pytest.fixture
def lines():
    return []


def test_each_line_has_its_batch_and_the_mean_so_far(lines):
    log = BatchLog("IoU", 2, 5, lines.append)
    for number, cases in enumerate(([0, 1], [2, 3], [4]), start=1):
        log.ran(number, cases)
    for case, figure in enumerate((0.5, 1.0, 0.0, 0.5, 1.0)):
        log.finished([(case, figure)])
    assert lines == [
        "Batch 1/3 - IoU: 0.7500 - IoU: 0.7500",
        "Batch 2/3 - IoU: 0.2500 - IoU: 0.5000",
        "Batch 3/3 - IoU: 1.0000 - IoU: 0.6000",
    ]


def test_lines_come_in_the_order_of_batches(lines):
    log = BatchLog("accuracy", 1, 2, lines.append)
    log.ran(1, [7])
    log.ran(2, [3])
    log.finished([(3, 1.0)])
    assert lines == []
    log.finished([(7, 0.0)])
    assert lines == [
        "Batch 1/2 - accuracy: 0.0000 - accuracy: 0.0000",
        "Batch 2/2 - accuracy: 1.0000 - accuracy: 0.5000",
    ]


def test_without_ground_truth_and_for_failed_cases_there_is_no_figure(lines):
    log = BatchLog("IoU", 2, 4, lines.append)
    log.ran(1, [0, 1])
    log.ran(2, [2, 3])
    for case in range(3):
        log.finished([(case, None)])
    log.finished([(3, 0.25)])
    assert lines == ["Batch 1/2", "Batch 2/2 - IoU: 0.2500 - IoU: 0.2500"]


def test_the_number_of_batches_follows_what_is_known_of_inputs(lines):
    log = BatchLog("IoU", 2, 4, lines.append)
    log.expect(-2)  # two cases could not be decoded
    log.ran(1, [0, 1])
    log.finished([(0, None)])
    log.finished([(1, None)])
    log.expect(5)  # a case of six inputs
    log.ran(2, [])
    assert lines == ["Batch 1/1", "Batch 2/4"]


def test_the_progress_file_is_written_now_and_then_and_at_the_end(tmp_path):
    file = tmp_path / "progress"
    progress = ProgressFile(file, 1000)
    progress.show(1)
    for finished in range(2, 1000):
        progress.show(finished)
    assert file.read_text() in ("1/1000\n", *(f"{finished}/1000\n" for finished in range(900, 1000)))
    progress.show(1000, now=True)
    assert file.read_text() == "1000/1000\n"


def test_a_progress_file_that_cannot_be_written_fails_nothing(tmp_path):
    progress = ProgressFile(tmp_path / "no" / "folder", 3)
    progress.show(1, now=True)
    progress.show(2, now=True)
    ProgressFile(None, 3).show(1, now=True)
