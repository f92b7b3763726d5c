"""The compressed frames of DICOM: JPEG of all processes in use, JPEG-LS, JPEG 2000, HTJ2K and RLE.

imagecodecs decodes all of them: libjpeg-turbo (8 and 12 bits, lossless greys of 2 to 16), jpegsof3 (lossless colours,
of which libjpeg-turbo 3.1.3 makes wrong pixels, in silence, where a component has a Huffman table of its own), CharLS
and OpenJPEG. What a compressed frame says of its size is compared with the DICOM header first: it may promise far more.
A frame must have its end marker: libjpeg and OpenJPEG make up what is missing, and CharLS may look for it for seconds.
"""

import struct
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from imaging_core.decode.case import CaseError
from imaging_core.decode.dicom_file import Layout
from imaging_core.decode.jpeg import has_end, markers

_SPECTRAL_SELECTION, _FULL_PROGRESSION = UID("1.2.840.10008.1.2.4.53"), UID("1.2.840.10008.1.2.4.55")
"""Retired, and still written: DCMTK's img2dcm takes a progressive JPEG as it is."""

_JPEG = {
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1),
    *(_SPECTRAL_SELECTION, _FULL_PROGRESSION),
}
_JPEG_LS = {JPEGLSLossless, JPEGLSNearLossless}
_JPEG_2000 = {JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K}
_LOSSLESS_FRAME, _JPEG_LS_FRAME = 0xC3, 0xF7
_FRAMES = {0xC0, 0xC1, 0xC2, _LOSSLESS_FRAME, _JPEG_LS_FRAME}
_APP0 = 0xE0
_CODESTREAM = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
_MOST_PADDING = 16
_RGB_NAMES = (b"RGB", b"rgb")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame as its codec gives it.

    Attributes:
        pixels: rows x columns x samples.
        bits: of a value that count.
        signed: whether the codec knows them to be two's complement.
        is_rgb: whether colours are red, green and blue already, whatever the DICOM header calls them.
    """

    pixels: NDArray[Any]
    bits: int
    signed: bool
    is_rgb: bool


@dataclass(frozen=True, slots=True)
class _Promise:
    """What the header of a compressed frame says."""

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool = False


def is_known(syntax: UID) -> bool:
    """Whether frames of this transfer syntax are decoded here."""
    return syntax in _JPEG | _JPEG_LS | _JPEG_2000 | {RLELossless}


def decode_frame(frame: bytes, layout: Layout) -> Decoded:
    """Decode one frame.

    Raises:
        CaseError: unreadable when it is not what the DICOM header says.
        Exception: what codecs raise on damaged data.
    """
    if layout.syntax in _JPEG:
        return _jpeg(frame, layout)
    if layout.syntax in _JPEG_LS:
        promise, _ = _jpeg_promise(frame)
        _check(promise, layout)
        _check_end(frame)
        return _decoded(imagecodecs.jpegls_decode(frame), promise, layout, is_rgb=False)
    if layout.syntax in _JPEG_2000:
        codestream = frame[max(frame.find(_CODESTREAM), 0) :]  # some writers put the boxes of a file around it
        promise = _jpeg_2000_promise(codestream)
        _check(promise, layout)
        _check_end(codestream)
        pixels = imagecodecs.jpeg2k_decode(codestream, numthreads=1)
        return _decoded(pixels, promise, layout, is_rgb=layout.photometric in ("YBR_RCT", "YBR_ICT"))
    return _rle(frame, layout)


def _jpeg(frame: bytes, layout: Layout) -> Decoded:
    promise, header = _jpeg_promise(frame)
    _check(promise, layout)
    if not has_end(frame):
        raise _truncated()
    if layout.samples == 1:
        return _decoded(imagecodecs.jpeg8_decode(frame), promise, layout, is_rgb=False)
    stored_as_rgb = header.names in _RGB_NAMES or (layout.photometric == "RGB" and not header.is_jfif)
    if header.marker == _LOSSLESS_FRAME:
        return _decoded(imagecodecs.jpegsof3_decode(frame), promise, layout, is_rgb=stored_as_rgb)
    if stored_as_rgb:
        pixels = imagecodecs.jpeg8_decode(frame, colorspace="RGB", outcolorspace="RGB")
        return _decoded(pixels, promise, layout, is_rgb=stored_as_rgb)
    return _decoded(
        imagecodecs.jpeg8_decode(frame, colorspace="YCBCR", outcolorspace="RGB"), promise, layout, is_rgb=True
    )


@dataclass(frozen=True, slots=True)
class _JpegHeader:
    """The marker of a frame's header, what its components are called, and whether it is a JFIF."""

    marker: int
    names: bytes
    is_jfif: bool


def _jpeg_promise(frame: bytes) -> tuple[_Promise, _JpegHeader]:
    is_jfif = False
    for marker, at in markers(frame):
        if marker == _APP0:
            is_jfif |= frame[at + 2 : at + 6] == b"JFIF"
        if marker in _FRAMES:
            _, bits, rows, columns, samples = struct.unpack_from(">HBHHB", frame, at)
            names = frame[at + 8 : at + 8 + 3 * samples : 3]
            return _Promise(rows, columns, samples, bits), _JpegHeader(marker, names, is_jfif)
    raise CaseError("unreadable", "the compressed DICOM pixels hold no JPEG header")


def _jpeg_2000_promise(codestream: bytes) -> _Promise:
    columns, rows, left, top = struct.unpack_from(">4I", codestream, 8)
    samples, depth = struct.unpack_from(">HB", codestream, 40)
    return _Promise(rows - top, columns - left, samples, (depth & 0x7F) + 1, signed=bool(depth & 0x80))


def _check(promise: _Promise, layout: Layout) -> None:
    said = (layout.rows, layout.columns, layout.samples)
    if (promise.rows, promise.columns, promise.samples) != said or promise.bits > layout.allocated:
        raise CaseError("unreadable", "the DICOM header and its compressed pixels contradict each other")


def _check_end(codestream: bytes) -> None:
    """Of codestreams in which FF D9 is nothing but their end; writers pad them, and not with zeros alone."""
    if _END not in codestream[-_MOST_PADDING:]:
        raise _truncated()


def _truncated() -> CaseError:
    return CaseError("unreadable", "the compressed DICOM pixels are truncated: they have no end marker")


def _decoded(pixels: NDArray[Any], promise: _Promise, layout: Layout, *, is_rgb: bool) -> Decoded:
    shape = (layout.rows, layout.columns, layout.samples)
    if pixels.size != np.prod(shape):
        raise CaseError("unreadable", "the DICOM header and its compressed pixels contradict each other")
    return Decoded(pixels.reshape(shape), promise.bits, promise.signed, is_rgb)


def _rle(frame: bytes, layout: Layout) -> Decoded:
    kind = np.dtype(f"<u{layout.allocated // 8}")
    values = layout.rows * layout.columns * layout.samples
    planes = bytearray(values * kind.itemsize)
    if len(imagecodecs.dicomrle_decode(frame, kind, out=planes)) != len(planes):
        raise CaseError("unreadable", "the compressed DICOM pixels end early")
    pixels = np.moveaxis(np.frombuffer(planes, kind).reshape(layout.samples, layout.rows, layout.columns), 0, -1)
    return Decoded(pixels, layout.stored, signed=False, is_rgb=False)
