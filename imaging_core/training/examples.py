"""The samples of one split, as the network sees them in inference, with what it should answer."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imaging_core.dataset.sample import Sample
from imaging_core.decode.case import Case, CaseError, Limits, Pixels
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.registry import decode_sample
from imaging_core.errors import DataError, TemporaryError, listing
from imaging_core.inference.preprocess import Preprocess
from imaging_core.models.card import Card
from imaging_core.store import Source, open_source
from imaging_core.training.objective import NOTHING
from imaging_core.training.splits import Material, Split
from imaging_core.transforms.resize import interpolate

KEPT_BYTES = 2 * 1024**3
"""Prepared images are kept in memory up to so many bytes for each split; the others are read again in every epoch."""

Example = tuple[Tensor, Tensor]


class SplitExamples:
    """The examples of some samples of a dataset; of a volume each slice is one.

    Every sample is read once at the start, so that all that cannot be learned from are told together, by their index.
    """

    def __init__(self, material: Material, split: Split, card: Card, kept_bytes: int = KEPT_BYTES) -> None:
        """Read every sample.

        Args:
            material: what the samples belong to.
            split: which samples.
            card: what the network sees, and what kind of answer it gives.
            kept_bytes: prepared images are kept in memory up to so many bytes; others are read again when asked for.

        Raises:
            DataError: samples that cannot be read, or have no label or mask that fits; all are named.
            TemporaryError: the store may answer a retry.
        """
        self._dataset = material.dataset
        self._roots = material.roots
        self._card = card
        self._prepare = Preprocess(card.input, torch.device("cpu"))
        self._limits = Limits()
        self._places: list[tuple[int, int]] = []
        self._kept: dict[int, Example] = {}
        problems = []
        for index in split.indices:
            try:
                examples = self._read(index)
            except CaseError as error:
                if error.temporary:
                    raise TemporaryError(self._told(error, index)) from error
                problems.append(f"images[{index}]: {error.reason}")
                continue
            for number, example in enumerate(examples):
                size = sum(each.numel() * each.element_size() for each in example)
                if size <= kept_bytes:
                    kept_bytes -= size
                    self._kept[len(self._places)] = example
                self._places.append((index, number))
        if problems:
            where = self._dataset.location.for_person()
            raise DataError(listing(f"{where}: split {split.name}; mend these or leave them out", problems))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)

    def batch(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        """Images, N x channels x height x width, float32, and targets as ``Objective`` describes them.

        Raises:
            TemporaryError: a sample that could be read at first can no longer be.
        """
        images, targets = zip(*(self._kept.get(each) or self._again(each) for each in positions), strict=True)
        return torch.stack(images), torch.stack(targets)

    def _again(self, position: int) -> Example:
        index, number = self._places[position]
        try:
            return self._read(index)[number]
        except CaseError as error:
            raise TemporaryError(self._told(error, index)) from error

    def _told(self, error: CaseError, index: int) -> str:
        return f"{self._dataset.location.for_person()}: images[{index}]: {error.reason}"

    def _read(self, index: int) -> list[Example]:
        """The examples of one sample: one, or of a volume one for each slice, in the order in which it is seen."""
        sample = self._dataset.samples[index]
        sources = [self._source(text) for text in sample.locations]
        seen = self._card.input
        limits = replace(self._limits, reduce_to=seen.reduce_to, dicom=seen.dicom, nan=seen.nan)
        case = decode_sample(sources, seen.channels, limits, view=seen.view)
        by_slices = self._card.task == "segmentation" and case.grid is not None and case.grid.sampled is None
        if (case.count != 1 or case.tiles is not None) and not by_slices:
            raise CaseError(
                "unsupported",
                f"it has {case.count} inputs; training takes images (such as a slide's tiles), or slices with masks",
            )
        images = [self._prepared(each.pixels) for each in case.inputs]
        if self._card.task == "segmentation":
            return list(zip(images, self._masks(sample, sources, case), strict=True))
        return [(images[0], _label(sample, self._card))]

    def _prepared(self, pixels: Pixels) -> Tensor:
        self._prepare.check(pixels)
        return self._prepare(torch.from_numpy(pixels)[None])[0]

    def _source(self, text: str) -> Source:
        location = self._dataset.resolve(text)
        if not self._roots.allows(location):
            raise CaseError("store", self._roots.refusal(location))
        return open_source(location)

    def _masks(self, sample: Sample, images: list[Source], case: Case) -> list[Tensor]:
        """The mask of the image, or of each slice, at the model's input size."""
        if not isinstance(sample.label, str):
            raise CaseError("mask_missing", "it has no mask")
        size = case.size
        affine = None if case.grid is None else case.grid.affine
        source, output = self._source(sample.label), self._card.output
        mask = decode_mask(
            source, self._limits, output.kind, size=size, affine=affine, classes=output.classes, images=images
        )
        if mask.shape[-len(size) :] != size:
            found = " x ".join(map(str, mask.shape[-len(size) :]))
            raise CaseError("mask_size", f"its mask has {found} pixels, the image {' x '.join(map(str, size))}")
        planes = mask[None] if mask.ndim == len(size) else mask
        if case.grid is None:
            return [self._mask(planes)]
        seen = case.grid.seen(np.moveaxis(planes, 0, -1))
        return [self._mask(np.moveaxis(each, -1, 0)) for each in seen]

    def _mask(self, mask: NDArray[Any]) -> Tensor:
        """Planes x height x width at the model's size: the nearest pixel by its centre, so that it stays aligned."""
        kind = self._card.output.kind
        planes = torch.from_numpy(mask.astype(np.float32))
        wanted = (self._card.input.height, self._card.input.width)
        planes = interpolate(planes.unsqueeze(0), wanted, "nearest-exact")[0]
        if kind == "multiclass":
            return _class_indices(planes[0].long(), self._card)
        if len(planes) != self._card.output.channels:
            raise CaseError("mask_value", f"its mask has {len(planes)} planes for {self._card.output.channels} classes")
        return planes


def _class_indices(mask: Tensor, card: Card) -> Tensor:
    ignored = torch.zeros_like(mask, dtype=torch.bool) if card.output.ignore is None else mask == card.output.ignore
    unknown = mask[~ignored & ((mask < 0) | (mask >= card.output.channels))]
    if len(unknown):
        shown = ", ".join(map(str, sorted(set(unknown.tolist()))[:5]))
        raise CaseError("mask_value", f"its mask holds {shown}; there are classes 0 to {card.output.channels - 1}")
    return mask.masked_fill(ignored, NOTHING)


def _label(sample: Sample, card: Card) -> Tensor:
    if not isinstance(sample.label, tuple):
        raise CaseError("label_missing", "it has no label")
    if card.output.kind == "multilabel":
        target = torch.zeros(card.output.channels)
        target[list(sample.label)] = 1
        return target
    if len(sample.label) != 1:
        raise CaseError("label_missing", f"it has {len(sample.label)} labels; for several use --kind multilabel")
    return torch.tensor(sample.label[0]) if card.output.kind == "multiclass" else torch.tensor([float(sample.label[0])])
