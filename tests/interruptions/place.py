"""Where runs are disturbed: a folder of this machine, or a bucket of a real MinIO server."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imaging_core.store import Location, open_store
from tests import small_run
from tests.s3_server import BUCKET, running_server, used

COMMAND = (sys.executable, "-m", "workflows.distributed_inference")
TIED = small_run.PROJECT / "workflows" / "local" / "tied.py"

CASES = 280
SHARDS = 2
"""Of 140 cases each, and so with two ledger parts."""

MAY_DIFFER = ("run.json", "ro-crate-metadata.json", "report/report.html", "report/ui/index.html")


@dataclass(frozen=True)
class Place:
    """A dataset with masks, a small U-Net and runs below one prefix.

    Attributes:
        prefix: of all of it.
        folder: on this machine, for temporary files and what is kept of a run that differs.
    """

    prefix: Location
    folder: Path

    def start(self, name: str, *, resume: bool = False) -> "subprocess.Popen[bytes]":
        """Begin or resume the run of that name; what it says goes to a file. It gets SIGTERM when this process ends."""
        options = ["--resume", self.of(name)] if resume else ["--run", self.of(name), *self._inputs()]
        with self.said(name).open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-IS", str(TIED), str(os.getpid()), *COMMAND, "run", *options],
                cwd=small_run.PROJECT,
                env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "TMPDIR": str(self.said(name).parent)},
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def of(self, name: str) -> str:
        """Where a run lies."""
        return str(self._location(name))

    def said(self, name: str) -> Path:
        """What the commands of a run said; the temporary files of their processes lie beside it."""
        folder = self.folder / "said" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "output.log"

    def keys(self, name: str) -> set[str]:
        """The names of the run's files, so far."""
        return set(open_store(self._location(name)).list())

    def files(self, name: str) -> dict[str, bytes]:
        """All files of the run, on a disk those too whose names the store hides."""
        store = open_store(self._location(name))
        if self.prefix.scheme != "file":
            return {key: store.get(key) for key in store.list()}
        root = Path(self.of(name))
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def keep(self, name: str) -> Path:
        """The run as a folder of this machine."""
        if self.prefix.scheme == "file":
            return Path(self.of(name))
        kept = self.folder / "kept" / name
        for key, data in self.files(name).items():
            (kept / key).parent.mkdir(parents=True, exist_ok=True)
            (kept / key).write_bytes(data)
        return kept

    def remove(self, name: str) -> None:
        """The run and what its commands said."""
        store = open_store(self._location(name))
        for key in self.files(name):
            store.delete(key)
        shutil.rmtree(self.said(name).parent)
        shutil.rmtree(self.folder / "runs" / name, ignore_errors=True)

    def _inputs(self) -> Sequence[str]:
        dataset, model = self.prefix.join("data/crops.yml"), self.prefix.join("model")
        how = ("--shards", str(SHARDS), "--parallelism", str(SHARDS), "--device", "cpu")
        return ("--dataset", str(dataset), "--model", str(model), *how)

    def _location(self, name: str) -> Location:
        return self.prefix.join(f"runs/{name}")


def compared(files: dict[str, bytes]) -> dict[str, bytes]:
    """All but logs and times, which a killed process does not leave; of pages and run.json only that they are there."""
    return {
        key: b"" if key in MAY_DIFFER else data
        for key, data in files.items()
        if not key.startswith("logs/") and not key.endswith("/timing.json")
    }


def make_place(folder: Path) -> Place:
    """A place in a folder of this machine."""
    names, masks = small_run.make_images(folder / "data", CASES), small_run.make_masks(folder / "data", CASES)
    entries = [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)]
    small_run.write_dataset(folder / "data", entries)
    small_run.make_bundle(folder / "model", "segmentation", "binary", ["bright"])
    return Place(Location.parse(str(folder)), folder)


@contextmanager
def place_in_a_bucket(folder: Path) -> Iterator[Place]:
    """A place in a bucket of a server that this starts; meanwhile this process's environment names the server."""
    on_disk = make_place(folder)
    with running_server(folder / "minio") as server, used(server):
        place = Place(Location.parse(f"s3://{BUCKET}/hospital {secrets.token_hex(4)}"), folder)
        store = open_store(place.prefix)
        for key in open_store(on_disk.prefix).list():
            if key.startswith(("data/", "model/")):
                store.put(key, (folder / key).read_bytes())
        yield place
