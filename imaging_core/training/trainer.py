"""From a dataset and a draft of a card to a trained bundle with its learning curves."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

import imaging_core
from imaging_core.errors import DataError, MissingError, UsageError
from imaging_core.models import bundle, registry
from imaging_core.models.card import CARD, Card
from imaging_core.models.initialise import initialise
from imaging_core.store import Location, open_store
from imaging_core.training.curves import CURVES, PICTURE, curves_json, curves_svg
from imaging_core.training.examples import SplitExamples
from imaging_core.training.loop import Epoch, Settings, train
from imaging_core.training.objective import Objective
from imaging_core.training.splits import Material


def train_bundle(
    material: Material,
    draft: Card,
    settings: Settings,
    device: torch.device,
    out: Location,
    say: Callable[[str], None],
    *,
    replace: bool,
) -> bool:
    """Train and write the bundle, with ``learning_curves.json`` and ``.svg`` beside its card.

    What lies there already, asked for in the same way, is left as it is; the images themselves are not compared. The
    card is written last: a training that breaks off leaves no bundle.

    Args:
        material: what to learn.
        draft: the card, its weights :data:`~imaging_core.models.card.UNPACKED`.
        settings: how.
        device: where to compute.
        out: the bundle's folder.
        say: gets a line for a person after every epoch.
        replace: whether another bundle that lies there may be overwritten.

    Returns:
        Whether there was anything to do.

    Raises:
        UsageError: another bundle lies there, and ``replace`` is not set.
        DataError: samples that cannot be learned from.
        NotAcceptableError: the loss is no longer finite.
    """
    draft = registry.resolved(draft, "options")
    model = registry.build(draft, "options")
    asked = _asked(material, draft, settings, device)
    if _is_there(out, asked, replace=replace):
        return False
    training, validation = (SplitExamples(material, split, draft) for split in (material.training, material.validation))
    objective = Objective(draft)
    initialise(model, settings.seed)

    def report(epoch: Epoch, is_best: bool) -> None:
        say(
            f"epoch {epoch.number:>{len(str(settings.epochs))}}/{settings.epochs}"
            f"  loss {epoch.training_loss:.4f}  validation loss {epoch.validation_loss:.4f}"
            f"  {objective.score_name} {epoch.validation_score:.4f}{'  best so far' if is_best else ''}"
        )

    trained = train(model, objective, training, validation, settings, device, report)
    store = open_store(out)
    store.delete(CARD)
    store.put(PICTURE, curves_svg(trained, objective.score_name))
    store.put(CURVES, curves_json(asked, trained, objective.score_name))
    bundle.pack(out, draft, trained.state)
    return True


def _asked(material: Material, draft: Card, settings: Settings, device: torch.device) -> dict[str, Any]:
    """All that decides the weights, as JSON gives it back."""
    asked = {
        "dataset": {"name": material.dataset.name, "sha256": material.dataset.sha256},
        "training": {"split": material.training.name, "images": len(material.training.indices)},
        "validation": {"split": material.validation.name, "images": len(material.validation.indices)},
        "settings": asdict(settings),
        "card": draft.model_dump(mode="json", exclude={"weights"}),
        "device": device.type,
        "threads": torch.get_num_threads(),
        "versions": {"imaging_core": imaging_core.__version__, "torch": torch.__version__},
    }
    value: dict[str, Any] = json.loads(json.dumps(asked))
    return value


def _is_there(out: Location, asked: dict[str, Any], *, replace: bool) -> bool:
    """Whether the bundle that was asked for is there; UsageError when another one is and may not be replaced."""
    store = open_store(out)
    if not store.exists(CARD):
        return False
    try:
        if json.loads(store.get(CURVES))["asked"] == asked:
            bundle.load_model(out, torch.device("cpu"))
            return True
    except (MissingError, DataError, ValueError, KeyError, TypeError):
        pass  # not ours, or not whole: another bundle
    if replace:
        return False
    raise UsageError(f"{out}: another model bundle lies there; give another --out, or --replace")
