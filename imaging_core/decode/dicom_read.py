"""The frames of DICOM files: images as a model wants to see them, masks as they are stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.dicom_file import DicomFile, parse
from imaging_core.decode.dicom_frames import stored_frames
from imaging_core.decode.dicom_grey import spread
from imaging_core.decode.dicom_groups import greys_of
from imaging_core.decode.dicom_lut import through_palette
from imaging_core.decode.dicom_segments import is_segmentation, segments_of
from imaging_core.decode.dicom_series import Plane, order_of, plane_of
from imaging_core.decode.raster import check_size
from imaging_core.decode.segments import Segments
from imaging_core.decode.volume import Affine

_PALETTE = "PALETTE COLOR"


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of one size and type, in the order of their positions where those are known.

    Attributes:
        pixels: each rows x columns x channels.
        colour: the channels are red, green and blue.
        affine: where they lie as a volume; None when the file does not say, or when there is only one.
    """

    pixels: list[NDArray[Any]]
    colour: bool
    affine: Affine | None


def read_image(files: Iterable[bytes], limits: Limits) -> Frames:
    """All frames of one sample: grey ones as ``limits.dicom`` says, colours as RGB in uint8 or uint16.

    Raises:
        CaseError: unsupported, unreadable or too_large.
        Exception: anything at all on damaged data.
    """
    pixels: list[NDArray[Any]] = []
    planes: list[Plane | None] = []
    series: set[str] = set()
    places: set[str] = set()
    colour, count = False, 0
    for count, data in enumerate(files, start=1):
        file = parse(data, limits)
        _check_image(file, count)
        layout = file.layout
        check_size(layout.rows, layout.columns, layout.samples * (len(pixels) + layout.frames), limits)
        series.add(str(file.elements.get("SeriesInstanceUID", "")))
        if len(series) > 1:
            raise CaseError("unsupported", "the files are of different series; list those of one for a sample")
        places |= {str(file.elements.get("FrameOfReferenceUID") or "")} - {""}
        if len(places) > 1:
            raise CaseError(
                "unsupported", "the files' positions are of different frames of reference; list one's files"
            )
        for number, stored in enumerate(stored_frames(file)):
            seen, colour = _seen(file, number, stored, limits)
            if pixels and (seen.shape, seen.dtype) != (pixels[0].shape, pixels[0].dtype):
                raise CaseError("unsupported", "the slices have different sizes or types")
            pixels.append(seen)
            planes.append(plane_of(file.elements, number, layout.frames))
    if len(pixels) == 1:
        return Frames(pixels, colour, None)
    return _in_order(pixels, planes, colour, one_file=count == 1)


def read_mask(data: bytes, limits: Limits, *, spread_out: bool) -> Frames | Segments:
    """The frames of a ground truth: palette indices and greys as they are stored, without rescaling or windows.

    Of a DICOM segmentation it gives its segments.

    Args:
        data: the file.
        limits: what it may cost.
        spread_out: of a single frame, spread the values over the whole range of their type.

    Raises:
        CaseError: unsupported, unreadable or too_large.
        Exception: anything at all on damaged data.
    """
    file = parse(data, limits)
    layout = file.layout
    if is_segmentation(file.elements):
        return segments_of(file)
    frames = list(stored_frames(file))
    colour = layout.samples == 3
    if len(frames) > 1:
        planes = [plane_of(file.elements, number, layout.frames) for number in range(layout.frames)]
        return _in_order(frames, planes, colour, one_file=True)
    if layout.photometric == _PALETTE and spread_out:
        return Frames([_through_palette(file, frames[0])], True, None)
    if file.pixels == "PixelData" and not layout.signed:
        frames = [spread(frames[0], layout.stored) if spread_out else frames[0]]
        if layout.stored == 1:
            frames[0] = frames[0].astype(np.bool_)
    return Frames(frames, colour, None)


def _check_image(file: DicomFile, count: int) -> None:
    if is_segmentation(file.elements):
        raise CaseError("unsupported", "a DICOM segmentation is ground truth, no image")
    if count > 1 and "LOCALIZER" in (file.elements.get("ImageType") or []):
        raise CaseError("unsupported", "a localizer is among the files; list the slices of one volume for a sample")


def _seen(file: DicomFile, number: int, stored: NDArray[Any], limits: Limits) -> tuple[NDArray[Any], bool]:
    """One frame as a model is to see it, and whether it has colours."""
    layout = file.layout
    if layout.samples == 3:
        return spread(stored, layout.stored), True
    if layout.photometric == _PALETTE:
        return _through_palette(file, stored), True
    if file.pixels != "PixelData" and not np.isfinite(stored).all():
        raise CaseError("not_finite", "the DICOM pixels hold NaN or infinite values")
    greys = greys_of(file, number)
    return greys.rescaled(stored) if limits.dicom == "rescaled" else greys.shown(stored, layout.stored), False


def _through_palette(file: DicomFile, stored: NDArray[Any]) -> NDArray[Any]:
    layout = file.layout
    return through_palette(stored, file.elements, little_endian=layout.little_endian, signed=layout.signed)


def _in_order(
    pixels: Sequence[NDArray[Any]], planes: Sequence[Plane | None], colour: bool, *, one_file: bool
) -> Frames:
    order, affine = order_of(planes, one_file=one_file)
    return Frames([pixels[number] for number in order], colour, affine)
