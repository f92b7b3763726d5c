"""OpenSlide in processes of its own: what ends one is a failed case, and the next slide is read."""

import gc
import os
import signal
from pathlib import Path

import numpy as np
import openslide
import pytest

from imaging_core.decode import openslide_process
from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.decode.slide import Tiles
from imaging_core.decode.slide_openslide import OpenSlideFile
from imaging_core.decode.volume import View
from imaging_core.store import Location, open_source
from tests.slides import drawn, write_slide


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    pixels, _ = drawn()
    return write_slide(tmp_path_factory.mktemp("slide") / "slide.tiff", pixels, software="Philips DP v1.0")


def opened(path):
    return OpenSlideFile(open_source(Location.parse(str(path))), Limits())


def processes() -> list[int]:
    """Those of this test's process, in order of their start."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"openslide_child" in (each / "cmdline").read_bytes():
                found.append(int(each.name))
        except OSError:
            continue
    return sorted(found)


def kill_all() -> None:
    for process in processes():
        os.kill(process, signal.SIGKILL)
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


@pytest.fixture(autouse=True)
def alone():
    """No processes are left of other tests."""
    gc.collect()
    kill_all()
    yield
    gc.collect()


@pytest.mark.parametrize(("by", "temporary"), [("SIGSEGV", False), ("SIGKILL", True)])
def test_a_crash_fails_the_slide_and_the_next_one_is_read(slide, by, temporary):
    before = processes()
    file = opened(slide)
    expected = file.read(0, 100, 100, 50, 60)
    (process,) = set(processes()) - set(before)
    os.kill(process, signal.Signals[by])
    with pytest.raises(CaseError, match=by) as failed:
        file.read(0, 100, 100, 50, 60)
    assert (failed.value.kind, failed.value.temporary) == ("unreadable", temporary)
    assert np.array_equal(opened(slide).read(0, 100, 100, 50, 60), expected)


def test_a_slide_that_openslide_never_comes_back_from_fails(slide, monkeypatch):
    file = opened(slide)
    (process,) = processes()
    os.kill(process, signal.SIGSTOP)
    monkeypatch.setattr(openslide_process, "PATIENCE", 0.2)
    with pytest.raises(CaseError, match="no answer"):
        file.read(0, 0, 0, 10, 10)
    assert not processes()


def test_a_process_that_ended_while_nobody_needed_it_is_not_asked(slide):
    opened(slide)
    gc.collect()
    kill_all()
    assert opened(slide).read(0, 0, 0, 10, 10).shape == (10, 10, 3)


def test_interrupts_are_the_parents_alone(slide):
    file = opened(slide)
    for process in processes():
        for each in (signal.SIGINT, signal.SIGTERM):
            os.kill(process, each)
    assert file.read(0, 0, 0, 10, 10).shape == (10, 10, 3)


def test_processes_are_as_many_as_threads_and_serve_one_slide_after_the_other(slide):
    reference = openslide.OpenSlide(slide)
    view = View(tiles=Tiles((100, 100), 0.0, 0.5, tissue="off"))
    for _ in range(3):
        case = decode_sample([open_source(Location.parse(str(slide)))], 3, Limits(), view=view, workers=3)
        for each in case.inputs:
            row, column = each.place.offset
            region = reference.read_region((column, row), 0, (100, 100)).convert("RGB")
            assert np.array_equal(each.pixels, np.asarray(region))
        del case, each
        gc.collect()
    assert 1 <= len(processes()) <= 3
