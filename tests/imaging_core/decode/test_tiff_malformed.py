"""Malformed TIFF: read or refused, within bounds; many more inputs with ``python -m benchmarks.fuzz_tiff``."""

import io
import random
import struct

import numpy as np
import pytest
import tifffile

from imaging_core.decode.case import CaseError, Limits
from tests.imaging_core.decode.hostile_tiff import check, mutated


def test_five_hundred_mutated_files_are_read_or_refused():
    rng = random.Random(1)
    read = sum(check(mutated(rng)) for _ in range(500))
    assert 50 < read < 450


@pytest.mark.parametrize("tag", [322, 323])
def test_a_tile_far_larger_than_its_image_is_too_large(decode, tag):
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((20, 20), np.uint8), tile=(16, 16), compression="zlib", metadata=None)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as read:
        place = read.pages.first.tags[tag].valueoffset
    struct.pack_into("<H", data, place, 65520)
    with pytest.raises(CaseError) as failure:
        decode(bytes(data), channels=1, limits=Limits(pixels=2**16))
    assert failure.value.kind == "too_large"


@pytest.mark.parametrize("how", [{"byteorder": "<"}, {"byteorder": ">"}, {"bigtiff": True}])
@pytest.mark.parametrize("kind", [tifffile.DATATYPE.BYTE, tifffile.DATATYPE.ASCII, tifffile.DATATYPE.RATIONAL])
@pytest.mark.parametrize("where", ["first page", "second page"])
def test_a_number_of_samples_that_is_none_is_refused_before_it_is_multiplied(decode, how, kind, where):
    """Python repeats what is bytes, a text or two numbers, and the memory is full."""
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((2, 20, 30), np.uint8), photometric="minisblack", metadata=None, **how)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as read:
        page = read.pages[0 if where == "first page" else 1].aspage()
        struct.pack_into(f"{read.byteorder}H", data, page.tags["SamplesPerPixel"].offset + 2, kind)
    with pytest.raises(CaseError, match="a size in them is no whole number") as failure:
        decode(bytes(data), channels=2)
    assert failure.value.kind == "unreadable"
