"""Segmentation: from probability maps to masks at the image's size, their scores and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imaging_core import run
from imaging_core.decode.case import Decoder, Limits, Place
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.slide import TileGrid
from imaging_core.decode.volume import Grid, spacing
from imaging_core.errors import DataError
from imaging_core.inference.blend import Blend
from imaging_core.inference.device import Device, Download
from imaging_core.inference.finite import check_finite
from imaging_core.inference.head import CaseResults, Outcome, Said
from imaging_core.inference.measure import measure
from imaging_core.inference.measured import Measures
from imaging_core.inference.outputs import to_nifti, to_png, to_tiff
from imaging_core.inference.score import POSITIVE, count, overlap
from imaging_core.inference.slide_segmentation import SlideMaps
from imaging_core.inference.stitch import Canvas, as_stored, to_mask
from imaging_core.inference.task import Truth
from imaging_core.metrics.segmentation import deephealth_per_case
from imaging_core.models.card import Card
from imaging_core.store import Source
from imaging_core.transforms.resize import interpolate

HALF = 0.5
"""DeepHealth's threshold on both sides of its IoU, whatever the card's is."""


class SegmentationHead:
    """Makes masks, and probability maps on request; ``measures`` is what is taken of scored masks beside counts."""

    figure = "IoU"

    def __init__(
        self,
        card: Card,
        device: Device,
        limits: Limits,
        decoders: tuple[Decoder, ...],
        *,
        probabilities: bool,
        measures: Measures = Measures(),  # noqa: B008 - it is frozen
    ) -> None:
        self.card, self.device, self.limits, self.decoders = card, device, limits, decoders
        self.probabilities, self.measures = probabilities, measures
        self.maps: Tensor
        self.finite: Download

    def receive(self, activated: Tensor, finite: Tensor) -> None:
        """Keep the maps on the device; the check for NaN goes to the host once for the whole batch."""
        self.maps = activated
        self.finite = self.device.download(finite)

    def begin(
        self, case: str, size: tuple[int, ...], grid: Grid | None, tiles: TileGrid | None = None, *, scored: bool
    ) -> CaseResults:
        """Start a case."""
        if tiles is not None:
            latest = lambda: (self.maps, self.finite)  # noqa: E731
            return SlideMaps(case, size, tiles, self.card.output, self.device, self.limits, latest)
        return _Maps(self, case, size, grid, scored=scored)

    def recall(self, case: str, size: tuple[int, ...], grid: Grid | None, said: Said) -> "_SealedMaps":
        """A case whose mask and maps are known."""
        self._check(size, said)
        known = {name: Download(torch.from_numpy(values)) for name, values in said.items()}
        return _SealedMaps(
            head=self,
            case=case,
            grid=grid,
            finite=[],
            mask=known["mask"],
            at_input_size=known.get("at_input_size"),
            probabilities=known.get("probabilities"),
        )

    def _check(self, size: tuple[int, ...], said: Said) -> None:
        kind, classes = self.card.output.kind, self.card.output.channels
        expected = {"mask": ("uint8" if kind == "multiclass" else "bool", size)}
        if kind == "multilabel":
            expected["mask"] = ("bool", (classes, *size))
        if self.probabilities:
            expected["probabilities"] = ("float32", (classes, *size))
        if kind == "binary" and "at_input_size" in said:
            expected["at_input_size"] = ("bool", (self.card.input.height, self.card.input.width))
        if {name: (values.dtype.name, values.shape) for name, values in said.items()} != expected:
            raise DataError("not the masks and maps that are asked for of this model")


class _Maps:
    def __init__(
        self, head: SegmentationHead, case: str, size: tuple[int, ...], grid: Grid | None, *, scored: bool
    ) -> None:
        self._head, self._case, self._size, self._grid = head, case, size, grid
        self._as_masks = grid is not None and not head.probabilities
        keep = self._mask if self._as_masks else _all
        self._canvas: Canvas | Blend
        if grid is not None and grid.sampled is not None:
            self._canvas = Blend(grid.sampled, grid.seen_size(size), keep)
        else:
            self._canvas = Canvas(size if grid is None else grid.seen_size(size), keep)
        self._finite: list[tuple[Download, int]] = []
        self._overlaps = scored and head.card.output.kind == "binary"
        self._at_input_size: Download | None = None

    def put(self, slot: int, place: Place) -> None:
        head = self._head
        output = head.maps[slot]
        self._finite.append((head.finite, slot))
        self._canvas.put(output, place)
        if self._overlaps and place.extent == self._size:  # one input that is the whole image
            input_size = (head.card.input.height, head.card.input.width)
            self._at_input_size = head.device.download(interpolate(output[None], input_size, "bilinear")[0, 0] >= HALF)

    def seal(self) -> "_SealedMaps":
        head, whole = self._head, self._canvas.whole
        if self._grid is not None:
            whole = as_stored(whole, self._grid)
        return _SealedMaps(
            head=head,
            case=self._case,
            grid=self._grid,
            finite=self._finite,
            mask=head.device.download(whole if self._as_masks else self._mask(whole)),
            at_input_size=self._at_input_size,
            probabilities=head.device.download(whole) if head.probabilities else None,
        )

    def _mask(self, maps: Tensor) -> Tensor:
        return to_mask(maps, self._head.card.output)


@dataclass(frozen=True, slots=True)
class _SealedMaps:
    head: SegmentationHead
    case: str
    grid: Grid | None
    finite: list[tuple[Download, int]]
    mask: Download
    at_input_size: Download | None
    probabilities: Download | None

    @property
    def weight(self) -> int:
        return sum(each.tensor.nbytes for each in (self.mask, self.probabilities) if each is not None)

    def arrive(self) -> None:
        (self.probabilities or self.mask).wait()

    def outcome(self, truth: Truth) -> Outcome:
        check_finite([flags.wait()[slot] for flags, slot in self.finite])
        mask = self.mask.wait()
        fields, figure = ({}, None) if truth.mask is None else self._score(mask, truth.mask, truth.images)
        files = {"mask": self._mask_file(mask)}
        if self.probabilities is not None:
            files["probabilities"] = self._maps_file(self.probabilities.wait())
        fields["outputs"] = {name: key for name, (key, _) in files.items()}
        return Outcome(fields, dict(files.values()), figure)

    def _score(
        self, mask: NDArray[Any], source: Source, images: Sequence[Source]
    ) -> tuple[dict[str, Any], float | None]:
        """The ledger's fields, and the log's figure: DeepHealth's IoU, of a volume at its own size."""
        head, output = self.head, self.head.card.output
        planes = output.kind == "multilabel"
        affine = None if self.grid is None else self.grid.affine
        true = decode_mask(
            source,
            head.limits,
            output.kind,
            head.decoders,
            size=mask.shape[planes:],
            affine=affine,
            classes=output.classes,
            images=images,
        )
        counts = count(mask, true, output)
        apart = None if affine is None else spacing(affine)
        fields: dict[str, Any] = {"counts": counts} | measure(mask, true, output, head.measures, apart)
        if output.kind != "binary":
            return fields, None
        if self.at_input_size is not None:
            fields["deephealth"] = sides = overlap(self.at_input_size.wait(), true)
        else:
            of = counts[POSITIVE]
            sides = of.tp, of.tp + of.fp + of.fn
        return fields, float(deephealth_per_case(np.array([sides]))[0])

    def said(self) -> Said:
        parts = {"mask": self.mask, "at_input_size": self.at_input_size, "probabilities": self.probabilities}
        return {name: part.wait() for name, part in parts.items() if part is not None}

    def _mask_file(self, mask: NDArray[Any]) -> tuple[str, bytes]:
        if self.grid is not None:
            values = mask.view(np.uint8)
            classes_last = values if values.ndim == 3 else np.moveaxis(values, 0, -1)
            return run.output(self.case, "nii.gz"), to_nifti(classes_last, self.grid.affine)
        match self.head.card.output.kind:
            case "multilabel":
                return run.output(self.case, "tif"), to_tiff(mask * np.uint8(255))
            case _:
                return run.output(self.case, "png"), to_png(mask)

    def _maps_file(self, maps: NDArray[np.float32]) -> tuple[str, bytes]:
        if self.grid is None:
            return run.output(self.case, "probabilities.tif"), to_tiff(maps)
        return run.output(self.case, "probabilities.nii.gz"), to_nifti(np.moveaxis(maps, 0, -1), self.grid.affine)


def _all(maps: Tensor) -> Tensor:
    return maps
