"""A model card's processing chain: what the network sees is what OpenCV makes of the images by the same operators."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from imaging_core.errors import DataError, UsageError
from imaging_core.store import Location
from steps import bundle
from tests import small_run
from tests.small_run import crop, infer, make_bundle, records, split

CASES = 6
SEEN = {"height": 32, "width": 32, "channels": 3}
CHAIN = [{"operator": "gaussian_blur", "sigma": 1.5, "size": 5}, {"operator": "clahe", "clip": 2.0, "tiles": [4, 4]}]


def processed(image: np.ndarray) -> np.ndarray:
    """What OpenCV makes of it by the same chain."""
    blurred = cv2.GaussianBlur(image, (5, 5), 1.5)
    clahe = cv2.createCLAHE(2.0, (4, 4))
    return np.dstack([clahe.apply(np.ascontiguousarray(blurred[..., channel])) for channel in range(3)])


def inferred(folder, images, model, name):
    """The run of a dataset of images."""
    data = folder / name
    data.mkdir()
    entries = []
    for number, image in enumerate(images):
        Image.fromarray(image).save(data / f"{number}.png")
        entries.append({"location": f"{number}.png"})
    run = folder / f"{name}-run"
    split(small_run.write_dataset(data, entries), run, 1)
    infer(run, model)
    return run


def test_the_network_sees_what_opencv_makes_of_the_images(tmp_path):
    images = [crop(number) for number in range(CASES)]
    make_bundle(tmp_path / "chained", "segmentation", "binary", ["bright"], input=SEEN | {"processing": CHAIN})
    make_bundle(tmp_path / "plain", "segmentation", "binary", ["bright"])
    here = inferred(tmp_path, images, tmp_path / "chained", "raw")
    there = inferred(tmp_path, [processed(image) for image in images], tmp_path / "plain", "processed")
    none = inferred(tmp_path, images, tmp_path / "plain", "unprocessed")
    masks = [
        np.stack([np.asarray(Image.open(run / f"outputs/{number}.png"))[:40, :50] for number in range(CASES)]) > 0
        for run in (here, there, none)
    ]
    assert (masks[0] != masks[1]).mean() < 0.01  # Gaussian blur: one level of 255
    assert (masks[0] != masks[2]).mean() > 0.05


def test_an_image_that_the_chain_does_not_take_is_a_failed_case(tmp_path):
    chain = [{"operator": "equalise"}]  # of 8 bits only
    make_bundle(tmp_path / "model", "segmentation", "binary", ["bright"], input=SEEN | {"processing": chain})
    grey = crop(0).mean(2)
    run = inferred(tmp_path, [grey.astype(np.uint8), grey.astype(np.uint16) * 257], tmp_path / "model", "mixed")
    found = records(run)
    assert found["0"].state == "done"
    assert (found["1"].state, found["1"].kind, found["1"].temporary) == ("failed", "unsupported", False)
    assert "uint16" in found["1"].reason


def test_pack_reads_the_chain_from_a_file_and_inspect_tells_it(tmp_path, capsys):
    (tmp_path / "chain.yml").write_text("- {operator: clahe, clip: 2}\n- {operator: gaussian_blur, sigma: 1}\n")
    assert pack(tmp_path, "chain.yml") == 0
    capsys.readouterr()
    bundle.main(["inspect", str(tmp_path / "model")])
    assert "processing    clahe (clip=2); gaussian_blur (sigma=1)" in capsys.readouterr().out
    assert bundle.main(["inspect", str(tmp_path / "model"), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)["card"]
    assert card["input"]["processing"] == [{"operator": "clahe", "clip": 2}, {"operator": "gaussian_blur", "sigma": 1}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "- {operator: sharpen}",
            r"\[0\]: operator 'sharpen' is not there; a chain may have: brightness, clahe",
        ),
        ("- {operator: mirror}", r"\[0\]: operator 'mirror' moves pixels"),
        ("- {operator: clahe}\n- {operator: gamma, exponent: -1}", r"\[1\].exponent: .*greater than 0"),
        ("- {operator: gamma, exponent: 2, limit: 1}", r"\[0\].limit: no such parameter; known: exponent"),
        ("- {clip: 2}", r"input.processing.0.operator: is missing"),
        ("clahe", r"input.processing"),
    ],
    ids=["unknown", "moving", "out of range", "unknown parameter", "no name", "no list"],
)
def test_what_is_wrong_with_a_chain_is_said_before_anything_is_written(tmp_path, text, message):
    (tmp_path / "chain.yml").write_text(text)
    with pytest.raises((DataError, UsageError), match=message):
        pack(tmp_path, "chain.yml")
    assert not (tmp_path / "model").exists()


def test_a_bundle_with_another_chain_is_refused(tmp_path):
    make_bundle(tmp_path / "model", "segmentation", "binary", ["bright"])
    card = tmp_path / "model" / "model.yaml"
    card.write_text(card.read_text().replace("processing: []", "processing: [{operator: rotate, angle: 3}]"))
    with pytest.raises(DataError, match=r"model.yaml: input.processing: 1 problem\n.*'rotate' moves pixels"):
        bundle.main(["inspect", str(Location.parse(str(tmp_path / "model")))])


def pack(folder, chain):
    return bundle.main(
        [
            *("pack", "--architecture", "unet", "--parameter", "width=2", "--input-size", "32x32", "--channels", "3"),
            *("--kind", "binary", "--classes", "bright", "--random-seed", "0", "--processing", str(folder / chain)),
            *("--out", str(folder / "model")),
        ]
    )
