"""Cases that take long: a step that is killed does again only what it had not told, however few make a ledger part."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from imaging_core import run as layout
from imaging_core.decode.registry import DECODERS
from imaging_core.errors import TemporaryError
from imaging_core.inference import flow, pipeline
from imaging_core.inference.resume import read_kept
from imaging_core.inference.shard import Request, infer_shard, open_work
from imaging_core.store import Location
from imaging_core.store.local import LocalStore
from tests.small_run import (
    PROJECT,
    arguments_of,
    compared,
    infer,
    make_bundle,
    make_images,
    make_masks,
    split,
    write_dataset,
)

CASES = 20
"""Less than a ledger part."""

SLOWLY = """
import sys, time
from imaging_core.inference import pipeline, stages
from steps.command import run_command
from steps.infer import main
pipeline.CHECKPOINT_SECONDS = float(sys.argv.pop(1))
at_once = stages.decode_sample
def decode_sample(*given):
    time.sleep(0.2)
    return at_once(*given)
stages.decode_sample = decode_sample
run_command(main)
"""


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Counting:
    """All formats, by their own decoders, slowly enough for each case to pass alone.

    When so many cases have been decoded the step waits, and ends.
    """

    name, suffixes, whole = "counting", frozenset({".none"}), True

    def __init__(self, most, until):
        self.most, self.until, self.decoded = most, until, 0
        self.lock = threading.Lock()

    def recognises(self, head):
        self._decoder = next(each for each in DECODERS if each.recognises(head))
        return True

    def decode(self, sources, channels, limits):
        with self.lock:
            if self.decoded == self.most:
                wait_until(self.until)
                raise TemporaryError("the node is lost")
            self.decoded += 1
        time.sleep(2 * flow.GROUP_SECONDS)
        return self._decoder.decode(sources, channels, limits)

    def mask(self, source, limits, *, indices):
        return DECODERS[2].mask(source, limits, indices=indices)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    names, masks = make_images(folder / "data", CASES), make_masks(folder / "data", CASES)
    write_dataset(folder / "data", [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)])
    make_bundle(folder / "model", "segmentation", "binary", ["bright"])
    split(folder / "data" / "crops.yml", folder / "undisturbed", 1)
    infer(folder / "undisturbed", folder / "model")
    return folder


def request_of(place, run, *decoders, threads=1):
    run, model = (Location.parse(str(path)) for path in (run, place / "model"))
    return Request(run, "000", model, threads=threads, device="cpu", decoders=decoders)


def decoded(place, run, most=CASES, until=None, threads=1):
    """How many cases a step decodes that ends after so many, when something holds."""
    counting = Counting(most, until)
    infer_shard(request_of(place, run, counting, threads=threads), lambda _: None)
    return counting.decoded


def broken_off(place, run, monkeypatch, saved, threads=1):
    """A step that waits with its thirteenth case until some of those before it are saved: long after they were told."""
    with monkeypatch.context() as often:
        often.setattr(pipeline, "CHECKPOINT_SECONDS", 0.5)
        with pytest.raises(TemporaryError, match="the node is lost"):
            decoded(place, run, 12, lambda: saved.exists() and len(saved.read_bytes().splitlines()) >= 4, threads)
    assert len(saved.read_bytes().splitlines()) <= 12


@pytest.fixture
def ended_early(place, request, monkeypatch):
    """A run whose step ended while a case took long."""
    run = place / request.node.name
    split(place / "data" / "crops.yml", run, 1)
    broken_off(place, run, monkeypatch, run / layout.checkpoint("000", 0))
    assert not (run / "results/000/cases").exists()
    return run


def lines_of(run):
    return (run / layout.checkpoint("000", 0)).read_bytes().splitlines(keepends=True)


def test_what_was_told_is_not_done_again_and_the_checkpoint_is_gone_at_the_end(place, ended_early):
    told = len(lines_of(ended_early))
    assert decoded(place, ended_early) == CASES - told
    assert compared(ended_early) == compared(place / "undisturbed")
    assert not (ended_early / "results/000/checkpoints").exists()


def test_a_step_of_several_threads_saves_likewise(place, monkeypatch):
    run = place / "several threads"
    split(place / "data" / "crops.yml", run, 1)
    broken_off(place, run, monkeypatch, run / layout.checkpoint("000", 0), threads=2)
    told = len(lines_of(run))
    assert decoded(place, run, threads=2) == CASES - told
    assert not (run / "results/000/checkpoints").exists()


def without_a_line(lines):
    return b"".join([*lines[:3], *lines[4:]])


@pytest.mark.parametrize(
    ("damage", "stands"),
    [
        (without_a_line, lambda told: told - 1),
        (lambda lines: b"".join(lines)[:-30], lambda _: 0),
        (lambda lines: b"".join(reversed(lines)), lambda _: 0),
        (lambda lines: b"".join([*lines, lines[-1]]), lambda _: 0),
        (lambda lines: b"".join(lines).replace(b'"by":"', b'"by":"0'), lambda _: 0),
        (lambda lines: b"".join(lines).replace(b'"case":"05"', b'"case":"77"'), lambda _: 0),
    ],
    ids=["a case less", "cut short", "in another order", "a case twice", "of nobody", "of another shard"],
)
def test_a_checkpoint_that_cannot_be_used_costs_time_and_nothing_else(place, ended_early, damage, stands):
    lines = lines_of(ended_early)
    (ended_early / layout.checkpoint("000", 0)).write_bytes(damage(lines))
    assert decoded(place, ended_early) == CASES - stands(len(lines))
    assert compared(ended_early) == compared(place / "undisturbed")


def test_a_checkpoint_of_all_cases_does_not_keep_their_part_from_being_written(place, ended_early):
    part = (place / "undisturbed" / layout.ledger_part("000", 0)).read_bytes()
    (ended_early / layout.checkpoint("000", 0)).write_bytes(part)
    infer(ended_early, place / "model")
    assert compared(ended_early) == compared(place / "undisturbed")


def test_cases_that_failed_for_a_reason_that_is_gone_are_done_again(place, ended_early):
    first, *others = lines_of(ended_early)
    by = json.loads(first)["by"]
    failed = {"by": by, "case": "00", "kind": "store", "reason": "gone", "state": "failed", "temporary": True}
    (ended_early / layout.checkpoint("000", 0)).write_bytes(b"".join([layout.to_json_line(failed), *others]))
    assert decoded(place, ended_early) == CASES - len(others)
    assert compared(ended_early) == compared(place / "undisturbed")


def slow_step(place, run, seconds):
    """A process that saves so often."""
    arguments = arguments_of(run, place / "model", "000", "--device", "cpu")
    command = [sys.executable, "-c", SLOWLY, str(seconds), *arguments]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("sent", "code", "seconds", "seen", "least"),
    [
        (signal.SIGKILL, -9, 0.05, "results/000/checkpoints/*.jsonl", 1),
        (signal.SIGTERM, 143, 3600, "outputs/*.png", 4),  # nothing is saved by the clock; a batch is told
    ],
    ids=["killed", "asked to end"],
)
def test_a_step_that_is_ended_from_outside_leaves_what_it_told(place, request, sent, code, seconds, seen, least):
    run = place / request.node.name
    split(place / "data" / "crops.yml", run, 1)
    with slow_step(place, run, seconds) as step:
        wait_until(lambda: any(run.glob(seen)))
        step.send_signal(sent)
        assert step.wait() == code
    told = len(lines_of(run))
    assert least <= told < CASES
    for line in lines_of(run):
        assert (run / json.loads(line)["outputs"]["mask"]).exists()
    assert decoded(place, run) == CASES - told
    assert compared(run) == compared(place / "undisturbed")


def test_a_step_that_was_frozen_saves_nothing_beside_what_another_has_completed(place, request):
    run = place / request.node.name
    split(place / "data" / "crops.yml", run, 1)
    with slow_step(place, run, 3600) as step:
        wait_until(lambda: any(run.glob("outputs/*.png")))
        step.send_signal(signal.SIGSTOP)
        infer(run, place / "model")
        step.send_signal(signal.SIGTERM)
        step.send_signal(signal.SIGCONT)
        assert step.wait() == 143
    assert not list(run.glob("results/000/checkpoints/*"))
    assert compared(run) == compared(place / "undisturbed")


@pytest.fixture
def failed_before(place, request):
    """A shard that is complete, all of whose cases failed for a reason that is gone."""
    run = place / request.node.name
    shutil.copytree(place / "undisturbed", run)
    part = run / layout.ledger_part("000", 0)
    by = json.loads(part.read_bytes().splitlines()[0])["by"]
    failed = {"by": by, "kind": "store", "reason": "gone", "state": "failed", "temporary": True}
    part.write_bytes(b"".join(layout.to_json_line(failed | {"case": f"{case:02}"}) for case in range(CASES)))
    return run


def beside(run):
    """The checkpoint of what is to take the place of a part that is there."""
    part = (run / layout.ledger_part("000", 0)).read_bytes()
    return run / layout.checkpoint("000", 0, hashlib.sha256(part).hexdigest())


def test_what_is_done_again_is_not_done_a_third_time(place, failed_before, monkeypatch):
    saved = beside(failed_before)
    broken_off(place, failed_before, monkeypatch, saved)
    told = len([line for line in saved.read_bytes().splitlines() if json.loads(line)["state"] == "done"])
    assert told >= 4
    assert decoded(place, failed_before) == CASES - told
    assert compared(failed_before) == compared(place / "undisturbed")
    assert not saved.exists()


@pytest.mark.parametrize("of", ["no part", "another part"])
def test_what_is_older_than_the_part_that_is_there_is_not_believed(place, failed_before, of):
    by = json.loads((place / "undisturbed" / layout.ledger_part("000", 0)).read_bytes().splitlines()[0])["by"]
    failed = {"by": by, "case": "00", "kind": "damaged", "reason": "for good", "state": "failed"}
    old = failed_before / layout.checkpoint("000", 0, None if of == "no part" else "0" * 64)
    old.parent.mkdir()
    old.write_bytes(layout.to_json_line(failed))
    assert decoded(place, failed_before) == CASES
    assert compared(failed_before) == compared(place / "undisturbed")


def test_a_shard_that_another_process_completes_while_it_is_looked_at_is_not_outdated(place, ended_early):
    work = open_work(request_of(place, ended_early))

    class Meanwhile(LocalStore):
        def list(self, prefix=""):
            keys = [*super().list(prefix)]
            shutil.copytree(place / "undisturbed" / "results", ended_early / "results", dirs_exist_ok=True)
            yield from keys

    ledger = replace(work.ledger, store=Meanwhile(work.ledger.store.root))
    assert not read_kept(ledger, work.shard.sha256, work.model, work.again).outdated
