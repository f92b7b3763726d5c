"""The stored values of DICOM frames, native or compressed: unused bits dropped, signs extended, colours as RGB."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from imaging_core.decode.case import CaseError
from imaging_core.decode.dicom_codecs import decode_frame, is_known
from imaging_core.decode.dicom_file import DicomFile, Layout

_NATIVE = {
    *("", ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian),
}
"""Not compressed frame by frame. Without a name of the transfer syntax, pydicom tells it by what it finds."""


# Y, Cb, Cr to R, G, B with Cb and Cr around 128: PS3.3 C.7.6.3.1.2, which is ITU-R BT.601 of the full range
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587], [1, 1.772, 0]])


def stored_frames(file: DicomFile) -> Iterator[NDArray[Any]]:
    """The frames in the file's order, each decoded when it is asked for.

    Yields:
        rows x columns x samples; uint8, uint16, uint32, int8, int16, int32, float32 or float64 in native byte order.
        Three samples are red, green and blue in the range of the stored bits.

    Raises:
        CaseError: unsupported for a transfer syntax that is not read here; unreadable when frames are missing.
        Exception: anything at all on damaged data.
    """
    layout = file.layout
    if layout.syntax in _NATIVE:
        return _native(file)
    if not is_known(layout.syntax):
        raise CaseError("unsupported", f"DICOM pixels in the transfer syntax {_name(layout.syntax)} are not read here")
    return _compressed(file)


def _name(syntax: UID) -> str:
    return syntax.name if syntax.name != syntax else "of another vendor"


def _compressed(file: DicomFile) -> Iterator[NDArray[Any]]:
    layout, elements = file.layout, file.elements
    offsets = None
    if "ExtendedOffsetTable" in elements and "ExtendedOffsetTableLengths" in elements:
        offsets = (elements.ExtendedOffsetTable, elements.ExtendedOffsetTableLengths)
    frames = generate_frames(elements.PixelData, number_of_frames=layout.frames, extended_offsets=offsets)
    for number in range(layout.frames):
        frame = next(frames, None)
        if frame is None:
            raise CaseError("unreadable", f"{number} of {layout.frames} DICOM frames are there")
        decoded = decode_frame(frame, layout)
        values = _values(decoded.pixels, decoded.bits, layout, signed=decoded.signed)
        is_rgb = decoded.is_rgb or not layout.photometric.startswith("YBR")
        yield values if layout.samples == 1 or is_rgb else _to_rgb(values, layout)


def _native(file: DicomFile) -> Iterator[NDArray[Any]]:
    layout = file.layout
    element = file.elements[file.pixels]
    data = element.value
    if len(data) < layout.native_bytes:
        raise CaseError("unreadable", "the DICOM pixels are truncated")
    if layout.allocated <= 8 and element.VR == "OW" and not layout.little_endian:  # bytes lie in swapped pairs
        data = np.frombuffer(data[: len(data) // 2 * 2], np.uint16).byteswap().tobytes()
    order, letter = "<" if layout.little_endian else ">", "u" if file.pixels == "PixelData" else "f"
    kind = np.dtype(f"{order}{letter}{max(layout.allocated, 8) // 8}")
    count = layout.native_bytes // kind.itemsize // layout.frames
    for number in range(layout.frames):
        if layout.allocated == 1:
            values = _single_bits(data, layout, number)
        else:
            values = np.frombuffer(data, kind, count, number * count * kind.itemsize)
            values = values.astype(kind.newbyteorder("="))
            if letter == "u":
                values = _values(values >> (layout.high + 1 - layout.stored), layout.stored, layout, signed=None)
        shaped = _shaped(values, layout)
        yield _to_rgb(shaped, layout) if layout.photometric.startswith("YBR") else shaped


def _single_bits(data: bytes, layout: Layout, number: int) -> NDArray[np.uint8]:
    """One frame of single bits, the least significant first; frames follow each other without a gap."""
    count = layout.rows * layout.columns * layout.samples
    first = number * count
    packed = np.frombuffer(data, np.uint8)[first // 8 : (first + count + 7) // 8]
    return np.unpackbits(packed, bitorder="little")[first % 8 :][:count]


def _values(pixels: NDArray[Any], bits: int, layout: Layout, *, signed: bool | None) -> NDArray[Any]:
    """Integers of which ``bits`` count, as the header wants them, signed or not.

    ``signed`` is what the codec takes them for: one that knows signs has no unused bits. None: nobody took them for
    anything yet.
    """
    if signed == layout.signed:
        return pixels
    size = pixels.dtype.itemsize
    unused = size * 8 - bits
    raised: NDArray[Any] = pixels.view(f"u{size}") << unused
    aligned: NDArray[Any] = raised.view(f"i{size}") if layout.signed else raised
    lowered: NDArray[Any] = aligned >> unused
    return lowered


def _shaped(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """A native frame as rows x columns x samples."""
    rows, columns, samples = layout.rows, layout.columns, layout.samples
    if layout.photometric == "YBR_FULL_422":  # for two pixels: Y, Y, Cb, Cr
        if columns % 2 or layout.by_plane:
            raise CaseError("unreadable", "the DICOM header contradicts itself: YBR_FULL_422 of odd width, or by plane")
        pairs = values.reshape(rows, columns // 2, 4)
        luma = pairs[:, :, :2].reshape(rows, columns)
        return np.dstack([luma, *(np.repeat(pairs[:, :, at], 2, axis=1) for at in (2, 3))])
    if layout.by_plane:
        return np.ascontiguousarray(np.moveaxis(values.reshape(samples, rows, columns), 0, -1))
    return values.reshape(rows, columns, samples)


def _to_rgb(pixels: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Rows x columns x (Y, Cb, Cr) to (R, G, B), rounded, in the same type."""
    centred = pixels - np.array([0, 1, 1]) * 2 ** (layout.stored - 1)
    rgb: NDArray[np.float64] = np.clip(np.rint(centred @ _TO_RGB.T), 0, 2**layout.stored - 1)
    return rgb.astype(pixels.dtype)
