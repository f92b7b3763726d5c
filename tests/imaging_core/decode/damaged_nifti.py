"""NIfTI files with lies and damage, and what has to hold of each."""

import gzip
import random
import struct

import nibabel
import numpy as np

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.mask import MaskKind, decode_mask
from imaging_core.decode.registry import decode_sample
from imaging_core.decode.volume import Patches, View
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource

LIMITS = Limits(pixels=2**18, encoded_bytes=2**22)
LARGEST = 8 * 4 * LIMITS.pixels
"""Bytes of the largest array within LIMITS."""

VIEWS = (View("LPS"), View("ASR", Patches((4, 4, 4), 0.5, (1.5, 1.0, 2.0))), View("RAS", Patches((2, 3, 4), 0)))
KINDS: tuple[MaskKind, ...] = ("binary", "multiclass", "multilabel")
_INTEGERS = (0, 1, 2, 3, 4, 5, 7, 8, 255, 2**15 - 1, -1, -(2**15), 16, 64, 128, 512, 2304)
_REALS = (0.0, 1.0, -1.0, 352.0, 1e30, 1e-30, float("nan"), float("inf"), -5.5, 3e38)


def _good() -> list[bytes]:
    files = []
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        for order in "<>":
            for dtype in ("u1", "i2", "f4", "f8"):
                header = kind.header_class(endianness=order)
                header.set_data_dtype(dtype)
                values = (np.arange(5 * 4 * 3) % 7).reshape(5, 4, 3).astype(dtype)
                image = kind(  # type: ignore[no-untyped-call]
                    values, np.array([[0, 2, 0, 1], [-1, 0, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1.0]]), header
                )
                files.append(image.to_bytes())
    return files


GOOD = _good()


def damaged(rng: random.Random) -> bytes:
    """One file, often packed, with one to four things wrong."""
    data = bytearray(rng.choice(GOOD))
    for _ in range(rng.randint(1, 4)):
        _change(data, rng)
    packed = bytes(data)
    if rng.random() < 0.4:
        packed = gzip.compress(packed, 1, mtime=0)
        if rng.random() < 0.5:
            spoilt = bytearray(packed)
            _change(spoilt, rng)
            packed = bytes(spoilt)
    return packed


def _change(data: bytearray, rng: random.Random) -> None:
    header = min(len(data), 544)
    order = rng.choice("<>")
    match rng.randrange(7):
        case 0 if header >= 4:
            struct.pack_into(f"{order}h", data, rng.randrange(0, header - 2), rng.choice(_INTEGERS))
        case 1 if header >= 8:
            struct.pack_into(f"{order}f", data, rng.randrange(0, header // 4 - 1) * 4, rng.choice(_REALS))
        case 2 if header >= 12:
            struct.pack_into(f"{order}q", data, rng.randrange(0, header - 8), rng.choice((*_INTEGERS, 2**40, -(2**62))))
        case 3 if data:
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        case 4:
            del data[rng.randrange(len(data) + 1) :]
        case 5:
            data += rng.randbytes(rng.randrange(1, 2000))
        case _ if header >= 58:  # the sides of NIfTI-1
            struct.pack_into(
                f"{order}8h", data, 40, rng.randint(0, 8), *(rng.choice((1, 2, 5, 300, 32767)) for _ in range(7))
            )


def check(data: bytes) -> bool:
    """Whether the file is read in any way; anything but a value within LIMITS or a CaseError is raised."""
    source = MemorySource(Location.parse("scan.nii"), data)
    read = False
    for view in VIEWS:
        try:
            case = decode_sample([source], 1, LIMITS, view=view)
            given = 0
            for each in case.inputs:
                given += 1
                if each.pixels.nbytes > LARGEST or each.pixels.dtype not in (np.uint8, np.uint16, np.float32):
                    raise AssertionError(f"an input of {each.pixels.shape} in {each.pixels.dtype}")
                if given == 200:
                    break
            if given != min(case.count, 200):
                raise AssertionError(f"{given} inputs of {case.count}")
            read, grid = True, case.grid
            if grid is None:
                raise AssertionError("a volume without a grid")
            for kind in KINDS:
                mask = decode_mask(source, LIMITS, kind, size=case.size, affine=grid.affine)
                if mask.nbytes > LARGEST:
                    raise AssertionError(f"a mask of {mask.shape}")
        except CaseError as error:
            if error.kind == "out_of_memory" or "scan.nii" in error.reason:
                raise AssertionError(f"{error.kind}: {error.reason}") from error
    return read
