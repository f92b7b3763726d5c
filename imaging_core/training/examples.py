"""The samples of one split, as the network sees them in inference, with what it should answer."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from imaging_core.dataset.sample import Sample
from imaging_core.decode.case import CaseError, Limits
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
    """The examples of some samples of a dataset.

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
        self._indices = split.indices
        self._card = card
        self._prepare = Preprocess(card.input, torch.device("cpu"))
        self._limits = Limits()
        self._kept: dict[int, Example] = {}
        problems = []
        for position, index in enumerate(split.indices):
            try:
                example = self._read(index)
            except CaseError as error:
                if error.temporary:
                    raise TemporaryError(self._told(error, index)) from error
                problems.append(f"images[{index}]: {error.reason}")
                continue
            size = sum(each.numel() * each.element_size() for each in example)
            if size <= kept_bytes:
                kept_bytes -= size
                self._kept[position] = example
        if problems:
            where = self._dataset.location.for_person()
            raise DataError(listing(f"{where}: split {split.name}; mend these or leave them out", problems))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._indices)

    def batch(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        """Images, N x channels x height x width, float32, and targets as ``Objective`` describes them.

        Raises:
            TemporaryError: a sample that could be read at first can no longer be.
        """
        images, targets = zip(*(self._kept.get(each) or self._again(each) for each in positions), strict=True)
        return torch.stack(images), torch.stack(targets)

    def _again(self, position: int) -> Example:
        index = self._indices[position]
        try:
            return self._read(index)
        except CaseError as error:
            raise TemporaryError(self._told(error, index)) from error

    def _told(self, error: CaseError, index: int) -> str:
        return f"{self._dataset.location.for_person()}: images[{index}]: {error.reason}"

    def _read(self, index: int) -> Example:
        sample = self._dataset.samples[index]
        sources = [self._source(text) for text in sample.locations]
        limits = replace(self._limits, reduce_to=self._card.input.reduce_to)
        case = decode_sample(sources, self._card.input.channels, limits)
        if case.count != 1:
            raise CaseError("unsupported", f"it has {case.count} inputs; training takes single images")
        image = self._prepare(torch.from_numpy(next(case.inputs).pixels)[None])[0]
        if self._card.task == "segmentation":
            return image, self._mask(sample, case.size)
        return image, _label(sample, self._card)

    def _source(self, text: str) -> Source:
        location = self._dataset.resolve(text)
        if not self._roots.allows(location):
            raise CaseError("store", self._roots.refusal(location))
        return open_source(location)

    def _mask(self, sample: Sample, size: tuple[int, ...]) -> Tensor:
        """The mask at the model's input size: the nearest pixel by its centre, so that mask and image stay aligned."""
        if not isinstance(sample.label, str):
            raise CaseError("mask_missing", "it has no mask")
        kind = self._card.output.kind
        mask = decode_mask(self._source(sample.label), self._limits, kind)
        if mask.shape[-2:] != size:
            found = " x ".join(map(str, mask.shape[-2:]))
            raise CaseError("mask_size", f"its mask has {found} pixels, the image {' x '.join(map(str, size))}")
        planes = torch.from_numpy((mask[None] if mask.ndim == 2 else mask).astype(np.float32))
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
