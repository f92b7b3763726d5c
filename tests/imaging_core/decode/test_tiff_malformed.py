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
