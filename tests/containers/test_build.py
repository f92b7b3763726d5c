"""python -m containers.build: which tags and labels images get, and what is said when nothing can be built."""

import subprocess
import sys
from pathlib import Path

import pytest

from containers import build
from imaging_core import __version__

PROJECT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of one commit that holds what the build looks at."""
    (tmp_path / "imaging_core").mkdir()
    (tmp_path / "imaging_core/__init__.py").write_text('__version__ = "2.1.0"\n')
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    monkeypatch.setattr(build, "PROJECT", tmp_path)
    return tmp_path


def test_an_image_is_tagged_by_its_commit_and_by_its_build(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    source = build.read_source()
    assert source.tags(None) == [commit[:7]]
    assert source.tags("17") == [f"{commit[:7]}_17", commit[:7]]


def test_only_a_release_is_tagged_by_its_version_and_as_latest(checkout):
    git(checkout, "tag", "v2.0.9")
    assert len(build.read_source().tags(None)) == 1
    git(checkout, "tag", "v2.1.0")
    assert build.read_source().tags(None)[1:] == ["2.1.0", "latest"]


def test_uncommitted_changes_are_no_release_and_are_said(checkout):
    git(checkout, "tag", "v2.1.0")
    (checkout / "imaging_core/__init__.py").write_text('__version__ = "2.1.0"  # changed\n')
    (tag,) = build.read_source().tags(None)
    assert tag.endswith("-dirty")


def test_labels_say_version_revision_and_source_without_credentials(checkout):
    git(checkout, "remote", "add", "origin", "https://user:secret@git.example.org/imaging.git")
    labels = build.read_source().labels("core")
    assert labels["org.opencontainers.image.title"] == "core"
    assert labels["org.opencontainers.image.version"] == "2.1.0"
    assert labels["org.opencontainers.image.revision"] == git(checkout, "rev-parse", "HEAD")
    assert labels["org.opencontainers.image.source"] == "https://git.example.org/imaging.git"


def test_a_remote_that_is_a_folder_is_no_source(checkout, tmp_path):
    git(checkout, "remote", "add", "origin", str(tmp_path))
    assert "org.opencontainers.image.source" not in build.read_source().labels("core")


def test_without_a_builder_it_is_said_what_to_install(tmp_path):
    said = subprocess.run(
        [sys.executable, "-m", "containers.build", "core"],
        cwd=PROJECT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert said.returncode == 78
    assert (
        said.stderr == "error: neither buildah nor podman nor docker was found; install one: apt-get install buildah\n"
    )


def test_every_image_has_its_folder_and_is_built_on_what_was_built_before():
    for name, image in build.IMAGES.items():
        assert (PROJECT / "containers" / name / "Containerfile").is_file()
        assert image.parent is None or list(build.IMAGES).index(image.parent) < list(build.IMAGES).index(name)
    assert {path.name for path in (PROJECT / "containers").iterdir() if (path / "Containerfile").is_file()} == set(
        build.IMAGES
    )


def test_the_version_of_the_package_is_the_one_that_images_say():
    assert build.read_source().version == __version__
