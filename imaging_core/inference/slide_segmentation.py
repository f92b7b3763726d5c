"""Segmentation of slides: masks as pyramids, made and scored some rows at a time, heat maps and outlines.

What is held of a slide is a row of its tiles, however large it is; finished rows wait in a temporary file.
"""

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import _TemporaryFileWrapper
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imaging_core import run
from imaging_core.decode.case import Limits, Place
from imaging_core.decode.slide import TileGrid
from imaging_core.decode.slide_mask import SlideMask
from imaging_core.inference.device import Device, Download
from imaging_core.inference.finite import check_finite
from imaging_core.inference.geojson import outlines
from imaging_core.inference.head import Outcome, Said
from imaging_core.inference.heat import heat_map
from imaging_core.inference.ledger import Counts
from imaging_core.inference.outputs import to_tiff
from imaging_core.inference.pyramid import Pyramid
from imaging_core.inference.score import POSITIVE, count
from imaging_core.inference.stitch import to_mask
from imaging_core.inference.strip import Strip
from imaging_core.inference.task import Truth
from imaging_core.metrics.segmentation import deephealth_per_case
from imaging_core.models.card import Output
from imaging_core.store import Location, Source
from imaging_core.store.base import Data
from imaging_core.store.local import LocalSource

SCORED_ROWS = 512
"""Rows that are compared with the ground truth at once."""


class SlideMaps:
    """The results of one slide as they come; see :class:`imaging_core.inference.head.CaseResults`.

    Args:
        case: its id.
        size: height and width of the level that the model sees.
        grid: its tiles.
        output: the card's.
        device: where the maps are.
        latest: gives the maps of the batch that came last, and whether they are finite.
        limits: what the ground truth may cost.
    """

    def __init__(
        self,
        case: str,
        size: tuple[int, ...],
        grid: TileGrid,
        output: Output,
        device: Device,
        limits: Limits,
        latest: Callable[[], tuple[Tensor, Download]],
    ) -> None:
        height, width = size
        self._case, self._size, self._grid, self._output = case, (height, width), grid, output
        self._device, self._limits, self._latest = device, limits, latest
        self._strip = Strip(size, grid, self._keep)
        self._pyramid = Pyramid(self._size, grid.mpp)
        self._coming: Download | None = None
        self._finite: list[tuple[Download, int]] = []
        self._places: list[Place] = []
        self._means: list[Tensor] = []

    def put(self, slot: int, place: Place) -> None:
        """Take the output in ``slot`` of the batch that came last."""
        maps, finite = self._latest()
        output = maps[slot]
        self._finite.append((finite, slot))
        self._places.append(place)
        self._means.append(output.mean((-2, -1)))
        self._strip.put(output, place)

    def seal(self) -> "SealedSlide":
        """All tiles have come."""
        self._strip.end()
        self._write()
        return SealedSlide(
            case=self._case,
            size=self._size,
            grid=self._grid,
            output=self._output,
            limits=self._limits,
            finite=self._finite,
            places=self._places,
            means=self._device.download(torch.stack(self._means)),
            mask=self._pyramid.finish(),
        )

    def _keep(self, maps: Tensor) -> None:
        """Rows that are finished go to the host while the next ones are made."""
        mask = to_mask(maps, self._output)
        self._write()
        self._coming = self._device.download(mask)

    def _write(self) -> None:
        if self._coming is not None:
            rows = self._coming.wait().view(np.uint8)
            self._pyramid.add(rows * np.uint8(255) if self._output.kind == "binary" else rows)
            self._coming = None


@dataclass(frozen=True, slots=True)
class SealedSlide:
    """A slide whose tiles have all come back; see :class:`imaging_core.inference.head.Sealed`."""

    case: str
    size: tuple[int, int]
    grid: TileGrid
    output: Output
    limits: Limits
    finite: list[tuple[Download, int]]
    places: list[Place]
    means: Download
    mask: "_TemporaryFileWrapper[bytes]"
    weight = 0

    def arrive(self) -> None:
        """Wait until the results are on the host."""
        self.means.wait()

    def outcome(self, truth: Truth) -> Outcome:
        """Score the mask, and make its files."""
        check_finite([flags.wait()[slot] for flags, slot in self.finite])
        written = LocalSource(Location.parse(self.mask.name))
        fields: dict[str, Any] = {}
        figure = None
        if truth.mask is not None:
            fields["counts"] = counts = self._score(written, truth.mask)
            if self.output.kind == "binary":
                of = counts[POSITIVE]
                figure = float(deephealth_per_case(np.array([(of.tp, of.tp + of.fp + of.fn)]))[0])
        files: dict[str, tuple[str, Data]] = {
            "mask": (run.output(self.case, "tif"), mmap.mmap(self.mask.fileno(), 0, access=mmap.ACCESS_READ)),
            "heat": (run.output(self.case, run.HEAT), to_tiff(heat_map(self.grid, self.places, self.means.wait()))),
            "outlines": (run.output(self.case, "geojson"), outlines(written, self.grid, self.output)),
        }
        fields["outputs"] = {name: key for name, (key, _) in files.items()}
        return Outcome(fields, dict(files.values()), figure)

    def said(self) -> Said:
        """Nothing: slides are read in pieces, and never kept in a cache."""
        return {}

    def _score(self, written: Source, source: Source) -> dict[int, Counts]:
        kind = self.output.kind
        said, true = SlideMask(written, self.limits, kind), SlideMask(source, self.limits, kind)
        true.fit(self.size)
        height = self.size[0]
        parts = []
        for row in range(0, height, SCORED_ROWS):
            rows = min(SCORED_ROWS, height - row)
            sides: list[NDArray[Any]] = [side.rows(row, rows, self.size) for side in (said, true)]
            parts.append(count(sides[0], sides[1], self.output))
        true.check()
        return {
            index: Counts(*(sum(getattr(part[index], name) for part in parts) for name in ("tp", "fp", "fn", "tn")))
            for index in parts[0]
        }
