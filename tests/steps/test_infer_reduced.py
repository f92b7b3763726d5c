"""A model card that wants JPEGs decoded at a reduced scale, and what ``--profile`` says."""

import json
import subprocess
import sys

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests import small_run
from tests.small_run import PROJECT, make_bundle, records, split


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reduced")
    (folder / "data").mkdir()
    retina = Image.open(f"{skimage.data.__path__[0]}/retina.jpg").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    retina.crop((0, 0, 1411, 900)).save(folder / "data" / "a.jpg", quality=95)
    retina.crop((0, 0, 1411, 900)).save(folder / "data" / "turned.jpg", quality=95, exif=exif)
    retina.resize((20, 20)).save(folder / "data" / "small.jpg", quality=95)
    Image.fromarray(np.array(retina)[:, :, 0]).save(folder / "data" / "b.png")
    names = ("a.jpg", "turned.jpg", "small.jpg", "b.png")
    small_run.write_dataset(folder / "data", [{"location": name} for name in names])
    for decode in ("full", "reduced"):
        seen = {"height": 64, "width": 64, "channels": 3, "resize": "area", "decode": decode}
        picture = np.array(retina.resize((64, 64)))
        make_bundle(folder / decode, "segmentation", "binary", ["vessel"], picture=picture, input=seen)
        split(folder / "data" / "crops.yml", folder / f"run-{decode}", 1)
    return folder


@pytest.fixture(scope="module")
def said(place):
    """What each of the two steps printed."""
    lines = {}
    for decode in ("full", "reduced"):
        arguments = small_run.arguments_of(place / f"run-{decode}", place / decode, "000", "--profile")
        command = [sys.executable, "-m", "steps.infer", *arguments, "--device", "cpu"]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
        lines[decode] = done.stdout.splitlines()
    return lines


def test_masks_have_the_size_of_the_file_and_nearly_the_same_pixels(place, said):
    for case, size in enumerate([(1411, 900), (900, 1411), (20, 20), (1411, 1411)]):
        full, reduced = (np.array(Image.open(place / f"run-{d}" / f"outputs/{case}.png")) for d in ("full", "reduced"))
        assert full.shape == reduced.shape == size[::-1]
        assert (full == reduced).mean() > 0.9
        if case in (2, 3):  # no smaller scale fits, or no JPEG
            assert (full == reduced).all()
    assert all(record.state == "done" for record in records(place / "run-reduced").values())


def test_the_profile_names_the_stage_that_limits(place, said):
    header, *stages, conclusion = said["full"][-7:]
    assert header.split() == ["stage", "threads", "works", "on", "CPU", "waits"]
    assert [line.split()[0] for line in stages] == ["fetch", "decode", "compute", "finish", "write"]
    shares = {line.split()[0]: int(line.split()[2].rstrip("%")) for line in stages}
    name, verb, *_ = conclusion.split()
    assert verb == "limits:"
    assert shares[name] == max(shares.values())
    timing = json.loads((place / "run-full/results/000/timing.json").read_text())
    busy = {name: stage["busy_seconds"] for name, stage in timing["stages"].items()}
    assert all(value > 0 for value in busy.values())
