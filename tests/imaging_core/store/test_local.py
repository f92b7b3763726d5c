"""The folder store: whole or absent, whatever happens, and nothing left behind."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from imaging_core.errors import MissingError
from imaging_core.store import Location, open_store
from imaging_core.store import local as local_module

WRITER = """
import itertools, sys
from imaging_core.store import Location, open_store
store = open_store(Location.parse(sys.argv[1]))
for number in itertools.count():
    store.put("new/%d" % number, b"x" * 100_000)
    store.put("same", b"%d" % (number % 2) * 100_000)
"""


@pytest.fixture(params=["nameless", "beside"])
def store(request, tmp_path, monkeypatch):
    if request.param == "beside":

        def refuse(path, data):
            raise OSError(errno.EOPNOTSUPP, "not on this file system")

        monkeypatch.setattr(local_module, "_write_nameless", refuse)
    return open_store(Location.parse(str(tmp_path)))


def test_objects_are_written_replaced_listed_and_removed(store, tmp_path):
    store.put("a/b", b"one")
    store.put("a/b", b"two")
    store.put("a/c", b"")
    assert store.get("a/b") == b"two"
    assert list(store.list("a/")) == ["a/b", "a/c"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b", "c"]
    store.delete("a/b")
    store.delete("a/b")
    assert not store.exists("a/b")
    with pytest.raises(MissingError):
        store.get("a/b")


def test_links_are_listed_as_themselves_and_never_followed(store, tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").write_bytes(b"x" * 100)
    store.put("run/a", b"123")
    (tmp_path / "run/link").symlink_to(elsewhere / "precious")
    (tmp_path / "run/folder").symlink_to(elsewhere)
    (tmp_path / "linked").symlink_to(elsewhere)
    assert list(store.folders()) == ["run"]
    entries = {entry.key: entry for entry in store.entries()}
    assert sorted(entries) == ["run/a", "run/link"]
    assert entries["run/a"].size == 3
    assert abs(entries["run/a"].modified.timestamp() - time.time()) < 60
    store.delete_all(entries)
    assert (elsewhere / "precious").exists()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["folder"]


def test_folders_that_become_empty_go_with_their_last_file(tmp_path):
    run = open_store(Location.parse(str(tmp_path / "runs/a")))
    for key in ("x/y/1", "x/y/2", "z"):
        run.put(key, b"")
    run.delete_all(["x/y/1", "absent/1"])
    assert list(run.list()) == ["x/y/2", "z"]
    run.delete_all(["x/y/2"])
    assert [path.name for path in (tmp_path / "runs/a").iterdir()] == ["z"]
    run.delete_all(["z"])
    assert not list((tmp_path / "runs").iterdir())
    assert list(run.entries()) == list(run.folders()) == []


def test_files_have_the_mode_of_the_umask(store, tmp_path):
    store.put("a", b"1")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask


def test_the_same_bytes_are_not_written_again(store, tmp_path):
    store.put("a", b"1")
    before = (tmp_path / "a").stat().st_mtime_ns
    store.put("a", b"1")
    assert (tmp_path / "a").stat().st_mtime_ns == before


def test_what_killed_writers_left_is_not_listed_and_is_swept_away(store, tmp_path):
    store.put("a/b", b"1")
    for folder in (tmp_path, tmp_path / "a"):
        (folder / f"{local_module.TEMPORARY_PREFIX}1").write_bytes(b"half")
    assert list(store.list()) == ["a/b"]
    store.sweep()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b"]


def test_who_writes_while_others_sweep_comes_to_an_end_all_the_same(store, tmp_path):
    over = threading.Event()

    def sweep():
        while not over.is_set():
            store.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(300):
            store.put("same", b"%d" % number * 10_000)
            assert store.get("same") == b"%d" % number * 10_000
    finally:
        over.set()
        sweeper.join()
    assert [path.name for path in tmp_path.iterdir()] == ["same"]


def test_who_writes_into_a_folder_that_others_remove_makes_it_again(store, tmp_path, monkeypatch):
    flush, removed = os.fsync, []

    def fsync(descriptor):
        flush(descriptor)
        if not removed:
            for unfinished in (tmp_path / "a").iterdir():
                unfinished.unlink()
            (tmp_path / "a").rmdir()
            removed.append("a")

    monkeypatch.setattr(os, "fsync", fsync)
    store.put("a/b", b"1")
    assert removed == ["a"]
    assert store.get("a/b") == b"1"


def test_a_signal_between_two_instructions_leaves_nothing_half_done(tmp_path):
    store, rng = open_store(Location.parse(str(tmp_path))), random.Random(1)

    class Signalled(BaseException):
        pass

    def handler(_number, _frame):
        raise Signalled

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for number in range(300):
            data = b"%d" % number * 1000
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 1e-3))
                store.put("same", data)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Signalled:
                pass
            assert [path.name for path in tmp_path.iterdir()] in ([], ["same"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_killed_writer_leaves_whole_files_only(tmp_path):
    project = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=project)
    while not (tmp_path / "new" / "5").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sizes = {path.stat().st_size for path in (tmp_path / "new").iterdir()}
    assert sizes == {100_000}
    assert (tmp_path / "same").stat().st_size == 100_000
