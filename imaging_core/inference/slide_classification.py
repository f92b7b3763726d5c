"""Classification of slides: from the scores of tiles to the slide's own, its heat map and the tiles that count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imaging_core import run
from imaging_core.decode.case import Place
from imaging_core.decode.slide import TileGrid
from imaging_core.inference.decisions import Decisions
from imaging_core.inference.device import Download
from imaging_core.inference.finite import check_finite
from imaging_core.inference.geojson import tiles
from imaging_core.inference.head import Outcome, Said
from imaging_core.inference.heat import heat_map, of_slide
from imaging_core.inference.outputs import to_tiff
from imaging_core.inference.task import Truth
from imaging_core.models.card import Output


class SlideScores:
    """The results of one slide as they come; see :class:`imaging_core.inference.head.CaseResults`.

    Args:
        case: its id.
        grid: its tiles.
        output: the card's.
        latest: gives the scores of the batch that came last, and whether they are finite.
    """

    def __init__(
        self, case: str, grid: TileGrid, output: Output, latest: Callable[[], tuple[Download, Download]]
    ) -> None:
        self._case, self._grid, self._output, self._latest = case, grid, output, latest
        self._tiles: list[_Tile] = []

    def put(self, slot: int, place: Place) -> None:
        """Take the output in ``slot`` of the batch that came last."""
        self._tiles.append(_Tile(*self._latest(), slot, place))

    def seal(self) -> "SealedScores":
        """All tiles have come."""
        return SealedScores(self._case, self._grid, self._output, self._tiles)


@dataclass(frozen=True, slots=True)
class _Tile:
    scores: Download
    finite: Download
    slot: int
    place: Place


@dataclass(frozen=True, slots=True)
class SealedScores:
    """A slide whose tiles have all come back; see :class:`imaging_core.inference.head.Sealed`."""

    case: str
    grid: TileGrid
    output: Output
    tiles: list[_Tile]
    weight = 0

    def arrive(self) -> None:
        """Wait until the results are on the host."""
        self.tiles[-1].finite.wait()

    def outcome(self, truth: Truth) -> Outcome:
        """Score the slide, and make its files."""
        check_finite([each.finite.wait()[each.slot] for each in self.tiles])
        places = [each.place for each in self.tiles]
        scores = np.stack([each.scores.wait()[each.slot] for each in self.tiles])
        decisions = Decisions(self.output, of_slide(scores, self.output)[None])
        figure = None if truth.label is None else float(decisions.labels[0] == truth.label)
        shown = [_shown(row, self.output) for row in scores]
        files = {
            "heat": (run.output(self.case, run.HEAT), to_tiff(heat_map(self.grid, places, scores))),
            "outlines": (run.output(self.case, "geojson"), tiles(self.grid, places, shown, self.output)),
        }
        outputs = {name: key for name, (key, _) in files.items()}
        fields = {"scores": decisions.scores[0], "label": truth.label, "outputs": outputs}
        return Outcome(fields, dict(files.values()), figure)

    def said(self) -> Said:
        """Nothing: slides are read in pieces, and never kept in a cache."""
        return {}


def _shown(scores: Sequence[float], output: Output) -> tuple[int, float] | None:
    """The class that a tile speaks for, and its score; None for what is no finding: the first of exclusive classes."""
    best = int(np.argmax(scores))
    if output.kind == "multiclass":
        return (best, float(scores[best])) if best else None
    if scores[best] < output.threshold:
        return None
    return (len(output.classes) - 1 if output.kind == "binary" else best), float(scores[best])
