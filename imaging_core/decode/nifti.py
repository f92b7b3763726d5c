"""NIfTI-1 and NIfTI-2 in one file, plain or gzipped: any orientation, integers, floats and RGB, rescaled where it says.

nibabel reads the header. Voxels are unpacked only after the header's promise was held against the limits, and never
more of them than it promises. Further volumes in one file (time points, components) and further files on the same
voxels are channels. Values stay in their type unless the header rescales them (scl_slope, scl_inter): then they are
float32. Where voxels lie is the sform, else the qform, else what the voxels' sizes give, as nibabel has it; metres and
micrometres become mm. Not read: header and voxels in two files (.hdr, .img), ANALYZE, complex and binary voxels.
"""

import gzip
import io
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.raster import check_size
from imaging_core.decode.reading import Role, codec_failures, read_whole
from imaging_core.decode.volume import Affine, Volume, is_regular, misplaced
from imaging_core.store.base import Source

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

_GZIP = b"\x1f\x8b"
_LARGEST_HEADER = 540
_MAGIC = {348: (344, b"n+1\0"), 540: (4, b"n+2\0\r\n\x1a\n")}
"""Length of a header to where it says that header and voxels are one file, and how."""

_MOST_EXPANDED = 1032
"""Deflate makes at most so many bytes of one."""

_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Code of a unit of length (unknown, metre, mm, micrometre) to mm."""


class NiftiDecoder:
    """Decodes NIfTI."""

    name = "NIfTI"
    suffixes = frozenset({".nii", ".nii.gz"})
    whole = True

    def recognises(self, head: bytes) -> bool:
        """Whether the file, or what it packs, begins with a length of NIfTI's headers."""
        return _header_length(_start(head)) is not None

    def decode(self, sources: Sequence[Source], channels: int, limits: Limits) -> Volume:  # noqa: ARG002 - the protocol's
        """The volume of one file, or of several as channels."""
        volumes = [self._read(source, limits, "image") for source in sources]
        return volumes[0] if len(volumes) == 1 else _together(volumes)

    def mask(self, source: Source, limits: Limits, *, indices: bool) -> Volume:  # noqa: ARG002 - values are as stored
        """The mask of one file."""
        return self._read(source, limits, "mask")

    def _read(self, source: Source, limits: Limits, role: Role) -> Volume:
        data = read_whole(source, limits, role)
        if not self.recognises(data[:_LARGEST_HEADER]):
            raise CaseError("unsupported", "the files of this volume have different formats; one is NIfTI")
        with codec_failures(self.name, role):
            return _volume(data, limits)


def _volume(data: bytes, limits: Limits) -> Volume:
    header = _header(data)
    shape, dtype = _shape(header), _type(header)
    colour = dtype.names is not None
    slices, rows, columns, channels = *shape[2::-1], shape[3]
    check_size(rows, columns, slices * channels * (3 if colour else 1), limits)
    affine = _affine(header)
    count = slices * rows * columns * channels
    stored = _voxels(data, _offset(header, limits), count * dtype.itemsize)
    if colour:
        if channels > 1:
            raise CaseError("unsupported", "NIfTI with several volumes in colour")
        return Volume(stored.reshape(slices, rows, columns, dtype.itemsize)[..., :3], affine, colour=True)
    values = _rescaled(stored.view(dtype).reshape(channels * slices, rows, columns), header)
    return Volume(np.moveaxis(values.reshape(channels, slices, rows, columns), 0, -1), affine)


def _start(data: bytes) -> bytes:
    """The first bytes of the file, unpacked where it is packed."""
    if not data.startswith(_GZIP):
        return data[:_LARGEST_HEADER]
    try:
        return zlib.decompressobj(wbits=31).decompress(data[: 2 * _LARGEST_HEADER], _LARGEST_HEADER)
    except zlib.error:
        return b""


def _header_length(start: bytes) -> int | None:
    lengths = {length: {length.to_bytes(4, "little"), length.to_bytes(4, "big")} for length in _MAGIC}
    return next((length for length, texts in lengths.items() if start[:4] in texts), None)


def _header(data: bytes) -> "Nifti1Header":
    from nibabel.nifti1 import Nifti1Header  # half a second that runs without NIfTI save
    from nibabel.nifti2 import Nifti2Header

    if data.startswith(_GZIP):
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            start = file.read(_LARGEST_HEADER)
    else:
        start = _start(data)
    length = _header_length(start)
    if length is None or len(start) < length:
        raise CaseError("unreadable", "the NIfTI header is truncated")
    place, magic = _MAGIC[length]
    if not start[place:].startswith(magic):
        raise CaseError("unsupported", "ANALYZE, or NIfTI with its voxels in another file; write both into one .nii")
    made: Nifti1Header = (Nifti1Header if length == 348 else Nifti2Header)(start[:length], check=False)  # type: ignore[no-untyped-call]
    return made


def _shape(header: "Nifti1Header") -> tuple[int, int, int, int]:
    """Columns, rows, slices and channels, as the header promises them."""
    axes, *sides = (int(each) for each in header["dim"])
    if not 1 <= axes <= 7:
        raise CaseError("unreadable", f"the NIfTI header promises {axes} axes")
    sides = [*sides[:axes], *[1] * (7 - axes)]
    further = [side for side in sides[3:] if side != 1]
    if axes == 1 or len(further) > 1:
        raise CaseError("unsupported", f"NIfTI of {1 if axes == 1 else 3 + len(further)} axes; an image has 2 to 4")
    return sides[0], sides[1], sides[2], further[0] if further else 1


def _type(header: "Nifti1Header") -> np.dtype[Any]:
    code = int(header["datatype"])
    try:
        dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    except KeyError as error:
        raise CaseError("unreadable", f"NIfTI has no voxels of type {code}") from error
    if dtype.names is None and (dtype.kind not in "iuf" or not 1 <= dtype.itemsize <= 8):
        raise CaseError("unsupported", f"NIfTI with voxels of type {code} ({dtype})")
    return dtype


def _offset(header: "Nifti1Header", limits: Limits) -> int:
    """Where the voxels begin; 0 stands for right after the header, as some programs write it."""
    first = int(header.sizeof_hdr) + 4
    offset = float(header["vox_offset"])
    if offset == 0:
        return first
    if not first <= offset <= limits.encoded_bytes:
        raise CaseError("unreadable", "the NIfTI header lies about where its voxels begin")
    return int(offset)


def _affine(header: "Nifti1Header") -> Affine:
    """From (slice, row, column, 1) to mm."""
    from nibabel.spatialimages import HeaderDataError

    with np.errstate(all="ignore"):  # what is not finite is refused below
        try:
            affine: Affine = np.array(header.get_best_affine(), dtype=np.float64)
        except (HeaderDataError, ValueError, np.linalg.LinAlgError) as error:
            raise CaseError("unreadable", "the NIfTI header does not say where its voxels lie") from error
        affine[:3] *= _MM.get(int(header["xyzt_units"]) & 7, 1.0)
        affine = affine[:, [2, 1, 0, 3]]
        if not is_regular(affine):
            raise CaseError("unreadable", "the affine of the NIfTI header is not finite, or flat")
    return affine


def _voxels(data: bytes, offset: int, length: int) -> NDArray[np.uint8]:
    """So many bytes, as they are stored."""
    if not data.startswith(_GZIP):
        if offset + length > len(data):
            raise _truncated()
        return np.frombuffer(data, np.uint8, length, offset)
    if offset + length > len(data) * _MOST_EXPANDED:
        raise _truncated()
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        file.seek(offset)
        stored = np.empty(length, np.uint8)
        done = 0
        while done < length:
            read = file.readinto(stored.data[done:])
            if not read:
                raise _truncated()
            done += read
        file.read(1)  # at the end of the file its checksum is looked at
    return stored


def _truncated() -> CaseError:
    return CaseError("unreadable", "the NIfTI data is truncated: it holds fewer voxels than its header promises")


def _rescaled(stored: NDArray[Any], header: "Nifti1Header") -> NDArray[Any]:
    """Slices x rows x columns in native byte order, rescaled slice by slice."""
    from nibabel.spatialimages import HeaderDataError

    try:
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise CaseError("unreadable", "the NIfTI header rescales by what is no number") from error
    if slope is None or (slope, inter) == (1.0, 0.0):
        return stored.astype(stored.dtype.newbyteorder("="), copy=False)
    values = np.empty(stored.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused where it is used
        for number, each in enumerate(stored):
            values[number] = each.astype(np.float64) * slope + inter
    return values


def _together(volumes: Sequence[Volume]) -> Volume:
    """Several volumes on the same voxels as channels of one."""
    first = volumes[0]
    for each in volumes[1:]:
        if each.size != first.size or each.affine is None or first.affine is None:
            raise CaseError("unsupported", "the volumes of this image have different sizes")
        if misplaced(each.affine, first.affine, first.size) is not None:
            raise CaseError("unsupported", "the volumes of this image lie in different places; resample them first")
    return Volume(np.concatenate([each.voxels for each in volumes], axis=-1), first.affine)


NIFTI = NiftiDecoder()
