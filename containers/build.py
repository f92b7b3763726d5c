"""Builds the step images: ``python -m containers.build``."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PREFIX = "localhost/distributed-medical-inference"
BASE_IMAGE = "python:3.11-slim-bookworm"
TIMESTAMP = 315_532_800
"""1980-01-01: one date for every file of every layer, so that the same files give the same layer on any day."""

BUILDERS = ("buildah", "podman", "docker")
CODE = ("imaging_core", "steps")
TOOLKIT = ("workflows", "examples", "tests", "pyproject.toml")
LEFT_OUT = ("__pycache__", "*.pyc", ".*_cache")
EXIT_USAGE, EXIT_TEMPORARY, EXIT_CONFIGURATION = 64, 75, 78

EPILOG = """\
examples:
  python -m containers.build                              # every image, by buildah, podman or docker
  python -m containers.build core gpu --prefix registry.example.org/imaging --build 17 --push

Tags: the commit's first 7 characters; <commit>_<build> with --build; the version and latest when the commit is tagged
as that release (v1.2.3). With uncommitted changes the commit is followed by -dirty. A change of our code rebuilds in
seconds: requirements lie in layers of their own.
"""


@dataclass(frozen=True, slots=True)
class Image:
    """One folder of containers/.

    Attributes:
        parent: the image that it is built on; None for the base image from outside.
        context: what of the project its Containerfile copies.
        shared: whether others are built on it: it holds none of our code, and names no commit, so that a change of our
            code leaves it as it is.
    """

    name: str
    parent: str | None
    context: tuple[str, ...]
    shared: bool = False


IMAGES = {
    image.name: image
    for image in (
        Image("base", None, (), shared=True),
        Image("core-libs", "base", ("requirements",), shared=True),
        Image("gpu-libs", "base", ("requirements",), shared=True),
        Image("core", "core-libs", CODE),
        Image("gpu", "gpu-libs", CODE),
        Image("core-toolkit", "core-libs", ("requirements", *CODE, *TOOLKIT)),
        Image("gpu-toolkit", "gpu-libs", ("requirements", *CODE, *TOOLKIT)),
    )
}
OFFERED = tuple(image.name for image in IMAGES.values() if not image.shared)


class BuildError(Exception):
    """What ends the command: a message with the next step, and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Source:
    """What the images are made from.

    Attributes:
        version: of the project.
        commit: seven characters, with ``-dirty`` for uncommitted changes.
        revision: the full commit.
        release: whether the commit is tagged as the version.
        origin: where the repository is; empty when that is no address.
    """

    version: str
    commit: str
    revision: str
    release: bool
    origin: str

    def tags(self, build: str | None) -> list[str]:
        """The tags of every image; the first is the most exact one."""
        tags = [f"{self.commit}_{build}"] if build else []
        return [*tags, self.commit, *([self.version, "latest"] if self.release else [])]

    def labels(self, name: str) -> dict[str, str]:
        """The OCI annotations of an image, as labels."""
        values = {
            "title": name,
            "version": self.version,
            "revision": self.revision,
            "source": self.origin,
            "licenses": "Apache-2.0",
        }
        return {f"org.opencontainers.image.{key}": value for key, value in values.items() if value}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what was asked for and everything below it; say tags, sizes and times."""
    options = _parser().parse_args(arguments)
    try:
        builder = _builder(options.builder)
        source = read_source()
        tags = source.tags(options.build)
        for name in _order(options.images or OFFERED):
            _build(builder, IMAGES[name], options, source, tags)
        for name in options.images or OFFERED:
            if options.push:
                _push(builder, [f"{options.prefix}/{name}:{tag}" for tag in tags])
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; layers that are finished are kept", file=sys.stderr)
        return 130
    print(f"\nUse them with: python -m workflows.distributed_inference submit --image {options.prefix}:{tags[0]} …")
    return 0


def read_source() -> Source:
    """What git and the package say of the project."""
    version = re.search(r'__version__ = "(.+)"', (PROJECT / "imaging_core/__init__.py").read_text())
    if version is None:
        raise BuildError("imaging_core/__init__.py: holds no __version__", EXIT_CONFIGURATION)
    revision = _git("rev-parse", "HEAD")
    if not revision:
        raise BuildError("the images are tagged by commit; build them in a git checkout", EXIT_CONFIGURATION)
    dirty = "-dirty" if _git("status", "--porcelain", "--", *CODE, *TOOLKIT, "requirements", "containers") else ""
    origin = _git("remote", "get-url", "origin")
    return Source(
        version[1],
        revision[:7] + dirty,
        revision + dirty,
        not dirty and f"v{version[1]}" in _git("tag", "--points-at", "HEAD").split(),
        re.sub("//[^/@]*@", "//", origin) if "://" in origin and not origin.startswith("file:") else "",
    )


def _build(builder: str, image: Image, options: argparse.Namespace, source: Source, tags: Sequence[str]) -> None:
    names = [f"{options.prefix}/{image.name}:{tag}" for tag in tags]
    parent = f"{options.prefix}/{image.parent}:{tags[0]}" if image.parent else options.base_image
    argument = "FROM_IMAGE" if image.parent else "BASE_IMAGE"
    print(f"{image.name}: building by {builder} …", flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="containers-") as folder:
        _context(image, Path(folder))
        command = [
            *_command(builder),
            *(["--no-cache"] if options.no_cache else []),
            "--build-arg",
            f"{argument}={parent}",
        ]
        labels = {} if image.shared else source.labels(image.name)
        command += [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
        command += [part for name in names for part in ("--tag", name)]
        said = subprocess.run([*command, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if said.returncode:
        tail = "\n  ".join(said.stdout.splitlines()[-15:])
        raise BuildError(f"{image.name}: {builder} ended with exit code {said.returncode}:\n  {tail}", EXIT_TEMPORARY)
    print(f"{image.name}: {_size(builder, names[0])} in {time.monotonic() - begun:.0f} s", flush=True)
    for name in names:
        print(f"  {name}", flush=True)


def _context(image: Image, folder: Path) -> None:
    """What the Containerfile sees: its own folder, and files with one mode whatever this checkout's umask was."""
    shutil.copytree(PROJECT / "containers" / image.name, folder, dirs_exist_ok=True)
    for name in image.context:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            shutil.copy(PROJECT / name, folder / name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        os.utime(path, (TIMESTAMP, TIMESTAMP))


def _command(builder: str) -> list[str]:
    """How the builder is called; packages that uv has downloaded on this machine are not downloaded again."""
    if builder == "docker":
        return ["docker", "buildx", "build", "--load", "--build-arg", f"SOURCE_DATE_EPOCH={TIMESTAMP}"]
    isolation = ["--isolation", "chroot"] if os.geteuid() == 0 else []
    verb = "bud" if builder == "buildah" else "build"
    cache = Path(os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv")
    cached = ["--volume", f"{cache}:/cache"] if cache.is_dir() else []
    return [builder, verb, *isolation, *cached, "--layers", "--timestamp", str(TIMESTAMP)]


def _builder(wanted: str | None) -> str:
    for name in [wanted] if wanted else BUILDERS:
        if shutil.which(name):
            return name
    names = f"no {wanted}" if wanted else f"neither {' nor '.join(BUILDERS)}"
    raise BuildError(f"{names} was found; install one: apt-get install buildah", EXIT_CONFIGURATION)


def _order(names: Sequence[str]) -> list[str]:
    """The images, each after the one that it is built on."""
    needed: list[str] = []
    for name in names:
        chain = [name]
        while (parent := IMAGES[chain[0]].parent) is not None:
            chain.insert(0, parent)
        needed += [each for each in chain if each not in needed]
    return needed


def _size(builder: str, name: str) -> str:
    tool = builder if builder == "docker" else "podman" if shutil.which("podman") else None
    if tool is None:
        return "built"
    size = subprocess.run(
        [tool, "image", "inspect", "--format", "{{.Size}}", name], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return f"{int(size) / 1e6:.0f} MB"


def _push(builder: str, names: Sequence[str]) -> None:
    for name in names:
        print(f"pushing {name} …", flush=True)
        if subprocess.run([builder, "push", name]).returncode:
            raise BuildError(f"{name}: could not be pushed; log in first: {builder} login", EXIT_TEMPORARY)


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", *arguments], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout.strip()
    except FileNotFoundError:
        return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m containers.build",
        description="Build the step images: core (split, gather), gpu (infer, train), and a toolkit of each.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "images", nargs="*", choices=[*OFFERED, []], metavar="IMAGE", help=f"which: {', '.join(OFFERED)} (default: all)"
    )
    add("--prefix", default=PREFIX, metavar="NAME", help="registry and project (default: %(default)s)")
    add("--build", metavar="NUMBER", help="also tag as <commit>_<build>")
    add("--base-image", default=BASE_IMAGE, metavar="IMAGE", help="with Python 3.11 (default: %(default)s)")
    add("--builder", choices=BUILDERS, help="(default: the first that is there)")
    add("--no-cache", action="store_true", help="use no layer that was built before")
    add("--push", action="store_true", help="push every tag to the registry of --prefix")
    return parser


if __name__ == "__main__":
    sys.exit(main())
