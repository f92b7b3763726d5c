"""The images that a result is about, as their files' headers have them: what to refer to, where it lies, whose it is.

Only elements that are named here are read, so that nothing else can reach a result. The headers that highdicom is given
are made anew of them, one of each slice, as of a series of single frames: the same for a series, for one or several
enhanced multi-frame objects, or for files that say in another way where their frames lie. A frame of a file of many has
a UID that stands in for it, until :meth:`DicomSource.refer` puts file and frame in its place.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import config
from pydicom.uid import UID, SecondaryCaptureImageStorage
from pydicom.valuerep import DSfloat, validate_value

from imaging_core.decode.case import Limits
from imaging_core.decode.dicom import DICOM
from imaging_core.decode.dicom_file import read_header
from imaging_core.decode.dicom_groups import group_of, numbers
from imaging_core.decode.dicom_slices import Slice, slices_of
from imaging_core.decode.reading import read_head, read_whole
from imaging_core.inference.dicom_results.uids import derived_uid
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
class Meant:
    """What a header stands for: a file by its SOP Instance and SOP Class UID, and of a file of many which frame."""

    instance: str
    sop_class: str
    frame: int | None


@dataclass(frozen=True, slots=True)
class DicomSource:
    """An image.

    Attributes:
        headers: as highdicom wants source images, nobody's: one of each slice, in their order; of a film the first.
        slices: what the slices of the case are.
        spacing: between rows and between columns in mm; None when the image does not say.
        meant: what UIDs in headers stand for.
        identity: elements of a result that say whose it is and when it was taken.
    """

    headers: Sequence[pydicom.Dataset]
    slices: Sequence[Slice]
    spacing: tuple[float, float] | None
    meant: Mapping[str, Meant]
    identity: pydicom.Dataset

    @property
    def is_film(self) -> bool:
        """Whether it is a file of many frames that does not say where they lie."""
        return len(self.slices) > 1 and self.slices[0].plane is None

    @property
    def of_files(self) -> Sequence[pydicom.Dataset]:
        """One header of each file, for what is about whole files."""
        first: dict[int, pydicom.Dataset] = {}
        for one, header in zip(self.slices, self.headers, strict=not self.is_film):
            first.setdefault(one.file, header)
        return list(first.values())

    def refer(self, made: pydicom.Dataset, within: str = "") -> None:
        """Put file, class and frame where a result, or an item of this sequence of it, refers to a header."""
        for element in made:
            if element.VR == "SQ":
                for item in element.value:
                    self.refer(item, element.keyword)
                if element.keyword == "ReferencedInstanceSequence":
                    element.value = list({item.ReferencedSOPInstanceUID: item for item in element.value}.values())
        meant = self.meant.get(str(made.get("ReferencedSOPInstanceUID", "")))
        if meant is not None:
            made.ReferencedSOPInstanceUID, made.ReferencedSOPClassUID = meant.instance, meant.sop_class
            if within == "SourceImageSequence" and meant.frame is not None:
                made.ReferencedFrameNumber = meant.frame


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
    if len({str(each.SOPInstanceUID) for each in read}) < len(read):
        raise NoResultsError("several files of the image have one SOPInstanceUID")
    slices = slices_of(read)
    is_film = len(slices) > 1 and slices[0].plane is None
    if len(slices) > 1 and not is_film and not all(_is_uid(each, "FrameOfReferenceUID") for each in read):
        raise NoResultsError("the image's DICOM header has no FrameOfReferenceUID")
    frames_of = Counter(each.file for each in slices)
    headers, meant = [], {}
    for one in slices[:1] if is_film else slices:
        of_many = frames_of[one.file] > 1 and not is_film
        instance, sop_class = str(read[one.file].SOPInstanceUID), str(read[one.file].SOPClassUID)
        stand_in = derived_uid("frame", instance, str(one.frame)) if of_many else instance
        headers.append(_header(read[one.file], one, stand_in))
        meant[stand_in] = Meant(instance, sop_class, one.frame if of_many else None)
    spacing = numbers(group_of(read[0], 0, "PixelMeasuresSequence"), "PixelSpacing", 2)
    return DicomSource(
        headers,
        slices,
        (spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
        meant,
        _identity(images[0], limits) if identified else _nobody(),
    )


def _is_uid(header: pydicom.Dataset, name: str) -> bool:
    value = str(header.get(name) or "")
    return bool(value) and UID(value).is_valid


def _header(read: pydicom.Dataset, one: Slice, instance: str) -> pydicom.Dataset:
    """As of a file with one frame."""
    header = pydicom.Dataset()
    for name in _EMPTY:
        setattr(header, name, None)
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "Modality"):
        setattr(header, name, str(read.get(name) or ""))
    header.SOPInstanceUID, header.SOPClassUID = instance, SecondaryCaptureImageStorage
    if read.get("LossyImageCompression") == "01":
        header.LossyImageCompression = "01"
    header.Rows, header.Columns = read.Rows, read.Columns
    if one.plane is not None and _is_uid(read, "FrameOfReferenceUID"):
        header.FrameOfReferenceUID, header.PositionReferenceIndicator = str(read.FrameOfReferenceUID), None
        header.ImagePositionPatient = _written(one.plane.position)
        header.ImageOrientationPatient = _written(np.concatenate([one.plane.along_row, one.plane.along_column]))
        header.PixelSpacing = _written(np.array(one.plane.spacing))
        thickness = _thickness(read, one.frame - 1) or min(one.plane.spacing)
        header.SliceThickness = DSfloat(thickness, auto_format=True)
    return header


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
