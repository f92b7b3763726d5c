"""Killed or asked to stop at any moment, and run again: the same bytes as if nothing had happened."""

import signal
import time

import pytest

from imaging_core.decode.case import CaseError
from imaging_core.inference import shard as shard_module
from imaging_core.inference.shard import Request, infer_shard
from imaging_core.store import Location
from tests import small_run
from tests.small_run import compared, infer, make_bundle, make_images, make_masks, split, start

CASES = 150


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupted")
    names, masks = make_images(folder / "data", CASES), make_masks(folder / "data", CASES)
    entries = [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)]
    small_run.write_dataset(folder / "data", entries)
    make_bundle(folder / "model", "segmentation", "binary", ["bright"])
    split(folder / "data" / "crops.yml", folder / "undisturbed", 1)
    infer(folder / "undisturbed", folder / "model")
    return folder


def stop_after(place, name, outputs, number):
    """Start a step, send it a signal when it has written so many outputs; returns run and process."""
    run = place / name
    split(place / "data" / "crops.yml", run, 1)
    process = start(run, place / "model")
    while process.poll() is None and len(list((run / "outputs").glob("*.png"))) < outputs:
        time.sleep(0.001)
    process.send_signal(number)
    return run, process


@pytest.mark.parametrize("outputs", [1, 140])
def test_killed_in_the_middle_and_run_again(place, outputs):
    run, process = stop_after(place, f"killed-{outputs}", outputs, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (run / "results/000/summary.json").exists()
    infer(run, place / "model")
    assert compared(run) == compared(place / "undisturbed")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_it_leaves_soon_with_its_code_and_resumes(place, number, code):
    run, process = stop_after(place, f"stopped-{code}", 5, number)
    asked = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert time.monotonic() - asked < 10
    assert not (run / "results/000/summary.json").exists()
    infer(run, place / "model")
    assert compared(run) == compared(place / "undisturbed")


def test_what_a_large_batch_gave_is_written_before_it_leaves(place):
    batch = 48
    make_bundle(place / "large", "segmentation", "binary", ["bright"], batch=batch)
    run = place / "stopped-large"
    split(place / "data" / "crops.yml", run, 1)
    process = start(run, place / "large")
    while process.poll() is None and not list((run / "outputs").glob("*.png")):
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    assert time.monotonic() - asked < 10
    assert stderr == "terminated\n"
    assert len(list((run / "outputs").glob("*.png"))) % batch in (0, CASES % batch)


def test_two_processes_on_one_shard_do_no_harm(place):
    run = place / "twice"
    split(place / "data" / "crops.yml", run, 1)
    processes = [start(run, place / "model") for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert compared(run) == compared(place / "undisturbed")


class Failing:
    """A format that takes every file for its own and has no memory left for it; notes whether the shard is complete."""

    name = "failing"
    suffixes = frozenset({".none"})
    whole = True

    def __init__(self, summary):
        self.summary, self.complete = summary, set()

    def recognises(self, _head):
        self.complete.add(self.summary.exists())
        return True

    def decode(self, _sources, _channels, _limits):
        raise CaseError("out_of_memory", "no memory left for this case", temporary=True)


def test_a_process_that_comes_late_takes_nothing_away_and_spoils_nothing(place, monkeypatch):
    """It found nothing done, stood still while another did all, and then went on, short of memory."""
    run = place / "late"
    split(place / "data" / "crops.yml", run, 1)
    open_work = shard_module.open_work

    def open_slowly(request):
        work = open_work(request)
        monkeypatch.undo()
        infer(run, place / "model")
        return work

    monkeypatch.setattr(shard_module, "open_work", open_slowly)
    failing = Failing(run / "results/000/summary.json")
    places = [Location.parse(str(path)) for path in (run, place / "model")]
    summary = infer_shard(Request(places[0], "000", places[1], threads=1, decoders=(failing,)), print)
    assert failing.complete == {True}
    assert (summary["done"], summary["failed"]) == (CASES, 0)
    assert compared(run) == compared(place / "undisturbed")
