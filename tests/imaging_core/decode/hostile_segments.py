"""DICOM segmentations as a fuzzer makes them: ground truth and the series that it is of, one of the files damaged."""

import random
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from tests.imaging_core.decode.dicom_objects import ct_series, dicom, written
from tests.imaging_core.decode.hostile_dicom import change
from tests.imaging_core.decode.segment_objects import drawn, segmentation, study

CLASSES = ("background", "kidney", "tumour")
_NUMBERS = [(0x0062, 0x0004), (0x0062, 0x000B), (0x0062, 0x000E), (0x0008, 0x1160)]
_IN_TEXT = {(0x0008, 0x1160)}
"""Elements that say which segment of which frame, and how much is all of it; and which of them are text."""

_UIDS = [b"1.2.840.10008.5.1.4.1.1.66.4\0", b"1.2.840.10008.5.1.4.1.1.66.7\0"]
_TYPES = [b"BINARY", b"FRACTIONAL", b"LABELMAP"]


@dataclass(frozen=True, slots=True)
class Damaged:
    """Ground truth and its image, one file of them damaged.

    Attributes:
        mask: a file of segments.
        images: the files of the image.
        damaged: which it is: bytes of ``mask`` or of one of ``images``.
    """

    mask: bytes
    images: list[bytes]
    damaged: bytes


def _seeds() -> list[tuple[bytes, list[bytes]]]:
    images = ct_series(np.zeros((3, 8, 10), np.int16), **study())
    film = dicom(np.zeros((8, 10), np.uint16), **study(), SeriesInstanceUID="1.2.3")
    series, single = [written(each) for each in images], [written(film)]
    truth = drawn((3, 8, 10))
    options: list[dict[str, Any]] = [
        *({"kind": kind} for kind in ("BINARY", "FRACTIONAL", "LABELMAP")),
        {"kind": "BINARY", "transfer_syntax_uid": ImplicitVRLittleEndian},
        *({"kind": kind, "transfer_syntax_uid": RLELossless} for kind in ("FRACTIONAL", "LABELMAP")),
        {"kind": "FRACTIONAL", "max_fractional_value": 100},
        {"kind": "LABELMAP", "transfer_syntax_uid": ExplicitVRLittleEndian},
    ]
    of_series = [(written(segmentation(images, truth, **each)), series) for each in options]
    return of_series + [(written(segmentation([film], truth[1], kind)), single) for kind in ("BINARY", "LABELMAP")]


_SEEDS = _seeds()


def damaged(rng: random.Random) -> Damaged:
    """A segmentation of a small image; in one of five an image's file is damaged, else the segmentation."""
    mask, images = rng.choice(_SEEDS)
    if rng.random() < 0.2:
        which = rng.randrange(len(images))
        changed = _changed(images[which], rng)
        return Damaged(mask, [*images[:which], changed, *images[which + 1 :]], changed)
    changed = _changed(mask, rng)
    return Damaged(changed, images, changed)


def _changed(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if rng.random() < 0.3:
            _change_segment(changed, rng)
        else:
            change(changed, rng, head=len(changed))
    return bytes(changed)


def _change_segment(data: bytearray, rng: random.Random) -> None:
    """Another number of a segment or frame, another kind of segmentation, or a frame's groups under another tag."""
    match rng.randrange(4):
        case 0:
            _replace(data, rng, rng.choice(_TYPES), rng.choice(_TYPES))
        case 1:
            _replace(data, rng, *rng.sample(_UIDS, 2))
        case 2:  # a sequence is lost: no reader looks for its tag
            group = rng.choice((0x0008, 0x0020, 0x0028, 0x0062, 0x5200))
            at = data.find(struct.pack("<H", group), rng.randrange(max(len(data), 1)))
            if at >= 0:
                data[at + 2 : at + 4] = rng.randbytes(2)
        case _:
            tag = rng.choice(_NUMBERS)
            number = rng.choice((0, 1, 2, 3, 255, 256, 65535))
            value = f"{number:<6}".encode() if tag in _IN_TEXT else struct.pack("<H", number)
            at = data.find(struct.pack("<HH", *tag), rng.randrange(max(len(data), 1)))
            if at >= 0:
                data[at + 8 : at + 8 + len(value)] = value


def _replace(data: bytearray, rng: random.Random, old: bytes, new: bytes) -> None:
    at = data.find(old, rng.randrange(max(len(data), 1)) if rng.random() < 0.5 else 0)
    if at >= 0:
        data[at : at + len(new)] = new
