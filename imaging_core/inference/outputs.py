"""Output files: the same values give the same bytes, with no time and no program's name in them."""

import io
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from imaging_core.decode.volume import Affine, spacing

_GREY, _EIGHT_BIT, _UP = 0, 8, 2
_GZIP_LEVEL = 2
_NIFTI_1 = 2**15


def to_png(values: NDArray[np.uint8 | np.bool_]) -> bytes:
    """An 8-bit grey PNG of height x width values; true is 255.

    Each row holds what has changed since the row above (filter "Up"), which of a mask is next to nothing. Nothing but
    runs are looked for in it, so that the bytes depend on no table and no processor; zlib-ng takes a fifth of zlib's
    time for that.
    """
    height, width = values.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = _UP
    if values.dtype == np.bool_:  # 255 is -1 in eight bits
        bits = values.view(np.uint8)
        np.negative(bits[:1], out=rows[:1, 1:])
        np.subtract(bits[:-1], bits[1:], out=rows[1:, 1:])
    else:
        rows[:1, 1:] = values[:1]
        np.subtract(values[1:], values[:-1], out=rows[1:, 1:])
    packer = zlib_ng.compressobj(level=1, strategy=zlib_ng.Z_RLE)
    packed = packer.compress(rows.data) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, _EIGHT_BIT, _GREY, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def to_tiff(pages: NDArray[Any]) -> bytes:
    """A TIFF of pages x height x width values, one page each; integers are deflated, floats stay as they are."""
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        pages,
        photometric="minisblack",
        compression="zlib" if np.issubdtype(pages.dtype, np.integer) else None,
        metadata=None,
        software=False,
    )
    return file.getvalue()


def to_nifti(voxels: NDArray[Any], affine: Affine | None) -> bytes:
    """A gzipped NIfTI of uint8 or float32 values, slices x rows x columns, or with channels as a fourth axis.

    sform and, where rotation and spacing can tell it, qform hold the affine. NIfTI-1, or NIfTI-2 where a side is longer
    than that can say.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    shape = (*voxels.shape[2::-1], *voxels.shape[3:])
    header: Any = (Nifti1Header if max(shape) < _NIFTI_1 else Nifti2Header)()  # type: ignore[no-untyped-call]
    header.set_data_shape(shape)
    header.set_data_dtype(voxels.dtype)
    header.set_xyzt_units("mm")
    if affine is not None:
        upright = affine[:, [2, 1, 0, 3]]
        header.set_qform(upright, code="scanner")
        if not np.allclose(header.get_qform(), upright, rtol=0, atol=1e-3 * min(spacing(affine))):
            header.set_qform(None, code="unknown")
        header.set_sform(upright, code="scanner")
    header["vox_offset"] = header.single_vox_offset
    planes = voxels if voxels.ndim == 3 else np.moveaxis(voxels, -1, 0)
    no_extensions = bytes(header.single_vox_offset - header.sizeof_hdr)
    data = b"".join((header.binaryblock, no_extensions, np.ascontiguousarray(planes).data))
    return bytes(imagecodecs.gzip_encode(data, _GZIP_LEVEL))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
