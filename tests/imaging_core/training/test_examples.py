"""Examples: images as inference sees them, targets as the dataset has them, everything unfit named at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage.transform import resize as skimage_resize

from imaging_core.errors import DataError, TemporaryError
from imaging_core.inference.preprocess import Preprocess
from imaging_core.models.card import Card
from imaging_core.store import Location
from imaging_core.training.examples import SplitExamples
from imaging_core.training.objective import NOTHING
from imaging_core.training.splits import Material

Write = Callable[..., Path]
MakeCard = Callable[..., Card]
Read = Callable[..., Material]
RANDOM = np.random.default_rng(4)


def greys(count: int = 3, height: int = 16, width: int = 16) -> list[Any]:
    return [RANDOM.integers(0, 256, (height, width), dtype=np.uint8) for _ in range(count)]


def training(material: Material, card: Card, **kwargs: Any) -> SplitExamples:
    return SplitExamples(material, material.training, card, **kwargs)


def test_images_are_prepared_as_in_inference(write: Write, material: Read, make_card_for: MakeCard) -> None:
    images = greys(height=20, width=30)
    card = make_card_for("multiclass", 2, mean=[0.4], std=[0.3])
    prepared, targets = training(material(write(images, [0, 1, 0], ["a", "b"])), card).batch([1, 0])
    same = Preprocess(card.input, torch.device("cpu"))
    assert torch.equal(prepared[0], same(torch.from_numpy(images[1][None, :, :, None]))[0])
    second = skimage_resize(images[0] / 255, (16, 16), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(prepared[1, 0], (second - 0.4) / 0.3, atol=1e-4)
    assert targets.tolist() == [1, 0]


def test_images_go_through_the_cards_processing_and_one_that_cannot_is_named(
    write: Write, material: Read, make_card_for: MakeCard
) -> None:
    images = greys(height=16, width=16)
    seen = {"scaling": 255.0, "processing": [{"operator": "equalise"}]}
    prepared, _ = training(material(write(images, [0, 1, 0], ["a", "b"])), make_card_for("binary", 2, **seen)).batch(
        [0]
    )
    np.testing.assert_allclose(prepared[0, 0] * 255, cv2.equalizeHist(images[0]), atol=1e-4)
    images[1] = images[1].astype(np.uint16) * 257
    with pytest.raises(DataError, match=r"images\[1\]: the model's processing does not take it: .*uint16"):
        training(material(write(images, [0, 1, 0], ["a", "b"])), make_card_for("binary", 2, **seen))


@pytest.mark.parametrize(
    ("kind", "classes", "labels", "expected"),
    [
        ("multiclass", 3, [2, 0, 1], [2, 0]),
        ("binary", 2, [1, 0, 0], [[1.0], [0.0]]),
        ("multilabel", 3, [[0, 2], 1, 0], [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
    ],
)
def test_labels_become_targets(
    write: Write,
    material: Read,
    make_card_for: MakeCard,
    kind: str,
    classes: int,
    labels: list[Any],
    expected: list[Any],
) -> None:
    path = write(greys(), labels, [f"class {n}" for n in range(classes)])
    assert training(material(path), make_card_for(kind, classes)).batch([0, 1])[1].tolist() == expected


def test_masks_come_to_the_input_size_by_the_nearest_pixel(
    write: Write, material: Read, make_card_for: MakeCard
) -> None:
    masks = [(RANDOM.random((32, 48)) < 0.5).astype(np.uint8) * 255 for _ in range(3)]
    path = write(greys(height=32, width=48), masks)
    _, targets = training(material(path), make_card_for("binary", 1, "segmentation")).batch([0, 1])
    assert targets.shape == (2, 1, 16, 16)
    np.testing.assert_array_equal(targets[1, 0], masks[1][1::2, 1::3] / 255)


def test_masks_of_class_indices(write: Write, material: Read, make_card_for: MakeCard) -> None:
    masks = [RANDOM.choice([0, 1, 2, 255], (16, 16)).astype(np.uint8) for _ in range(3)]
    card = make_card_for("multiclass", 3, "segmentation", ignore=255)
    _, targets = training(material(write(greys(), masks)), card).batch([0, 1])
    np.testing.assert_array_equal(targets[0], np.where(masks[0] == 255, NOTHING, masks[0].astype(np.int64)))
    with pytest.raises(DataError, match=r"images\[0\]: its mask holds 255; there are classes 0 to 2"):
        training(material(write(greys(), masks)), make_card_for("multiclass", 3, "segmentation"))


def test_what_does_not_fit_in_memory_is_read_again(write: Write, material: Read, make_card_for: MakeCard) -> None:
    path = write(greys(), [0, 1, 0], ["a", "b"])
    card = make_card_for("multiclass", 2)
    kept, one, none = (training(material(path), card, kept_bytes=most) for most in (10**9, 16 * 16 * 4 + 8, 0))
    for other in (one, none):
        for expected, found in zip(kept.batch([0, 1]), other.batch([0, 1]), strict=True):
            assert torch.equal(expected, found)
    path.with_name("0.png").unlink()
    kept.batch([0])
    one.batch([0])
    with pytest.raises(TemporaryError, match=r"small.yml: images\[0\]: the image is not there"):
        none.batch([0])


def test_every_unfit_sample_is_named_without_its_file(write: Write, material: Read, make_card_for: MakeCard) -> None:
    count = 6
    path = write(greys(count), [0, [0, 1], None, 1, 0, 1], ["a", "b"], {"training": list(range(5)), "validation": [5]})
    path.with_name("3.png").unlink()
    path.with_name("4.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"small.yml: split training; .*: 4 problems") as caught:
        training(material(path), make_card_for("multiclass", 2))
    message = str(caught.value)
    assert "images[1]: it has 2 labels; for several use --kind multilabel" in message
    assert "images[2]: it has no label" in message
    assert "images[3]: the image is not there" in message
    assert "images[4]: " in message
    assert ".png" not in message


def test_unfit_masks_are_named(write: Write, material: Read, make_card_for: MakeCard) -> None:
    small = np.zeros((8, 9), np.uint8)
    path = write(greys(), [small, None, small])
    with pytest.raises(DataError, match=r"2 problems") as caught:
        training(material(path), make_card_for("binary", 1, "segmentation"))
    assert "images[0]: its mask has 8 x 9 pixels, the image 16 x 16" in str(caught.value)
    assert "images[1]: it has no mask" in str(caught.value)


def test_images_elsewhere_need_permission(
    write: Write, material: Read, make_card_for: MakeCard, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(greys(), [0, 1, 0], ["a", "b"])
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (tmp_path / "0.png").rename(elsewhere / "0.png")
    path.write_text(path.read_text().replace("location: 0.png", f"location: {elsewhere}/0.png"))
    card = make_card_for("multiclass", 2)
    with pytest.raises(DataError, match=r"images\[0\]: lies outside the dataset's folder; allow it with --allow-root"):
        training(material(path), card)
    assert len(training(material(path, Location.parse(str(elsewhere))), card)) == 2
