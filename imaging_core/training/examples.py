"""The samples of one split, as the network sees them in inference, with what it should answer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from imaging_core.dataset.sample import Sample
from imaging_core.decode.case import Case, CaseError, Limits, ModelInput, Place
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
    """The examples of some samples of a dataset; of a volume each slice, or patch, is one.

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
        """Images, N x channels x (depth x) height x width, float32, and targets as ``Objective`` describes them.

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
        """The examples of one sample: of a volume one for each slice or patch, in the order in which it is seen."""
        sample = self._dataset.samples[index]
        sources = [self._source(text) for text in sample.locations]
        seen = self._card.input
        limits = replace(self._limits, reduce_to=seen.reduce_to, dicom=seen.dicom, nan=seen.nan)
        case = decode_sample(sources, seen.channels, limits, view=seen.view)
        if (case.count != 1 or case.tiles is not None) and (self._card.task != "segmentation" or case.grid is None):
            raise CaseError(
                "unsupported",
                f"it has {case.count} inputs; training takes images (such as a slide's tiles), or volumes with masks",
            )
        images, places = [], []
        for each in case.inputs:
            images.append(self._prepared(each))
            places.append(each.place)
        if self._card.task == "segmentation":
            return list(zip(images, self._masks(sample, sources, case, places), strict=True))
        return [(images[0], _label(sample, self._card))]

    def _prepared(self, each: ModelInput) -> Tensor:
        self._prepare.check(each.pixels)
        return self._prepare(torch.from_numpy(each.pixels)[None], each.sampling)[0]

    def _source(self, text: str) -> Source:
        location = self._dataset.resolve(text)
        if not self._roots.allows(location):
            raise CaseError("store", self._roots.refusal(location))
        return open_source(location)

    def _masks(self, sample: Sample, images: list[Source], case: Case, places: Sequence[Place]) -> list[Tensor]:
        """The mask of the image, or of each slice or patch, at the model's input size."""
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
        if case.grid.sampled is not None:
            return self._patches(seen, case.grid.sampled, places)
        return [self._mask(np.moveaxis(each, -1, 0)) for each in seen]

    def _mask(self, mask: NDArray[Any]) -> Tensor:
        """Planes x height x width at the model's size: the nearest pixel by its centre, so that it stays aligned."""
        planes = torch.from_numpy(mask.astype(np.float32))
        wanted = (self._card.input.height, self._card.input.width)
        return self._target(interpolate(planes.unsqueeze(0), wanted, "nearest-exact")[0])

    def _patches(self, mask: NDArray[Any], sampled: tuple[int, ...], places: Sequence[Place]) -> list[Tensor]:
        """The patches of a mask (slices x rows x columns x planes) at the model's spacing, to the nearest voxel.

        Around a volume that is shorter than a patch no class is learned; binary and multilabel models learn that none
        is there.
        """
        planes = torch.from_numpy(np.moveaxis(mask, -1, 0).astype(np.float32))
        target = self._target(functional.interpolate(planes.unsqueeze(0), sampled, mode="nearest-exact")[0])
        outside = NOTHING if self._card.output.kind == "multiclass" else 0
        return [_cut(target, place, outside) for place in places]

    def _target(self, planes: Tensor) -> Tensor:
        """What :class:`Objective` wants of a mask, planes x its spatial axes."""
        kind = self._card.output.kind
        if kind == "multiclass":
            return _class_indices(planes[0].long(), self._card)
        if len(planes) != self._card.output.channels:
            raise CaseError("mask_value", f"its mask has {len(planes)} planes for {self._card.output.channels} classes")
        return planes


def _cut(target: Tensor, place: Place, outside: int) -> Tensor:
    """A patch of (planes x) slices x rows x columns, continued by ``outside`` where it is longer than the volume."""
    around: list[int] = []
    for axis, (offset, extent) in enumerate(zip(place.offset, place.extent, strict=True), start=target.ndim - 3):
        first, end = max(offset, 0), min(offset + extent, target.shape[axis])
        target = target.narrow(axis, first, end - first)
        around = [first - offset, offset + extent - end, *around]
    return functional.pad(target, around, value=outside).clone()


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
