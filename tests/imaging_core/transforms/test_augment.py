"""ECVL's augmentations: their text, and what they do to images and masks."""

import pytest
import torch

from imaging_core.errors import DataError
from imaging_core.transforms.augment.base import OneOfAugmentationContainer, Range, SequentialAugmentationContainer
from imaging_core.transforms.augment.moving import AugMirror, AugResizeDim, AugRotate
from imaging_core.transforms.augment.text import AUGMENTATIONS, read_augmentation
from imaging_core.transforms.augment.values import AugAdditivePoissonNoise, AugNormalize
from imaging_core.transforms.rotate import rotate

EXAMPLE = """
SequentialAugmentationContainer
    AugRotate angle=[-5,5] center=(0,0) interp="linear"
    OneOfAugmentationContainer p=0.5
        AugMirror p = 0.25
        AugAdditivePoissonNoise lambda=[0,40]
    end
    AugResizeDim dims=(224,192) interp="cubic" gt_interp="nearest"
    AugNormalize mean=(0.485, 0.456, 0.406) std=(0.229, 0.224, 0.225)
end
"""

LINES = {
    "AugRotate": "angle=[-90,90]",
    "AugResizeDim": "dims=(50,40)",
    "AugResizeScale": "scale=(0.5,0.7)",
    "AugFlip": "p=0.5",
    "AugMirror": "",
    "AugTranspose": "",
    "AugCenterCrop": "size=(30,20)",
    "AugRandomCrop": 'size=(110,60) border_type="reflect" border_value=0',
    "AugGridDistortion": "num_steps=[3,6] distort_limit=[-0.3,0.3]",
    "AugElasticTransform": 'alpha=[20,40] sigma=[3,5] border_type="constant" border_value=7',
    "AugOpticalDistortion": "distort_limit=[-0.3,0.3] shift_limit=[-5,5]",
    "AugGaussianBlur": "sigma=[0.5,2]",
    "AugAdditiveLaplaceNoise": "std_dev=[1,20]",
    "AugAdditivePoissonNoise": "lambda=[1,20]",
    "AugGammaContrast": "gamma=[0.5,2]",
    "AugBrightness": "beta=[10,30]",
    "AugCoarseDropout": "p=[0.1,0.5] drop_size=[0.02,0.1] per_channel=0.5",
    "AugSalt": "p=[0.1,0.5] per_channel=0.5",
    "AugPepper": "p=[0.1,0.5] per_channel=0.5",
    "AugSaltAndPepper": "p=[0.1,0.5] per_channel=0.5",
    "AugNormalize": "mean=3 std=4",
    "AugScaleTo": "new_min=10 new_max=90",
    "AugScaleFromTo": "old_min=0 old_max=200 new_min=10 new_max=90",
    "AugToFloat32": "divisor=255 divisor_gt=2",
    "AugDivBy255": "",
}
KEEP_MASKS = {
    "AugGaussianBlur", "AugAdditiveLaplaceNoise", "AugAdditivePoissonNoise", "AugGammaContrast", "AugBrightness",
    "AugCoarseDropout", "AugSalt", "AugPepper", "AugSaltAndPepper", "AugNormalize", "AugScaleTo", "AugScaleFromTo",
}  # fmt: skip
SCALE_MASKS = {"AugToFloat32", "AugDivBy255"}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def square(colour8):
    return colour8.batch[..., :97, :97]


def test_the_text_is_read():
    read = read_augmentation(EXAMPLE, "card")
    assert read == SequentialAugmentationContainer(
        (
            AugRotate(Range(-5, 5), (0, 0), interp="linear"),
            OneOfAugmentationContainer(0.5, (AugMirror(0.25), AugAdditivePoissonNoise(Range(0, 40)))),
            AugResizeDim((224, 192), "cubic"),
            AugNormalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        )
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no augmentation"),
        ("AugTwist", "line 1: AugTwist: no such augmentation; there are: AugRotate, "),
        ("AugRotate", "AugRotate: angle is missing"),
        ("AugRotate angle=5", "angle: 5 must be a range [low,high]"),
        ("AugRotate angle=[5,-5]", "low not above high"),
        ("AugRotate angle=[1,2,3]", "must be [low,high]"),
        ("AugRotate angle=[a,2]", "'a' is not a number"),
        ("AugRotate angle=[0,inf]", "'inf' is not a number"),
        ("AugRotate angle=[0,1] angel=3", "angel: no such parameter; it takes: angle, center, scale, interp"),
        ("AugRotate angle=[0,1] angle=[0,1]", "given twice"),
        ("AugRotate angle=[0,1] center=(1,2,3)", "two numbers"),
        ('AugRotate angle=[0,1] interp="sinc"', "'sinc' is none of: nearest, linear"),
        ("AugRotate angle=[0,1", "cannot read 'angle=[0,1'"),
        ("AugRotate angle [0,1]", "cannot read 'angle [0,1]'"),
        ("AugNormalize mean=[0,1] std=1", "must be a vector (a,b,…) or a number"),
        ("AugAdditivePoissonNoise rate=[0,1]", "it takes: lambda"),
        ("AugDivBy255 by=3", "it takes: none"),
        ("AugFlip\nAugMirror", "line 2: AugMirror stands outside"),
        ("SequentialAugmentationContainer\nAugFlip", "has no end"),
        ("SequentialAugmentationContainer\nend", "holds no augmentation"),
        ("OneOfAugmentationContainer\nAugFlip\nend", "p is missing"),
    ],
)
def test_what_cannot_be_read_is_said(text, said):
    with pytest.raises(DataError) as raised:
        read_augmentation(text, "card.yml: augment")
    assert str(raised.value).startswith("card.yml: augment: ")
    assert said in str(raised.value)


def test_every_augmentation_is_tried_here():
    assert LINES.keys() == AUGMENTATIONS.keys()


@pytest.mark.parametrize("name", LINES)
def test_masks_follow_and_the_generator_decides(square, name):
    augmentation = read_augmentation(f"{name} {LINES[name]}", "text")
    masks = (square[:, :1] > 140).to(torch.uint8) * 255
    images, moved = augmentation(square, masks, generator=seeded())
    again, _ = augmentation(square, generator=seeded())
    assert torch.equal(images, again)
    assert not torch.equal(images[0].float().mean(0), square[0].float().mean(0))
    if name in KEEP_MASKS:
        assert torch.equal(moved, masks)
    elif name not in SCALE_MASKS:
        assert moved.shape[-2:] == images.shape[-2:]
        assert set(moved.unique().tolist()) <= {0, 7, 255}
        bright = (images[:, :1] > 140) == (moved > 0)  # the mask still lies on what it was drawn for
        assert bright.double().mean() > 0.85


def test_each_image_is_drawn_on_its_own(square):
    one = square[:1].expand(6, -1, -1, -1)
    turned, _ = read_augmentation("AugRotate angle=[-90,90]", "text")(one, generator=seeded())
    angles = -90 + 180 * torch.rand(6, generator=seeded())
    for image, angle in zip(turned, angles, strict=True):
        assert torch.equal(image[None], rotate(square[:1], float(angle)))
    mirrored, _ = read_augmentation("AugMirror", "text")(one, generator=seeded())
    kinds = [torch.equal(each, square[0]) for each in mirrored]
    assert {True, False} == set(kinds)


def test_one_of_takes_one_as_often_as_p_says(square):
    text = "OneOfAugmentationContainer p=0.7\nAugBrightness beta=[1,1]\nAugBrightness beta=[-1,-1]\nend"
    one_of, generator = read_augmentation(text, "text"), seeded()
    image = torch.full((1, 1, 2, 2), 10, dtype=torch.uint8)
    results = [one_of(image, generator=generator)[0].flatten()[0].item() for _ in range(600)]
    assert results.count(10) == pytest.approx(180, abs=40)
    assert results.count(11) == pytest.approx(210, abs=40)


def test_only_square_images_are_transposed(colour8):
    with pytest.raises(ValueError, match="square"):
        read_augmentation("AugTranspose", "text")(colour8.batch, generator=seeded())
