"""The images that a result is about, as their files' headers have them: what to refer to, where it lies, whose it is.

Only elements that are named here are read, so that nothing else can reach a result. The headers that highdicom is given
are made anew of them: the same for a series, an enhanced multi-frame object, or one that says in another way where its
frames lie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import config
from pydicom.uid import UID, EnhancedCTImageStorage, SecondaryCaptureImageStorage
from pydicom.valuerep import DSfloat, validate_value

from imaging_core.decode.case import Limits
from imaging_core.decode.dicom import DICOM
from imaging_core.decode.dicom_file import read_header
from imaging_core.decode.dicom_groups import group_of, numbers
from imaging_core.decode.dicom_series import Plane
from imaging_core.decode.dicom_slices import Slice, slices_of
from imaging_core.decode.reading import read_head, read_whole
from imaging_core.store.base import Source

IDENTIFYING = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("PatientSize", "PatientWeight", "AccessionNumber", "StudyID", "StudyDate", "StudyTime", "StudyDescription"),
    *("ReferringPhysicianName", "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName"),
)
"""What an identified result takes over from the image, and an anonymous one leaves empty or out."""

_TAKEN = ("Content", "Acquisition", "Series", "Study")
"""Date and Time of these say when an image was taken, the best first."""

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_READ = (*_UIDS, "Modality", "SliceThickness", "LossyImageCompression")
_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"),
    *("StudyTime", "ReferringPhysicianName"),
)
_NOBODY = "19000101"
"""The date of an anonymous result, where the standard wants one."""


class NoResultsError(Exception):
    """There can be no DICOM results of this case; the message ends the sentence "no DICOM results: …"."""


@dataclass(frozen=True, slots=True)
class DicomSource:
    """An image.

    Attributes:
        headers: as highdicom wants source images, nobody's, in the order of the slices: one of each, or one of a file
            of many that says where they lie. Their classes stand for others: see :meth:`refer`.
        slices: what the slices of the case are.
        in_file: for each frame of a file of many, which slice it is; None of one file for each slice.
        spacing: between rows and between columns in mm; None when the image does not say.
        classes: SOP Instance UID of each file to its SOP Class UID.
        identity: elements of a result that say whose it is and when it was taken.
    """

    headers: Sequence[pydicom.Dataset]
    slices: Sequence[Slice]
    in_file: Sequence[int] | None
    spacing: tuple[float, float] | None
    classes: Mapping[str, str]
    identity: pydicom.Dataset

    @property
    def is_film(self) -> bool:
        """Whether it is a file of many frames that does not say where they lie."""
        return self.in_file is not None and self.slices[0].plane is None

    def refer(self, made: pydicom.Dataset) -> None:
        """Put the real classes where a result, all of its items included, refers to a header."""
        for element in made:
            if element.VR == "SQ":
                for item in element.value:
                    self.refer(item)
        real = self.classes.get(str(made.get("ReferencedSOPInstanceUID", "")))
        if real is not None:
            made.ReferencedSOPClassUID = real


def read_source(images: Sequence[Source], limits: Limits, *, identified: bool) -> DicomSource:
    """Read the headers of one case's files.

    Raises:
        NoResultsError: they are not DICOM, or do not say what to refer to.
    """
    if not DICOM.recognises(read_head(images[0], limits)):
        raise NoResultsError("the image is not DICOM")
    read = [read_header(read_whole(image, limits), limits, _READ) for image in images]
    for each in read:
        if lacking := [name for name in _UIDS if not _is_uid(each, name)]:
            raise NoResultsError(f"the image's DICOM header has no {lacking[0]}")
    slices = slices_of(read)
    first = slices[0]
    if len(slices) > 1 and first.plane is not None and not _is_uid(read[0], "FrameOfReferenceUID"):
        raise NoResultsError("the image's DICOM header has no FrameOfReferenceUID")
    if len(slices) > len(read) > 1:
        raise NoResultsError("the image is several files of many frames")
    of_many = len(read) == 1 and len(slices) > 1
    frames = sorted(range(len(slices)), key=lambda number: slices[number].frame) if of_many else None
    if frames is not None and first.plane is not None:
        headers = [_multi_frame(read[0], slices, frames)]
    else:
        headers = [_single_frame(read[each.file], each) for each in (slices[:1] if of_many else slices)]
    spacing = numbers(group_of(read[0], 0, "PixelMeasuresSequence"), "PixelSpacing", 2)
    return DicomSource(
        headers,
        slices,
        frames,
        (spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
        {str(each.SOPInstanceUID): str(each.SOPClassUID) for each in read},
        _identity(images[0], limits) if identified else _nobody(),
    )


def _is_uid(header: pydicom.Dataset, name: str) -> bool:
    value = str(header.get(name) or "")
    return bool(value) and UID(value).is_valid


def _base(read: pydicom.Dataset, stand_in: UID) -> pydicom.Dataset:
    header = pydicom.Dataset()
    for name in _EMPTY:
        setattr(header, name, None)
    for name in (*_UIDS, "Modality"):
        setattr(header, name, str(read.get(name) or ""))
    header.SOPClassUID = stand_in
    if read.get("LossyImageCompression") == "01":
        header.LossyImageCompression = "01"
    header.Rows, header.Columns = read.Rows, read.Columns
    return header


def _single_frame(read: pydicom.Dataset, one: Slice) -> pydicom.Dataset:
    header = _base(read, SecondaryCaptureImageStorage)
    if one.plane is not None and _is_uid(read, "FrameOfReferenceUID"):
        header.update(_frame_of_reference(read))
        header.ImagePositionPatient = _written(one.plane.position)
        header.update(_orientation(one.plane))
        header.update(_measures(one.plane, _thickness(read, one.frame - 1)))
    return header


def _multi_frame(read: pydicom.Dataset, slices: Sequence[Slice], frames: Sequence[int]) -> pydicom.Dataset:
    planes = [plane for number in frames if (plane := slices[number].plane) is not None]
    header = _base(read, EnhancedCTImageStorage)
    header.NumberOfFrames = len(slices)
    header.update(_frame_of_reference(read))
    shared = pydicom.Dataset()
    shared.PlaneOrientationSequence = [_orientation(planes[0])]
    shared.PixelMeasuresSequence = [_measures(planes[0], _thickness(read, 0))]
    header.SharedFunctionalGroupsSequence = [shared]
    header.PerFrameFunctionalGroupsSequence = [_position(plane) for plane in planes]
    return header


def _frame_of_reference(read: pydicom.Dataset) -> pydicom.Dataset:
    place = pydicom.Dataset()
    place.FrameOfReferenceUID = str(read.FrameOfReferenceUID)
    place.PositionReferenceIndicator = None
    return place


def _position(plane: Plane) -> pydicom.Dataset:
    position, group = pydicom.Dataset(), pydicom.Dataset()
    position.ImagePositionPatient = _written(plane.position)
    group.PlanePositionSequence = [position]
    return group


def _orientation(plane: Plane) -> pydicom.Dataset:
    orientation = pydicom.Dataset()
    orientation.ImageOrientationPatient = _written(np.concatenate([plane.along_row, plane.along_column]))
    return orientation


def _measures(plane: Plane, thickness: float | None) -> pydicom.Dataset:
    measures = pydicom.Dataset()
    measures.PixelSpacing = _written(np.array(plane.spacing))
    measures.SliceThickness = DSfloat(thickness or min(plane.spacing), auto_format=True)
    return measures


def _thickness(read: pydicom.Dataset, frame: int) -> float | None:
    found = numbers(group_of(read, frame, "PixelMeasuresSequence"), "SliceThickness", 1)
    return found[0] if found and found[0] > 0 else None


def _written(values: NDArray[np.float64]) -> list[DSfloat]:
    return [DSfloat(value, auto_format=True) for value in values.tolist()]


def _nobody() -> pydicom.Dataset:
    identity = pydicom.Dataset()
    identity.ContentDate, identity.ContentTime = _NOBODY, "000000"
    identity.PatientIdentityRemoved = "YES"
    identity.DeidentificationMethod = "identifying attributes empty, UIDs retained"
    return identity


def _identity(image: Source, limits: Limits) -> pydicom.Dataset:
    """What is valid of what the image says; a value that the standard does not allow is left out."""
    keywords = ["SpecificCharacterSet", *IDENTIFYING, *(f"{of}{what}" for of in _TAKEN for what in ("Date", "Time"))]
    read = read_header(read_whole(image, limits), limits, keywords)
    identity = pydicom.Dataset()
    for name in IDENTIFYING:
        value = str(read.get(name) or "")
        if value and (vr := pydicom.datadict.dictionary_VR(name)) and _is_valid(vr, value):
            setattr(identity, name, value)
    dates = [of for of in _TAKEN if (date := str(read.get(f"{of}Date") or "")) and _is_valid("DA", date)]
    identity.ContentDate, identity.ContentTime = _NOBODY, "000000"
    if dates:
        identity.ContentDate = str(read.get(f"{dates[0]}Date"))
        time = str(read.get(f"{dates[0]}Time") or "")
        if time and _is_valid("TM", time):
            identity.ContentTime = time
    return identity


def _is_valid(vr: str, value: str) -> bool:
    try:
        validate_value(vr, value, config.RAISE)
    except (ValueError, TypeError):
        return False
    return True
