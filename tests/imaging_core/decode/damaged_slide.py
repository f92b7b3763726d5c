"""Slides, damaged in ways that matter: sizes, offsets and tags that lie, bytes changed, cut or added."""

import random
import struct
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
import tifffile

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.decode.slide import Tiles
from imaging_core.decode.slide_mask import SlideMask
from imaging_core.decode.volume import View
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource

LIMITS = Limits(pixels=10**6, encoded_bytes=10**7)
VIEWS = (
    View(tiles=Tiles((96, 96), 0.25, 1.0, tissue="off")),
    View(tiles=Tiles((64, 64), 0.0, None, level=1)),
)
MOST_TILES = 50
APERIO = "Aperio Image Library v12\r\n160x144 (64x64) JPEG/RGB|MPP = 0.5"
FORMS: tuple[dict[str, Any], ...] = (
    {"compression": "jpeg"},
    {"compression": "jpeg", "description": APERIO},
    {"compression": "APERIO_JP2000_RGB", "description": APERIO},
    {"compression": "zlib", "predictor": True},
    {"compression": "lzw"},
    {"compression": None, "bigtiff": True},
    {"compression": "jpeg", "software": "Philips DP v1.0"},
    {"compression": "jpeg", "software": "MedScan"},
    {"compression": "jpeg", "extratags": [(700, 1, 40, b"<iScan Magnification='40'></iScan>".ljust(40), True)]},
    {"compression": "jpeg", "extratags": [(65420, 4, 1, 1, True)]},
)
VALUES = (0, 1, 2, 7, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)


@lru_cache
def _whole(number: int) -> bytes:
    options = dict(FORMS[number])
    pixels = np.random.default_rng(number).integers(100, 255, (36, 40, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    file = BytesIO()
    software = options.pop("software", False)
    with tifffile.TiffWriter(file, bigtiff=options.pop("bigtiff", False)) as writer:
        for level in range(2):
            writer.write(
                pixels[:: 2**level, :: 2**level], tile=(64, 64), photometric="rgb", subfiletype=level, metadata=None,
                resolution=(10_000 * 2, 10_000 * 2), resolutionunit="CENTIMETER", software=software, **options,
            )  # fmt: skip
    return file.getvalue()


@lru_cache
def _entries(number: int) -> list[tuple[int, int]]:
    """Where the tags of the file lie, and how long each is."""
    with tifffile.TiffFile(BytesIO(_whole(number))) as file:
        size = 20 if file.is_bigtiff else 12
        return [(tag.offset, size) for page in file.pages for tag in page.aspage().tags]


def damaged(rng: random.Random) -> bytes:
    """A damaged slide, by the generator alone."""
    number = rng.randrange(len(FORMS))
    data = bytearray(_whole(number))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _damage(data, number, rng)
    return bytes(data)


def _damage(data: bytearray, number: int, rng: random.Random) -> None:
    offset, size = rng.choice(_entries(number))
    data.extend(bytes(max(0, offset + size - len(data))))
    match rng.randrange(8):
        case 0 | 1 | 2:  # the value, or where it is
            struct.pack_into(
                "<I", data, offset + (12 if size == 20 else 8), rng.choice((*VALUES, rng.randrange(len(data))))
            )
        case 3:  # the type, or how many
            struct.pack_into("<H", data, offset + 2, rng.randrange(20))
        case 4:
            struct.pack_into("<I", data, offset + 4, rng.choice((*VALUES, rng.randrange(1000))))
        case 5:
            struct.pack_into("<H", data, offset, rng.randrange(254, 350))
        case 6:
            for _ in range(rng.randint(1, 20)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        case _:
            del data[rng.randrange(max(1, len(data) // 2), len(data)) :]


def check(data: bytes) -> bool:
    """Whether the file is read in any way; anything but tiles of the promised size or a CaseError is raised."""
    source = MemorySource(Location.parse("slide.svs"), data)
    read = False
    for view in VIEWS:
        try:
            case = decode_sample([source], 3, LIMITS, view=view)
            for number, each in enumerate(case.inputs):
                if case.tiles is not None and each.pixels.shape != (*case.tiles.extent, 3):
                    raise AssertionError(f"a tile of {each.pixels.shape}")
                if number == MOST_TILES:
                    break
            read = True
        except CaseError as error:
            _check(error)
    try:
        mask = SlideMask(source, LIMITS, "multiclass")
        mask.rows(0, 32, mask.size)
    except CaseError as error:
        _check(error)
    return read


def _check(error: CaseError) -> None:
    if error.kind == "out_of_memory" or "slide.svs" in error.reason:
        raise AssertionError(f"{error.kind}: {error.reason}") from error
