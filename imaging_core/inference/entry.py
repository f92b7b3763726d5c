"""One entry of the cache as bytes: what the model said of one case, with a digest of it. Nothing in it can be executed.

Three parts: the SHA-256 of the entry's name and of what follows, as hexadecimal digits; a line of JSON with the case's
size, its number of model inputs, the affine of a volume, and name, type, shape and length of each array; the arrays.
Truth values are packed eight to a byte, they and small integers are deflated, floats stay as they are.
"""

import hashlib
import json
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core import run
from imaging_core.decode.volume import Affine
from imaging_core.errors import DataError
from imaging_core.inference.head import Said

FORMAT = 2
"""Part of what an entry's name is made from: another format never meets entries of this one."""

_DIGITS = hashlib.sha256().digest_size * 2
_BOOL, _UINT8, _FLOAT32 = (np.dtype(name).str for name in (np.bool_, np.uint8, np.float32))


@dataclass(frozen=True, slots=True)
class Entry:
    """What the cache knows of a case.

    Attributes:
        size: spatial size in pixels.
        inputs: how many model inputs it had.
        affine: of a volume that says so, where its voxels lie.
        said: what the model said.
    """

    size: tuple[int, ...]
    inputs: int
    affine: Affine | None
    said: Said

    def to_bytes(self, name: str) -> bytes:
        """The entry under this name."""
        packed = {key: _pack(values) for key, values in self.said.items()}
        arrays = [[key, values.dtype.str, values.shape, len(packed[key])] for key, values in self.said.items()]
        affine = None if self.affine is None else self.affine.tolist()
        head = run.to_json_line({"size": self.size, "inputs": self.inputs, "affine": affine, "arrays": arrays})
        content = head + b"".join(packed.values())
        return _digest(name, content) + content

    @classmethod
    def from_bytes(cls, name: str, data: bytes) -> "Entry":
        """Read the entry of this name; DataError when it is damaged, or was written under another name."""
        content = memoryview(data)[_DIGITS:]
        if data[:_DIGITS] != _digest(name, content):
            raise DataError("damaged, or another entry")
        try:
            start = data.index(b"\n", _DIGITS) + 1 - _DIGITS
            head = json.loads(bytes(content[:start]))
            said = {}
            for key, dtype, shape, length in head["arrays"]:
                said[str(key)] = _unpack(content[start : start + length], dtype, shape)
                start += length
            affine = None if head["affine"] is None else np.array(head["affine"], dtype=np.float64).reshape(4, 4)
            return cls(tuple(map(int, head["size"])), int(head["inputs"]), affine, said)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError, zlib.error) as error:
            raise DataError("not an entry") from error


def _digest(name: str, content: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(f"{name}\n".encode())
    digest.update(content)
    return digest.hexdigest().encode()


def _pack(values: NDArray[Any]) -> bytes:
    if values.dtype == np.float32:
        return values.tobytes()
    compressor = zlib.compressobj(1, strategy=zlib.Z_RLE)
    plain = np.packbits(values) if values.dtype == np.bool_ else np.ascontiguousarray(values)
    return compressor.compress(plain.data) + compressor.flush()


def _unpack(data: memoryview, dtype: str, shape: list[int]) -> NDArray[Any]:
    """Writable, as PyTorch wants it."""
    if dtype == _FLOAT32:
        return np.frombuffer(data, np.float32).reshape(shape).copy()
    plain = np.frombuffer(bytearray(zlib.decompress(data)), np.uint8)
    if dtype == _BOOL:
        return np.unpackbits(plain, count=math.prod(shape)).reshape(shape).view(np.bool_)
    if dtype == _UINT8:
        return plain.reshape(shape)
    raise ValueError(dtype)
