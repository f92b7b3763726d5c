"""Learning curves: as JSON for a script, as SVG for a person."""

import io
from dataclasses import asdict
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from imaging_core.run import to_json
from imaging_core.training.loop import Training

CURVES = "learning_curves.json"
PICTURE = "learning_curves.svg"


def curves_json(asked: dict[str, Any], training: Training, score_name: str) -> bytes:
    """What was asked for and what came of it; the same training gives the same bytes."""
    return to_json(
        {
            "format": 1,
            "asked": asked,
            "score": score_name,
            "best_epoch": training.best,
            "epochs": [asdict(epoch) for epoch in training.epochs],
        }
    )


def curves_svg(training: Training, score_name: str) -> bytes:
    """Losses and score over the epochs, the kept one marked; the same training gives the same bytes."""
    numbers = [epoch.number for epoch in training.epochs]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    FigureCanvasSVG(figure)
    losses, scores = figure.subplots(1, 2)
    losses.plot(numbers, [epoch.training_loss for epoch in training.epochs], label="training")
    losses.plot(numbers, [epoch.validation_loss for epoch in training.epochs], label="validation")
    losses.set(xlabel="epoch", ylabel="loss", yscale="log")
    losses.legend(frameon=False)
    scores.plot(numbers, [epoch.validation_score for epoch in training.epochs], color="C1")
    scores.set(xlabel="epoch", ylabel=f"validation {score_name}")
    for axes in (losses, scores):
        axes.axvline(training.best, color="grey", linewidth=0.8, linestyle=":")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "learning curves", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
