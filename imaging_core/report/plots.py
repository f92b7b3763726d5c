"""The figures of the report: inline SVG in the page's own colours; the words beside them are the page's."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

SIZE = (4.2, 3.3)
"""Inches; a page shows an inch as about 100 pixels, so that 10 point text stays readable on a phone."""

THEME = {
    "ink": "#000001",
    "soft": "#000002",
    "line": "#000003",
    "paper": "#000004",
    **{f"series-{number}": f"#00001{number}" for number in range(1, 7)},
}
"""The page's colours, light and dark, by the name of their CSS property; in a drawing a stand-in holds their place."""

DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (2, 1.5), (8, 2, 2, 2), (4, 1.5, 1, 1.5), (1, 1))
"""Of each series, in widths of its line, so that lines differ without colour, too."""

WIDTH = 1.8
"""Of a line, in points."""

SERIES = len(DASHES)

BINS = 20
"""Of a histogram."""


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend.

    Attributes:
        name: what the line is about.
        figure: its value, as text; may be empty.
        colour: name of a CSS property.
        dash: for SVG's ``stroke-dasharray``; empty for a solid line.
    """

    name: str
    figure: str = ""
    colour: str = "soft"
    dash: str = "4 3"


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure with its words.

    Attributes:
        title: of the figure.
        svg: markup that holds no text of a dataset.
        alt: for who cannot see it.
        legend: in the order of the lines.
        note: how to read it, in one sentence.
    """

    title: str
    svg: Markup
    alt: str
    legend: tuple[Key, ...]
    note: str


def series(number: int, name: str, figure: str = "") -> Key:
    """The legend's entry of a series, from 0."""
    dashes = (f"{WIDTH * length:g}" for length in DASHES[number])
    return Key(name, figure, f"series-{number + 1}", " ".join(dashes))


def line(number: int) -> dict[str, Any]:
    """How a series is drawn, from 0."""
    return {"color": THEME[f"series-{number + 1}"], "linestyle": (0, DASHES[number] or None), "linewidth": WIDTH}


REFERENCE: Mapping[str, Any] = {"color": THEME["soft"], "linestyle": (0, (4, 3)), "linewidth": 1.0}
"""How a line is drawn that the others are read against."""


def draw(name: str, across: str, up: str, fill: Callable[[Axes], None]) -> Markup:
    """The markup of one figure.

    Args:
        name: another one for each figure of a page: identifiers in the markup are made from it.
        across: label of the horizontal axis.
        up: label of the vertical axis.
        fill: draws into the axes.
    """
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "path.simplify_threshold": 0.3}):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.set_xlabel(across, color=THEME["soft"])
        axes.set_ylabel(up, color=THEME["soft"])
        axes.tick_params(colors=THEME["soft"], length=0, pad=6)
        axes.grid(True, color=THEME["line"], linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(THEME["soft"])
        fill(axes)
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return Markup(_inline(file.getvalue().decode()))  # noqa: S704 - no text of a dataset is in it


def _inline(document: str) -> str:
    """An SVG document as part of a page: without header, style sheet, fixed size, fonts and names that repeat."""
    markup = document[document.index("<svg") :].strip()
    for pattern in (
        r"<metadata>.*?</metadata>",
        r'<style type="text/css">.*?</style>',
        r"(?<=<g) id=\"[^\"]*\"",
        r"font-family: [^;\"]*;? ?",
    ):
        markup = re.sub(pattern, "", markup, flags=re.DOTALL)
    markup = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", markup, count=1)
    markup = re.sub(r"(\d\.\d\d)\d+", r"\1", markup).replace("xlink:href", "href")
    for name, stand_in in THEME.items():
        markup = markup.replace(stand_in, f"var(--{name})")
    return markup
