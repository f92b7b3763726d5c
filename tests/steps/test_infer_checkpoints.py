"""Cases that take long: a step that is killed does again only what it had not told, however few make a ledger part."""

import json

import pytest

from imaging_core import run as layout
from imaging_core.decode.registry import DECODERS
from imaging_core.errors import TemporaryError
from imaging_core.inference import recorder
from imaging_core.inference.shard import Request, infer_shard
from imaging_core.store import Location
from tests.small_run import compared, infer, make_bundle, make_images, make_masks, split, write_dataset

CASES = 20
"""Less than a ledger part."""


class Counting:
    """All formats, by their own decoders; the step ends when so many cases have been decoded."""

    name, suffixes, whole = "counting", frozenset({".none"}), True

    def __init__(self, most=CASES):
        self.most, self.decoded = most, 0

    def recognises(self, head):
        self._decoder = next(each for each in DECODERS if each.recognises(head))
        return True

    def decode(self, sources, channels, limits):
        if self.decoded == self.most:
            raise TemporaryError("the node is lost")
        self.decoded += 1
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


def decoded(place, run, most=CASES):
    """How many cases a step decodes that ends after so many."""
    counting = Counting(most)
    run, model = (Location.parse(str(path)) for path in (run, place / "model"))
    infer_shard(Request(run, "000", model, threads=1, device="cpu", decoders=(counting,)), lambda _: None)
    return counting.decoded


@pytest.fixture
def ended_early(place, request, monkeypatch):
    """A run that ended after some of its cases, and saved after each batch."""
    run = place / request.node.name
    split(place / "data" / "crops.yml", run, 1)
    with monkeypatch.context() as always:
        always.setattr(recorder, "CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(TemporaryError, match="the node is lost"):
            decoded(place, run, 12)
    assert not (run / "results/000/cases").exists()
    assert 8 <= len(lines_of(run)) <= 12
    return run


def lines_of(run):
    return (run / layout.checkpoint("000", 0)).read_bytes().splitlines(keepends=True)


def test_what_was_told_is_not_done_again_and_the_checkpoint_is_gone_at_the_end(place, ended_early):
    told = len(lines_of(ended_early))
    assert decoded(place, ended_early) == CASES - told
    assert compared(ended_early) == compared(place / "undisturbed")
    assert not (ended_early / "results/000/checkpoints").exists()


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
