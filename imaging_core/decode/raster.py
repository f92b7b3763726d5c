"""Raster images: one file is one image, or one plane of an image whose sample lists several files.

What every raster format shares lives here: limits, orientation, and how planes become the channels that a model wants.

* Alpha is dropped, not composited, as OpenCV and ECVL do.
* Grey from colour is ITU-R 601 luma, in Pillow's integer arithmetic for 8 and 16 bit.
* Several files, or several pages of one file, are one plane each; a colour one is read as grey.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imaging_core.decode.case import Case, CaseError, Limits, ModelInput, Pixels, Place, Planes
from imaging_core.decode.reading import Role, codec_failures, read_whole
from imaging_core.store.base import Source

MOST_PLANES_AT_FULL_SIZE = 4
"""All planes of one file together may hold so many times :attr:`~imaging_core.decode.case.Limits.pixels` values."""

_AS_THEY_ARE = {np.dtype(np.uint8), np.dtype(np.uint16)}
_ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)
"""The values of EXIF's orientation that swap height and width."""


class RasterFormat(Protocol):
    """One raster format: a module with these four names."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def suffixes(self) -> frozenset[str]:
        """File name endings, lower case with the dot."""
        ...

    @property
    def recognises(self) -> Callable[[bytes], bool]:
        """Whether a file that starts with these bytes is of this format."""
        ...

    @property
    def read(self) -> Callable[[bytes, Limits, bool], Planes]:
        """Decode a whole file: ``read(data, limits, indices)``.

        With ``indices`` the values are what the file stores (palette indices, 2-bit greys from 0 to 3), as masks of
        class indices need; without, they are what a person would see, spread over the whole range of the type. May
        raise CaseError, or anything at all on damaged data.
        """
        ...


class RasterDecoder:
    """Makes a decoder of a raster format."""

    def __init__(self, form: RasterFormat) -> None:
        self.name = form.name
        self.suffixes = form.suffixes
        self.whole = True
        self._format = form

    def recognises(self, head: bytes) -> bool:
        """Whether the file is of this format."""
        return self._format.recognises(head)

    def decode(self, sources: Sequence[Source], channels: int, limits: Limits) -> Case:
        """The image, as a case of one model input."""
        planes = [self._read(source, limits, "image", False) for source in sources]
        pixels = as_channels(planes[0], channels, limits) if len(planes) == 1 else _together(planes, channels, limits)
        size = planes[0].size
        return Case(size, 1, iter([ModelInput(pixels, Place((0, 0), size))]))

    def mask(self, source: Source, limits: Limits, *, indices: bool) -> Planes:
        """The mask of one file; several pages are several planes."""
        return self._read(source, limits, "mask", indices)

    def _read(self, source: Source, limits: Limits, role: Role, indices: bool) -> Planes:
        data = read_whole(source, limits, role)
        if not self._format.recognises(data):
            raise CaseError("unsupported", f"the planes of this image have different formats; one is {self.name}")
        with codec_failures(self.name, role):
            return self._format.read(data, limits, indices)


def _together(planes: Sequence[Planes], channels: int, limits: Limits) -> Pixels:
    if len({(each.size, each.pixels.shape[:2]) for each in planes}) > 1:
        raise CaseError("unsupported", "the planes of this image have different sizes")
    if len(planes) != channels:
        raise CaseError("unsupported", f"{len(planes)} files are {len(planes)} planes; {_wanted(channels)}")
    return np.concatenate([as_channels(each, 1, limits) for each in planes], axis=2)


def check_size(height: int, width: int, planes: int, limits: Limits) -> None:
    """Refuse an image by what its header says, before its pixels are decoded.

    Raises:
        CaseError: too_large, or unreadable when it has no pixels.
    """
    if min(height, width, planes) < 1:
        raise CaseError("unreadable", "the image has no pixels")
    if height * width > limits.pixels:
        raise CaseError(
            "too_large", f"the image has {height} x {width} pixels, more than {limits.pixels} (--max-pixels)"
        )
    if height * width * planes > limits.pixels * MOST_PLANES_AT_FULL_SIZE:
        raise CaseError("too_large", f"{planes} planes of {height} x {width} pixels are too many (--max-pixels)")


def upright(pixels: NDArray[Any], orientation: int | None) -> NDArray[Any]:
    """Turn and mirror height x width x planes as EXIF tag 0x0112 says; an unknown value changes nothing."""
    if orientation in TURNED:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def exif_orientation(block: bytes) -> int | None:
    """How an image must be turned, as its EXIF block says; a damaged block turns nothing."""
    exif = Image.Exif()
    try:
        exif.load(block)
        value = exif.get(_ORIENTATION)
    except Exception:
        return None
    return value if isinstance(value, int) else None


def as_channels(image: Planes, channels: int, limits: Limits) -> Pixels:
    """What a model with so many channels sees: 1 grey, 3 RGB, another number so many planes.

    NaN is 0 where :attr:`~imaging_core.decode.case.Limits.nan` says so.

    Returns:
        height x width x channels; uint8, uint16 or finite float32. Other types become float32 with their values.

    Raises:
        CaseError: the planes do not make so many channels, or a value is not finite.
    """
    pixels = _model_type(image.pixels, limits)
    planes = pixels.shape[2]
    if planes == channels:
        return pixels
    if image.colour and channels == 1:
        return _luma(pixels)
    if image.colour and channels == 3:
        return np.ascontiguousarray(pixels[:, :, :3])
    if planes == 1 and channels == 3:
        return np.repeat(pixels, 3, axis=2)
    raise CaseError("unsupported", f"the image has {planes} planes; {_wanted(channels)}")


def grey(image: Planes) -> NDArray[Any]:
    """Height x width in the file's own type: the only plane, or the luma of colours; CaseError for other planes."""
    planes = image.pixels.shape[2]
    if planes == 1:
        return image.pixels[:, :, 0]
    if image.colour:
        return _luma(_model_type(image.pixels, Limits()))[:, :, 0]
    raise CaseError("unsupported", f"{planes} planes where one is expected")


def _model_type(pixels: NDArray[Any], limits: Limits) -> Pixels:
    if pixels.dtype in _AS_THEY_ARE:
        return pixels
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if not (np.issubdtype(pixels.dtype, np.integer) or np.issubdtype(pixels.dtype, np.floating)):
        raise CaseError("unsupported", f"pixels of type {pixels.dtype}")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused just below
        values: NDArray[np.float32] = pixels.astype(np.float32)
    if np.isfinite(values).all():
        return values
    absent = np.isnan(values)
    if not np.isfinite(values[~absent]).all():
        raise CaseError("not_finite", "the image holds infinite or too large values")
    if limits.nan == "fail":
        raise CaseError(
            "not_finite", "the image holds NaN; where that means background, pack the model with --nan zero"
        )
    return np.where(absent, np.float32(0), values)


def _luma(pixels: Pixels) -> Pixels:
    """ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B, height x width x 1."""
    if pixels.dtype == np.uint8:
        return np.array(Image.fromarray(np.ascontiguousarray(pixels[:, :, :3])).convert("L"))[:, :, None]
    if pixels.dtype == np.uint16:  # Pillow's weights in 16.16 fixed point; the sum stays below 2**32
        wide = pixels[:, :, :3].astype(np.uint32) * np.array([19595, 38470, 7471], np.uint32)
        total = wide[:, :, 0] + wide[:, :, 1] + wide[:, :, 2] + np.uint32(0x8000)
        return (total >> np.uint32(16)).astype(np.uint16)[:, :, None]
    weighted = pixels[:, :, :3] * np.array([0.299, 0.587, 0.114], np.float32)
    return (weighted[:, :, 0] + weighted[:, :, 1] + weighted[:, :, 2]).astype(np.float32)[:, :, None]


def _wanted(channels: int) -> str:
    names = {1: "grey", 3: "RGB"}
    return f"the model wants {channels} ({names[channels]})" if channels in names else f"the model wants {channels}"
