"""Pictures of cases: the image at a reduced size, and for a segmentation truth, prediction and errors as outlines."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from imaging_core import run
from imaging_core.dataset.index import read_shard
from imaging_core.dataset.roots import Roots
from imaging_core.dataset.sample import Dataset, Sample
from imaging_core.decode.case import Case, CaseError, Limits, Pixels
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.registry import decode_sample
from imaging_core.errors import InferenceError, LostError
from imaging_core.metrics.columns import SegmentationColumns
from imaging_core.metrics.expected import Expected
from imaging_core.metrics.merge import Merged
from imaging_core.models.card import Card, Output
from imaging_core.report.outlines import compared
from imaging_core.report.picture import Picture, encoded
from imaging_core.report.slices import Slices, aspect, most_telling, slices_of, upright
from imaging_core.report.slides import draw_slide, slide_of
from imaging_core.store import Source, Store, open_source

SIDE = 480
"""The longer side of a picture, at most."""

SMALL = 96
"""Pictures of at most this side are kept without loss."""

OUTLINED = 240
"""Smaller pictures below outlines are enlarged to this side or more: the patterns of errors have a fixed size."""

LIMITS = Limits(pixels=128 * 1024 * 1024, encoded_bytes=1024 * 1024 * 1024, nan="zero")
"""A case that costs more is not drawn."""

LOST = "the store of the images does not answer"


def draw(store: Store, merged: Merged, rows: Iterable[int]) -> dict[int, Picture]:
    """A picture of each of these cases; one that cannot be made says why in its place."""
    if merged.model is None:
        return {}
    card, columns = merged.model.card, merged.columns
    pictures = {}
    lost = False
    for row, (shard, sample) in _samples(store, merged.expected, rows).items():
        if lost:
            pictures[row] = Picture(problem=LOST)
            continue
        mask = columns.masks[row] if isinstance(columns, SegmentationColumns) else None
        try:
            predicted = open_source(store.root.below(mask)) if mask is not None else None
            heat = open_source(store.root.below(run.output(merged.expected.id(row), run.HEAT)))
            pictures[row] = _draw(card, shard, sample, predicted, heat, merged.expected.index.allowed)
        except CaseError as error:
            pictures[row] = Picture(problem=error.reason)
        except LostError:
            lost, pictures[row] = True, Picture(problem=LOST)
        except (InferenceError, OSError, MemoryError, ValueError) as error:
            pictures[row] = Picture(problem=f"it could not be drawn ({type(error).__name__})")
    return pictures


def thumbnail(pixels: Pixels, aspect: float = 1.0) -> Image.Image:
    """Height x width x channels as a picture of at most SIDE pixels a side.

    One channel is shown as grey and three as RGB, of other numbers the first. 8 bit values are shown as they are,
    others stretched between their 0.5th and 99.5th percentile. ``aspect`` is a pixel's height by its width.
    """
    shown = pixels if pixels.shape[2] == 3 else pixels[..., :1]
    if shown.dtype != np.uint8:
        low, high = np.percentile(shown, [0.5, 99.5])
        span = high - low if high > low else 1.0
        shown = (np.clip((shown.astype(np.float64) - low) / span, 0, 1) * 255).round().astype(np.uint8)
    picture = Image.fromarray(shown[..., 0] if shown.shape[2] == 1 else shown)
    if aspect != 1:
        height, width = picture.height * max(aspect, 1), picture.width * max(1 / aspect, 1)
        shrink = min(1.0, SIDE / max(height, width))
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        return picture.resize(size, Image.Resampling.LANCZOS)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture


def _samples(store: Store, expected: Expected, rows: Iterable[int]) -> Mapping[int, tuple[Dataset, Sample]]:
    wanted = set(rows)
    found: dict[int, tuple[Dataset, Sample]] = {}
    for entry, members in zip(expected.index.shards, expected.shard_rows, strict=True):
        places = [(place, row) for place, row in enumerate(members.tolist()) if row in wanted] if wanted else []
        if places:
            shard = read_shard(store, entry.id)
            found |= {row: (shard, shard.samples[place]) for place, row in places}
    return found


def _draw(
    card: Card, shard: Dataset, sample: Sample, predicted: Source | None, heat: Source, allowed: Roots
) -> Picture:
    sources = [_open(shard, text, allowed) for text in sample.locations]
    truth = _open(shard, sample.label, allowed) if isinstance(sample.label, str) else None
    slide = slide_of(sources, card)
    if slide is not None:
        return draw_slide(card, slide, heat, {"truth": truth, "predicted": predicted})
    case = decode_sample(sources, card.input.channels, LIMITS, view=upright(card.input.view))
    masks: dict[str, Slices] = {}
    drawn: dict[str, Any] = {}
    if card.task == "segmentation" and (case.count == 1 or case.grid is not None):
        truth = _open(shard, sample.label, allowed) if isinstance(sample.label, str) else None
        masks, drawn["problem"] = _masks(card.output, case, sources, {"truth": truth, "predicted": predicted})
    number = most_telling(masks, case.count) if case.count > 1 else 0
    if case.grid is not None:
        drawn["slice"] = (number + 1, case.count)
    shown = next(islice(case.inputs, number, None))
    picture = thumbnail(shown.pixels, aspect(case.grid))
    extension = "png" if max(picture.size) <= SMALL else "jpg"
    if card.task == "segmentation" and max(picture.size) < OUTLINED:
        times = -(-OUTLINED // max(picture.size))
        picture = picture.resize((times * picture.width, times * picture.height), Image.Resampling.NEAREST)
    drawn |= compared({name: slices.planes(number) for name, slices in masks.items()}, picture.size)
    drawn |= {f"{name}_share": slices.share for name, slices in masks.items()}
    return Picture(encoded(picture, extension), extension, *picture.size, **drawn)


def _masks(
    output: Output, case: Case, images: Sequence[Source], masks: Mapping[str, Source | None]
) -> tuple[dict[str, Slices], str]:
    """The masks that there are and that fit the case, and what is wrong with another."""
    known, problem = {}, ""
    for name, source in masks.items():
        if source is None:
            continue
        try:
            affine = None if case.grid is None else case.grid.affine
            mask = decode_mask(
                source, LIMITS, output.kind, size=case.size, affine=affine, classes=output.classes, images=images
            )
            if case.grid is not None and mask.shape[-3:] != case.size:
                raise CaseError("mask_size", "the mask has another size than the image")
            known[name] = slices_of(mask, case.grid, output)
        except CaseError as error:
            problem = error.reason
    return known, problem


def _open(shard: Dataset, text: str, allowed: Roots) -> Source:
    location = shard.resolve(text)
    if not allowed.allows(location):
        raise CaseError("missing", "it lies where the run may not read")
    return open_source(location)
