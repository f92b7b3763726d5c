"""Drawn chest X-rays as DICOM files, with and without an effusion, and their dataset file."""

from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    generate_uid,
)

from examples.dataset_file import write_dataset

COUNT, SIDE = 600, 96
SPLIT = {"training": range(360), "validation": range(360, 480), "test": range(480, 600)}
CLASSES = ("clear", "effusion")
BITS = 12
_SYNTAXES = (ExplicitVRLittleEndian, ExplicitVRBigEndian, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless)


def write_xrays(folder: Path) -> Path:
    """Write the images with ``xray.yml``; returns its path. The same bytes every time.

    Each is drawn from its number alone. Every other one has an effusion. Exposure, window, transfer syntax and whether
    0 is white (MONOCHROME1) differ from image to image, as they do between devices, and tell nothing of the class.
    """
    images = []
    for number in range(COUNT):
        random = np.random.default_rng(number)
        location = f"images/{number:03d}.dcm"
        _write(folder / location, number, random)
        images.append({"location": location, "label": number % 2})
    path = folder / "xray.yml"
    description = "Drawn chest X-rays, 96 x 96 pixels: no patient was ever seen"
    write_dataset(path, "drawn chest X-rays", description, images, SPLIT, CLASSES)
    return path


def draw(random: np.random.Generator, *, effusion: bool) -> NDArray[np.float64]:
    """Attenuation, height x width, from 0 (air) to about 1 (bone and fluid).

    A body, two lungs, ribs across them, a heart; an effusion fills one lung from its base, its surface curved.
    """
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    image = 0.55 * _ellipse(rows, columns, 0.55, 0.5, 0.62, 0.46)
    ribs = 0.10 * (np.sin(2 * np.pi * (rows * random.uniform(7, 9) + 2 * (columns - 0.5) ** 2 + random.random())) > 0.5)
    height, width = random.uniform(0.28, 0.36), random.uniform(0.13, 0.17)
    middle = random.uniform(0.42, 0.50)
    sick = random.integers(2)
    for side, centre in enumerate((0.29 + random.normal(0, 0.01), 0.71 + random.normal(0, 0.01))):
        lung = _ellipse(rows, columns, middle, centre, height, width)
        image += lung * (ribs - 0.38)
        if effusion and side == sick:
            surface = middle + height * random.uniform(0.05, 0.5) - 0.5 * (columns - centre) ** 2 / width
            image += lung * (rows > surface) * (0.43 - ribs)
    image += 0.3 * _ellipse(rows, columns, 0.6, 0.54, 0.16, 0.11)
    return image + random.normal(0, 0.02, image.shape)


def _ellipse(
    rows: NDArray[np.float64], columns: NDArray[np.float64], row: float, column: float, height: float, width: float
) -> NDArray[np.float64]:
    """1 inside, 0 outside, with a soft edge; half axes ``height`` and ``width``."""
    distance = np.hypot((rows - row) / height, (columns - column) / width)
    shade: NDArray[np.float64] = np.clip((1 - distance) * 12, 0, 1)
    return shade


def _write(path: Path, number: int, random: np.random.Generator) -> None:
    exposure, dark = random.uniform(1500, 2600), random.uniform(200, 900)
    image = draw(random, effusion=bool(number % 2)) * exposure + dark
    centre, width = dark + 0.5 * exposure, 1.2 * exposure
    white_is_zero = bool(random.integers(2))
    if white_is_zero:
        image, centre = 2**BITS - 1 - image, 2**BITS - 1 - centre
    pixels = np.clip(np.rint(image), 0, 2**BITS - 1).astype(np.uint16)
    syntax = _SYNTAXES[int(random.integers(len(_SYNTAXES)))]

    dataset = Dataset()
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["drawn chest X-rays", str(number)])
    dataset.Modality = "DX"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if white_is_zero else "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, BITS, BITS - 1, 0
    dataset.WindowCenter, dataset.WindowWidth = round(centre), round(width)
    dataset.add_new("PixelData", "OB" if syntax.is_encapsulated else "OW", _encoded(pixels, syntax))
    dataset["PixelData"].is_undefined_length = syntax.is_encapsulated
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def _encoded(pixels: NDArray[np.uint16], syntax: UID) -> bytes:
    match syntax:
        case x if x == JPEGLosslessSV1:
            frame = imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=BITS)
        case x if x == JPEGLSLossless:
            frame = imagecodecs.jpegls_encode(pixels)
        case x if x == JPEG2000Lossless:
            frame = imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", reversible=True, bitspersample=BITS)
        case x:
            return pixels.astype("<u2" if x.is_little_endian else ">u2").tobytes()
    return encapsulate([bytes(frame)])
