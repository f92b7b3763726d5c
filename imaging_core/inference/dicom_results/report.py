"""Scores and measurements as a DICOM structured report: a measurement report by template TID 1500 (PS3.16)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from highdicom.sr import (
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    ReferencedSegmentationFrame,
    SourceImageForMeasurementGroup,
    SourceImageForSegmentation,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from imaging_core.decode.volume import Grid
from imaging_core.inference.dicom_results.concepts import CATEGORY, COUNT, MAKER, PIXELS, PREDICTED, Concepts, text
from imaging_core.inference.dicom_results.segmentation import segments_of
from imaging_core.inference.dicom_results.source import DicomSource
from imaging_core.inference.dicom_results.uids import derived_uid
from imaging_core.metrics.classification import decide
from imaging_core.metrics.columns import two_classes
from imaging_core.models.card import Card

SERIES_NUMBER = 1002
_DIGITS = 10
"""Of a measurement; DICOM has room for 16 characters."""

Group = (
    MeasurementsAndQualitativeEvaluations
    | PlanarROIMeasurementsAndQualitativeEvaluations
    | VolumetricROIMeasurementsAndQualitativeEvaluations
)


def of_scores(
    scores: Sequence[float], card: Card, source: DicomSource, concepts: Concepts, series: str
) -> ComprehensiveSR:
    """What a classification says of an image: the score of each class, and the classes that the model decides for.

    Args:
        scores: as the ledger has them.
        card: the model's.
        source: the image.
        concepts: the model's.
        series: UID of the series that the report belongs to.
    """
    output = card.output
    names = two_classes(card) if output.kind == "binary" else output.classes
    classes = [concepts.of_class(index, name) for index, name in enumerate(names)]
    said = decide(output.kind, np.array([scores]), output.threshold)[0]
    decided = np.flatnonzero(said).tolist() if output.kind == "multilabel" else [int(said)]
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(source, "image", concepts.model),
        algorithm_id=concepts.in_report,
        measurements=[
            Measurement(name=name, value=score, unit=codes.UCUM.NoUnits)
            for name, score in zip(classes[-len(scores) :], scores, strict=True)
        ],
        qualitative_evaluations=[QualitativeEvaluation(name=PREDICTED, value=classes[index]) for index in decided],
        source_images=[
            SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID) for header in source.of_files
        ],
    )
    return _report([group], [], source, concepts, series)


def of_segments(
    mask: NDArray[Any],
    card: Card,
    grid: Grid | None,
    segmentation: pydicom.Dataset,
    source: DicomSource,
    concepts: Concepts,
    series: str,
) -> ComprehensiveSR:
    """How large each segment is: its volume, of an image its area, or where no spacing is known its count of pixels.

    Args:
        mask: that the segmentation is made of.
        card: the model's.
        grid: of a volume, where its voxels lie.
        segmentation: the object that shows the segments.
        source: the image.
        concepts: the model's.
        series: UID of the series that the report belongs to.
    """
    output = card.output
    groups: list[Group] = []
    for number, index in segments_of(output).items():
        shown = mask[index] if output.kind == "multilabel" else mask == number
        concept = concepts.of_class(index, output.classes[index])
        tracking = segmentation.SegmentSequence[number - 1]
        common: dict[str, Any] = {
            "tracking_identifier": TrackingIdentifier(uid=tracking.TrackingUID, identifier=tracking.TrackingID),
            "finding_category": CATEGORY,
            "finding_type": concept,
            "algorithm_id": concepts.in_report,
            "measurements": [_size(int(np.count_nonzero(shown)), grid, source)],
        }
        of = (segmentation.SOPClassUID, segmentation.SOPInstanceUID)
        if len(source.slices) == 1:
            only = SourceImageForSegmentation(source.headers[0].SOPClassUID, source.headers[0].SOPInstanceUID)
            frame = ReferencedSegmentationFrame(*of, frame_number=number, segment_number=number, source_image=only)
            for item in frame:
                for reference in item.get("ReferencedSOPSequence") or []:
                    if "ReferencedSegmentNumber" in reference:  # the standard has one of both; a segment has one frame
                        del reference.ReferencedFrameNumber
            groups.append(PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=frame, **common))
        else:
            of_series = SourceSeriesForSegmentation(source.headers[0].SeriesInstanceUID)
            whole = ReferencedSegment(*of, segment_number=number, source_series=of_series)
            groups.append(VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=whole, **common))
    return _report(groups, [segmentation], source, concepts, series)


def _size(count: int, grid: Grid | None, source: DicomSource) -> Measurement:
    if grid is not None and grid.affine is not None:
        volume = count * abs(float(np.linalg.det(grid.affine[:3, :3])))
        return Measurement(codes.SCT.Volume, _rounded(volume), codes.UCUM.CubicMillimeter)
    if grid is None and source.spacing is not None:
        area = count * source.spacing[0] * source.spacing[1]
        return Measurement(codes.SCT.Area, _rounded(area), codes.UCUM.SquareMillimeter)
    return Measurement(COUNT, count, PIXELS)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _tracking(source: DicomSource, what: str, name: str) -> TrackingIdentifier:
    return TrackingIdentifier(uid=derived_uid(what, source.headers[0].SOPInstanceUID, name), identifier=text(name))


def _report(
    groups: Sequence[Group],
    further: Sequence[pydicom.Dataset],
    source: DicomSource,
    concepts: Concepts,
    series: str,
) -> ComprehensiveSR:
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", concepts.version), name=concepts.model, manufacturer_name=MAKER,
        model_name=concepts.model, serial_number=concepts.version,
    )  # fmt: skip
    content = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(codes.DCM.Device, observer_identifying_attributes=device)
        ),
        procedure_reported=codes.cid100.ImagingProcedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return ComprehensiveSR(
        evidence=[*source.of_files, *further],
        content=content,
        series_instance_uid=series,
        series_number=SERIES_NUMBER,
        is_complete=True,
        is_final=False,
        **concepts.of_instance,
    )
