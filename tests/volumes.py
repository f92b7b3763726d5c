"""Small volumes for tests: a real scan that nibabel ships, turned into any orientation, and its reading by nibabel."""

from pathlib import Path

import nibabel
import numpy as np

from imaging_core.decode.case import Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.decode.volume import View
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource

SHIPPED = Path(nibabel.__file__).parent / "tests/data"
TILT = nibabel.eulerangles.euler2mat(0.1, -0.15, 0.2)


def scan(orientation: str = "LAS", number: int = 0) -> nibabel.Nifti1Image:
    """A part of nibabel's ``anatomical.nii`` (another for each number) in an orientation, oblique, 2 x 3 x 4 mm."""
    whole = np.asarray(nibabel.load(SHIPPED / "anatomical.nii").dataobj, dtype=np.float32)
    part = (whole[4 + number : 26 + number, 10:36, 5 : 17 + number % 3] / 32).astype(np.uint8)
    affine = np.eye(4)
    affine[:3, :3] = TILT @ np.diag([2.0, 3.0, 4.0])
    affine[:3, 3] = -20.5, 13.25, 7.125 + number
    return turned(nibabel.Nifti1Image(part, affine), orientation)


def turned(image: nibabel.Nifti1Image, orientation: str) -> nibabel.Nifti1Image:
    """The same image with its axes in another orientation, by nibabel."""
    ornt = nibabel.orientations
    transform = ornt.ornt_transform(ornt.io_orientation(image.affine), ornt.axcodes2ornt(orientation))
    return image.as_reoriented(transform)


def data_of(image: nibabel.Nifti1Image) -> bytes:
    return image.to_bytes()


def seen(data: bytes, orientation: str = "RAS", channels: int = 1, limits: Limits | None = None) -> np.ndarray:
    """What a model sees of a file: slices x rows x columns x channels."""
    source = MemorySource(Location.parse("scan.nii.gz"), data)
    case = decode_sample([source], channels, limits or Limits(), view=View(orientation))
    inputs = list(case.inputs)
    assert len(inputs) == case.count
    assert [each.place.offset for each in inputs] == [(number, 0, 0) for number in range(case.count)]
    return np.stack([each.pixels for each in inputs])
