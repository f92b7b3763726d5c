"""DICOM files as a fuzzer makes them: real ones with bytes changed, cut, doubled, and lengths that lie."""

import random
import struct
from pathlib import Path

import pydicom

_DATA = Path(pydicom.__file__).parent / "data" / "test_files"
SEEDS = [
    path.read_bytes() for path in sorted(_DATA.glob("*.dcm")) if path.stat().st_size < 70_000 and "chr" not in path.name
]
_VALUES = [
    b"\0\0",
    b"\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xfe\xff\0\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0",
]
_NUMBERS = [0x0008, 0x0010, 0x0011, 0x0100, 0x0101, 0x0102, 0x0103, 0x0120, 0x0121, 0x0002, 0x0006, 0x3002]
"""Elements of group 0028 that say how the pixels are stored."""


def mutated(rng: random.Random) -> bytes:
    """A real file with some changes."""
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        change(data, rng)
    return bytes(data)


def change(data: bytearray, rng: random.Random, head: int = 2500) -> None:
    """Damage one place, mostly of the first ``head`` bytes."""
    early = rng.random() < 0.8
    at = rng.randrange(min(len(data), head) if early else len(data)) if data else 0
    match rng.randrange(7):
        case 0:
            data[at : at + 1] = rng.randbytes(1)
        case 1:
            value = rng.choice(_VALUES)
            data[at : at + len(value)] = value
        case 2:
            del data[at:]
        case 3:
            del data[at : at + rng.choice((1, 2, 8, 100))]
        case 4:
            data[at:at] = data[at : at + rng.choice((4, 50, 500))]
        case _:  # an element that describes the pixels gets another value
            tag = struct.pack("<HH", 0x0028, rng.choice(_NUMBERS))
            found = data.find(tag, 132)
            if found >= 0:
                data[found + 8 : found + 10] = struct.pack("<H", rng.choice((0, 1, 2, 3, 7, 8, 16, 32, 255, 65535)))
