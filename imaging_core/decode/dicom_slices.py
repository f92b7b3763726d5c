"""Which frame of which DICOM instance each slice of an image is: what other objects refer to it by."""

from collections.abc import Sequence
from dataclasses import dataclass

import pydicom

from imaging_core.decode.case import Limits
from imaging_core.decode.dicom_file import read_header, whole
from imaging_core.decode.dicom_series import Plane, order_of, plane_of
from imaging_core.decode.reading import codec_failures, read_whole
from imaging_core.store.base import Source

_LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice, or a single image.

    Attributes:
        file: the number of its file among those of the image, from 0.
        instance: SOP Instance UID of that file; empty when the file has none.
        frame: its number in that file, from 1.
        plane: where it lies; None when the file does not say.
    """

    file: int
    instance: str
    frame: int
    plane: Plane | None


def slices_of(headers: Sequence[pydicom.Dataset]) -> list[Slice]:
    """The slices in the order in which :func:`imaging_core.decode.dicom_read.read_image` gives them.

    Args:
        headers: of the image's files, as :func:`imaging_core.decode.dicom_file.read_header` reads them.

    Raises:
        CaseError: they make no regular volume.
    """
    slices = []
    for number, header in enumerate(headers):
        frames = whole(header, "NumberOfFrames", 0, _LARGEST_COUNT, default=1) or 1
        instance = str(header.get("SOPInstanceUID") or "")
        slices += [Slice(number, instance, frame + 1, plane_of(header, frame, frames)) for frame in range(frames)]
    order, _ = order_of([each.plane for each in slices], one_file=len(headers) == 1)
    return [slices[number] for number in order]


def read_slices(sources: Sequence[Source], limits: Limits) -> list[Slice]:
    """The slices of an image's files, all of them DICOM. Raises CaseError as decoding the image does."""
    with codec_failures("DICOM", "image"):
        return slices_of([read_header(read_whole(source, limits), limits) for source in sources])
