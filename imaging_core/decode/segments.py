"""Ground truth as segments: frames that each show one segment, laid onto the slices of the image that they are about.

So a DICOM segmentation comes (:mod:`imaging_core.decode.dicom_segments`): in any order, of some slices only, under
numbers and labels of its own.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError

if TYPE_CHECKING:  # it imports pydicom, which runs without DICOM do without
    from imaging_core.decode.dicom_series import Plane
    from imaging_core.decode.dicom_slices import Slice

_SAME_PLACE = 0.1
"""A frame lies on a slice when no corner is farther away than this part of a pixel's shorter side; writers round."""


@dataclass(frozen=True, slots=True)
class SegmentFrame:
    """One frame of a segmentation.

    Attributes:
        segment: the number of the segment that it shows; None of a label map, whose pixels hold the numbers.
        references: the frames of images that it was made from, as SOP Instance UID and number from 1 (None: all).
        plane: where it lies; None when the file does not say.
    """

    segment: int | None
    references: frozenset[tuple[str, int | None]]
    plane: "Plane | None"


@dataclass(frozen=True, slots=True)
class Segments:
    """A segmentation.

    Attributes:
        names: of each segment, by its number: its label and what it is said to show.
        size: rows and columns of each frame.
        frames: all of them.
        pixels: yields their pixels in the same order, rows x columns: bool, or of a label map segment numbers.
        about: SOP Instance UIDs of all images that the file says it is about.
    """

    names: Mapping[int, Sequence[str]]
    size: tuple[int, int]
    frames: Sequence[SegmentFrame]
    pixels: Callable[[], Iterator[NDArray[Any]]]
    about: frozenset[str]


def lay(
    segments: Segments,
    kind: Literal["binary", "multiclass", "multilabel"],
    classes: Sequence[str],
    slices: "Sequence[Slice] | None",
    size: tuple[int, ...] | None,
) -> NDArray[Any]:
    """The ground truth on the image's pixels.

    A segment is of the class that has its name, in whatever case; where no segment has a class's name, segment numbers
    are class indices (of a multilabel model counted from 1). A binary model's class is a file's only segment, whatever
    its name. A frame belongs to the slice that it refers to, else to the one that it lies on. Slices without a frame
    have no segment; of a multiclass mask, pixels without a segment are of class 0.

    Args:
        segments: the segmentation.
        kind: what the model's output is.
        classes: the model's; may be empty for a binary one.
        slices: the image's, in its order; None when it is not DICOM.
        size: the image's, (slices,) rows, columns; None takes one slice of the frames' own.

    Returns:
        As :func:`imaging_core.decode.mask.decode_mask`.

    Raises:
        CaseError: mask_size when the frames are of another size or place than the image, mask_value when a segment
            is of no class, or when segments of exclusive classes overlap.
    """
    size = size or segments.size
    if segments.size != size[-2:]:
        rows, columns = segments.size
        raise CaseError("mask_size", f"the mask has {rows} x {columns} pixels, the image {size[-2]} x {size[-1]}")
    count = 1 if len(size) == 2 else size[0]
    if slices is not None and len(slices) != count:
        raise ValueError("an image has as many slices as its files have frames")
    class_of = _classes(segments.names, kind, classes)
    places = _places(segments, slices, count)
    planes = len(classes) if kind == "multilabel" else 1
    truth: NDArray[Any] = np.zeros((planes, count, *segments.size), np.uint8 if kind == "multiclass" else np.bool_)
    for frame, place, pixels in zip(segments.frames, places, segments.pixels(), strict=True):
        if place is None:
            continue
        for index, shown in _shown(frame, pixels, class_of):
            if kind == "multiclass":
                _put(truth[0, place], shown, index)
            else:
                truth[index if kind == "multilabel" else 0, place] |= shown
    laid = truth if kind == "multilabel" else truth[0]
    return laid if len(size) == 3 else laid[..., 0, :, :]


def _put(target: NDArray[np.uint8], shown: NDArray[np.bool_], index: int) -> None:
    before = target[shown]
    if ((before != 0) & (before != index)).any():
        raise CaseError("mask_value", "segments of different classes overlap in the mask; a pixel has one class")
    target[shown] = index


def _shown(
    frame: SegmentFrame, pixels: NDArray[Any], class_of: Mapping[int, int | None]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Class indices, and where they are in a frame."""
    for number in np.unique(pixels).tolist() if frame.segment is None else [frame.segment]:
        if number == 0 and frame.segment is None:
            continue
        if number not in class_of:
            raise CaseError("mask_value", f"the mask holds segment {number}, which it does not describe")
        index = class_of[number]
        if index is not None:
            yield index, pixels == number if frame.segment is None else pixels


def _classes(names: Mapping[int, Sequence[str]], kind: str, classes: Sequence[str]) -> dict[int, int | None]:
    """Segment number to class index; None for what is not of the binary model's class."""
    indices = {_folded(name): index for index, name in enumerate(classes)}
    named = {
        number: next((indices[_folded(name)] for name in said if _folded(name) in indices), None)
        for number, said in names.items()
    }
    if kind == "binary":
        positive = len(classes) - 1
        of: dict[int, int | None] = {number: 1 if index == positive else None for number, index in named.items()}
        if len(named) == 1 and set(named.values()) == {None}:
            return dict.fromkeys(named, 1)
        if set(named.values()) == {None}:
            raise _no_class(sorted(named), classes[-1:])
        return of
    unnamed = sorted(number for number, index in named.items() if index is None)
    if len(unnamed) < len(named) and unnamed:
        raise _no_class(unnamed, classes)
    if unnamed:
        shift = 1 if kind == "multilabel" else 0
        if beyond := [number for number in unnamed if number - shift >= len(classes)]:
            raise _no_class(beyond, classes)
        return {number: number - shift for number in unnamed}
    return dict(named)


def _no_class(numbers: Sequence[int], classes: Sequence[str]) -> CaseError:
    which = f"segment{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
    return CaseError(
        "mask_value",
        f"{which} of the mask: the label is no class of the model ({', '.join(classes)}); label them so in the file",
    )


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _places(segments: Segments, slices: "Sequence[Slice] | None", count: int) -> list[int | None]:
    """The slice of each frame; None for one that is about another image of the series."""
    if slices is None:
        if count > 1 or len({frame.segment for frame in segments.frames}) < len(segments.frames):
            raise CaseError("mask_size", "a DICOM segmentation of several slices wants a DICOM image, and this is none")
        return [0] * len(segments.frames)
    by_instance: dict[str, set[int]] = defaultdict(set)
    for number, each in enumerate(slices):
        by_instance[each.instance].add(number)
    corners = np.array([_corners(each.plane, segments.size) for each in slices])
    places = [_place(frame, slices, by_instance, corners, segments.size) for frame in segments.frames]
    if None not in places:
        return places
    says_nothing = all(frame.plane is None and not frame.references for frame in segments.frames)
    if says_nothing and count == 1 and len({frame.segment for frame in segments.frames}) == len(segments.frames):
        return [0] * len(places)
    if count == 1 and (segments.about & by_instance.keys() or any(place is not None for place in places)):
        return places
    astray = places.index(None) + 1
    raise CaseError(
        "mask_size", f"frame {astray} of the mask neither refers to a slice of this image nor lies on one of them"
    )


def _place(
    frame: SegmentFrame,
    slices: "Sequence[Slice]",
    by_instance: Mapping[str, set[int]],
    corners: NDArray[np.float64],
    size: tuple[int, int],
) -> int | None:
    meant = {
        number
        for instance, which in frame.references
        for number in by_instance.get(instance, ())
        if which is None or slices[number].frame == which
    }
    if frame.plane is None:
        return meant.pop() if len(meant) == 1 else None
    apart = np.linalg.norm(corners - _corners(frame.plane, size), axis=2).max(axis=1)  # NaN where nobody knows
    if len(meant) == 1:
        (only,) = meant
        if np.isnan(apart[only]):
            return only
    on = np.flatnonzero(apart <= _SAME_PLACE * min(frame.plane.spacing))
    if not on.size and meant:
        raise CaseError("mask_size", "a frame of the mask lies elsewhere than the slice that it refers to")
    return int(on[0]) if on.size else None


def _corners(plane: "Plane | None", size: tuple[int, int]) -> NDArray[np.float64]:
    """Where three corners of so many rows and columns lie in mm, 3 x (x, y, z); NaN where nobody knows."""
    if plane is None:
        return np.full((3, 3), np.nan)
    down = plane.along_column * plane.spacing[0] * (size[0] - 1)
    across = plane.along_row * plane.spacing[1] * (size[1] - 1)
    return np.array([plane.position, plane.position + down, plane.position + across])
