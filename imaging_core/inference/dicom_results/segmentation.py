"""A predicted mask as a DICOM Segmentation (PS3.3 A.51): binary segments, one for each class.

Of exclusive classes (multiclass) class 0 is what no segment covers, and segment numbers are class indices; of a
multilabel model they count from 1. Frames of a volume that show nothing are left out.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword

from imaging_core.inference.dicom_results.concepts import CATEGORY, Concepts, text
from imaging_core.inference.dicom_results.source import DicomSource
from imaging_core.inference.dicom_results.uids import derived_uid
from imaging_core.models.card import Output

SERIES_NUMBER = 1001


def segments_of(output: Output) -> dict[int, int]:
    """Segment number to class index."""
    match output.kind:
        case "binary":
            return {1: len(output.classes) - 1}
        case "multilabel":
            return {index + 1: index for index in range(len(output.classes))}
        case _:
            return {index: index for index in range(1, len(output.classes))}


def to_segmentation(
    mask: NDArray[Any], output: Output, source: DicomSource, concepts: Concepts, series: str
) -> Segmentation:
    """The mask as an object without a UID and dates of its own.

    Args:
        mask: as :func:`imaging_core.inference.stitch.to_mask` gives it, on the image's own pixels or voxels.
        output: the card's.
        source: the image.
        concepts: the model's.
        series: UID of the series that the object belongs to.
    """
    planes, numbers = _as_frames(mask, output, source), segments_of(output)
    made = Segmentation(
        source_images=list(source.headers),
        pixel_array=planes[:1] if source.is_film else planes,
        segmentation_type="BINARY",
        segment_descriptions=[
            SegmentDescription(
                segment_number=number,
                segment_label=text(output.classes[index]),
                segmented_property_category=CATEGORY,
                segmented_property_type=concepts.of_class(index, output.classes[index]),
                algorithm_type="AUTOMATIC",
                algorithm_identification=concepts.in_segmentation,
                tracking_uid=derived_uid("segment", series, source.headers[0].SOPInstanceUID, str(number)),
                tracking_id=text(output.classes[index]),
            )
            for number, index in numbers.items()
        ],
        series_instance_uid=series,
        series_number=SERIES_NUMBER,
        content_label="SEGMENTATION",
        content_description=concepts.model,
        omit_empty_frames=len(source.slices) > 1 and not source.is_film,
        **concepts.of_instance,
    )
    if source.headers[0].get("ImagePositionPatient") is None:
        made.PatientOrientation = None  # type 2 where no position says how the image lies
    if source.is_film:
        _put_frames(made, planes, list(numbers))
    organisation = derived_uid("dimensions", series)
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = organisation
    for index in made.DimensionIndexSequence:
        index.DimensionOrganizationUID = organisation
    return made


def _as_frames(mask: NDArray[Any], output: Output, source: DicomSource) -> NDArray[np.uint8]:
    """Frames x rows x columns, of a multilabel model x segments, in the order of the source's slices."""
    values = mask.view(np.uint8)
    if output.kind == "multilabel":
        values = np.moveaxis(values, 0, -1)
    if len(source.slices) == 1:
        segments = values.shape[-1:] if output.kind == "multilabel" else ()
        return values.reshape(1, source.headers[0].Rows, source.headers[0].Columns, *segments)
    return values


def _put_frames(made: pydicom.Dataset, planes: NDArray[np.uint8], numbers: Sequence[int]) -> None:
    """All frames of a film in the place of its first: highdicom wants to know where frames lie, and a film's nowhere.

    Each refers to its frame of the film, and counts in a dimension of its own.
    """
    of_first = list(made.PerFrameFunctionalGroupsSequence)
    groups, stored = [], []
    for place, (number, group) in enumerate(zip(numbers, of_first, strict=True)):
        for frame, plane in enumerate(planes, start=1):
            item = copy.deepcopy(group)
            item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = frame
            content = item.FrameContentSequence[0]
            content.StackID, content.InStackPositionNumber = "1", frame
            content.DimensionIndexValues = [place + 1, frame]
            groups.append(item)
            stored.append((plane[..., place] if plane.ndim == 3 else plane == number).ravel())
    made.PerFrameFunctionalGroupsSequence = groups
    made.NumberOfFrames = len(groups)
    dimension = pydicom.Dataset()
    dimension.DimensionIndexPointer = tag_for_keyword("InStackPositionNumber")
    dimension.FunctionalGroupPointer = tag_for_keyword("FrameContentSequence")
    dimension.DimensionDescriptionLabel = "In-Stack Position Number"
    made.DimensionIndexSequence.append(dimension)
    packed = np.packbits(np.concatenate(stored), bitorder="little").tobytes()
    made.PixelData = packed + bytes(len(packed) % 2)
