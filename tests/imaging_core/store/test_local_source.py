"""Files as sources of bytes, their sizes looked up folder by folder, and the keys of a folder store."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imaging_core.errors import DataError, MissingError, TooLargeError
from imaging_core.store import Location, open_source, open_store, sizes

PROJECT = Path(__file__).parents[3]
READ_AS_NOBODY = """
import os, sys
from imaging_core.errors import ConfigurationError
from imaging_core.store import Location, open_source
if os.geteuid() == 0:
    os.setuid(65534)
try:
    open_source(Location.parse(sys.argv[1])).bytes()
except ConfigurationError as error:
    print(error)
"""


def source(path):
    return open_source(Location.parse(str(path)))


def test_a_store_lists_sorted_keys_below_a_folder_without_unfinished_ones(tmp_path):
    store = open_store(Location.parse(str(tmp_path / "run")))
    for key in ("b.txt", "a/2", "a/10", "a/x/1", "ab/1"):
        store.put(key, b"")
    (tmp_path / "run" / "a" / ".unfinished-xyz").write_bytes(b"half")
    assert list(store.list("a/")) == ["a/10", "a/2", "a/x/1"]
    assert list(store.list()) == ["a/10", "a/2", "a/x/1", "ab/1", "b.txt"]
    assert list(store.list("nothing/")) == []
    assert not store.exists("a")


class TestSource:
    def test_offers_bytes_a_file_and_a_path(self, tmp_path):
        path = tmp_path / "a.bin"
        path.write_bytes(b"0123456789")
        assert source(path).size() == 10
        assert source(path).bytes() == source(path).bytes(10) == b"0123456789"
        with source(path).open() as file:
            file.seek(3)
            assert file.read(2) == b"34"
        with source(path).path() as there:
            assert Path(there).read_bytes() == b"0123456789"

    def test_too_long_a_file_is_not_read(self, tmp_path):
        path = tmp_path / "a.bin"
        path.write_bytes(b"0123456789")
        with pytest.raises(TooLargeError, match="10 bytes, more than the 9 allowed"):
            source(path).bytes(9)

    @pytest.mark.parametrize("use", ["size", "bytes", "open", "path"])
    def test_what_is_missing_is_named(self, tmp_path, use):
        for path in (tmp_path / "none.png", tmp_path / "none" / "a.png"):
            with pytest.raises(MissingError, match=f"{path}: no such file"):
                getattr(source(path), use)()
        (tmp_path / "file").touch()
        with pytest.raises(MissingError, match="no such file"):
            getattr(source(tmp_path / "file" / "a.png"), use)()

    def test_a_name_that_no_file_can_have_is_a_matter_of_data(self, tmp_path):
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        for path in (tmp_path / ("n" * 300), tmp_path / "loop"):
            with pytest.raises(DataError, match=r"File name too long|Too many levels"):
                source(path).bytes()

    def test_a_folder_is_no_file(self, tmp_path):
        with pytest.raises(DataError, match="is a folder, not a file"):
            source(tmp_path).bytes()

    def test_a_pipe_or_a_device_is_refused_at_once(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", "/dev/zero"):
            with pytest.raises(DataError, match="not a regular file"):
                source(path).bytes()

    def test_no_permission_is_a_matter_of_configuration(self, tmp_path):
        path = tmp_path / "a.bin"
        path.touch(mode=0)
        tmp_path.chmod(0o755)
        for folder in tmp_path.parents[:3]:
            folder.chmod(folder.stat().st_mode | 0o111)
        command = [sys.executable, "-c", READ_AS_NOBODY, str(path)]
        said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
        assert "a.bin: permission denied; check the owner and the mode" in said


class TestSizes:
    def test_gives_those_that_are_there(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "1.png").write_bytes(b"123")
        (tmp_path / "2.png").write_bytes(b"")
        (tmp_path / "link.png").symlink_to(tmp_path / "a" / "1.png")
        (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
        names = ["a/1.png", "2.png", "link.png", "broken.png", "a", "none.png", "none/1.png", "2.png/x"]
        found = sizes(Location.parse(str(tmp_path / name)) for name in names)
        assert {location.path.removeprefix(f"{tmp_path}/"): size for location, size in found.items()} == {
            "a/1.png": 3,
            "2.png": 0,
            "link.png": 3,
        }

    def test_of_stores_that_cannot_say_are_left_out(self, tmp_path):
        (tmp_path / "a").write_bytes(b"1")
        here = Location.parse(str(tmp_path / "a"))
        assert sizes([here, Location.parse("http://127.0.0.1:1/a")]) == {here: 1}
