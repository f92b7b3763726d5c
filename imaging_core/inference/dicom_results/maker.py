"""From a case's results to its DICOM files."""

import io
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pydicom
from highdicom.base import SOPClass
from numpy.typing import NDArray
from pydicom.uid import UID

from imaging_core import __version__, run
from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.volume import Grid
from imaging_core.inference.dicom_results.asked import REPORT, SEGMENTATION, DicomResults
from imaging_core.inference.dicom_results.concepts import Concepts
from imaging_core.inference.dicom_results.report import of_scores, of_segments
from imaging_core.inference.dicom_results.segmentation import to_segmentation
from imaging_core.inference.dicom_results.source import DicomSource, NoResultsError, read_source
from imaging_core.inference.dicom_results.uids import derived_uid
from imaging_core.inference.head import Outcome, Sealed
from imaging_core.inference.under_way import OpenCase
from imaging_core.models.card import Card

logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)  # it quotes patients' names


class ResultsMaker:
    """Makes the DICOM results of one model. Safe to call from every thread.

    Args:
        card: the model's.
        digest: the bundle's.
        limits: what reading a file's header may cost.
        asked: whether results say whose they are.
    """

    def __init__(self, card: Card, digest: str, limits: Limits, asked: DicomResults) -> None:
        self._card, self._limits, self._asked = card, limits, asked
        self._concepts = Concepts(card, digest)
        self._without: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, case: OpenCase, sealed: Sealed, outcome: Outcome) -> None:
        """Put the files of a case that is done beside its others; none where its images allow none.

        Raises:
            CaseError: a file can no longer be read.
        """
        outcome.fields["dicom"] = self._asked
        try:
            made = self._made(case, sealed, outcome.fields.get("scores"))
        except NoResultsError as error:
            with self._lock:
                self._without[str(error)] += 1
            return
        keys = {name: run.output(case.task.case, f"{name.removeprefix('dicom_')}.dcm") for name in made}
        outcome.fields["outputs"] = outcome.fields.get("outputs", {}) | keys
        outcome.files.update({keys[name]: data for name, data in made.items()})

    @property
    def left_out(self) -> Iterator[str]:
        """For the log: of how many cases there are no results, and why."""
        for reason, count in sorted(self._without.items()):
            yield f"no DICOM results of {count} case{'s' * (count > 1)}: {reason}"

    def _made(self, case: OpenCase, sealed: Sealed, scores: Sequence[float] | None) -> dict[str, bytes]:
        try:
            source = read_source(case.task.images, self._limits, identified=self._asked == "identified")
            if scores is not None:
                return self._classification(source, scores)
            return self._segmentation(source, case.grid, sealed.said()["mask"])
        except (NoResultsError, CaseError, MemoryError):
            raise
        except Exception as error:  # pydicom and highdicom raise whatever they like, and quote values
            raise NoResultsError(f"the image's DICOM header is not as they need it ({type(error).__name__})") from None

    def _classification(self, source: DicomSource, scores: Sequence[float]) -> dict[str, bytes]:
        report = of_scores(scores, self._card, source, self._concepts, self._series(source, REPORT))
        return {REPORT: _finished(report, source)}

    def _segmentation(self, source: DicomSource, grid: Grid | None, mask: NDArray[Any]) -> dict[str, bytes]:
        series = self._series(source, SEGMENTATION)
        segmentation = to_segmentation(mask, self._card.output, source, self._concepts, series)
        shown = _finished(segmentation, source)
        of_report = self._series(source, REPORT)
        report = of_segments(mask, self._card, grid, segmentation, source, self._concepts, of_report)
        return {SEGMENTATION: shown, REPORT: _finished(report, source)}

    def _series(self, source: DicomSource, name: str) -> str:
        """Results of one kind for one series of images are a series themselves."""
        return derived_uid(
            "series", name, source.headers[0].SeriesInstanceUID, self._concepts.version, __version__, self._asked
        )


def _finished(made: SOPClass, source: DicomSource) -> bytes:
    """The file: dated and named as its source, and with a UID that is made of all that it holds."""
    for name in ("InstanceCreationDate", "InstanceCreationTime", "ContributingEquipmentSequence"):
        if name in made:
            delattr(made, name)
    made.update(source.identity)
    source.refer(made)
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = UID(derived_uid("instance", _bytes(made)))
    return _bytes(made)


def _bytes(made: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()
