"""Losses and scores against scikit-learn and the formulas written out."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, hamming_loss, log_loss

from imaging_core.models.card import Card
from imaging_core.training.objective import NOTHING, Objective

RANDOM = torch.Generator().manual_seed(3)
MakeCard = Callable[..., Card]


def score_in_batches(objective: Objective, outputs: torch.Tensor, targets: torch.Tensor) -> float:
    """As validation does it: counts of uneven batches, added up."""
    parts = zip(outputs.tensor_split((3, 10)), targets.tensor_split((3, 10)), strict=True)
    return objective.score(sum((objective.counts(*part) for part in parts), torch.zeros(1, dtype=torch.int64)))


def soft_dice(probabilities: torch.Tensor, truth: torch.Tensor) -> float:
    """The mean over images and channels of 1 - (2 p t + 1) / (p + t + 1), written out."""
    losses = [
        1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
        for image, mask in zip(probabilities.numpy(), truth.numpy(), strict=True)
        for p, t in zip(image, mask, strict=True)
    ]
    return float(np.mean(losses))


def test_multiclass_classification(make_card_for: MakeCard) -> None:
    objective = Objective(make_card_for("multiclass", 4))
    outputs, targets = torch.randn(50, 4, generator=RANDOM), torch.randint(4, (50,), generator=RANDOM)
    probabilities = outputs.double().softmax(1)
    assert objective.loss(outputs, targets).item() == pytest.approx(log_loss(targets, probabilities), rel=1e-5)
    expected = accuracy_score(targets, outputs.argmax(1))
    assert score_in_batches(objective, outputs, targets) == pytest.approx(expected)
    assert objective.score_name == "accuracy"


@pytest.mark.parametrize(("kind", "channels"), [("binary", 1), ("multilabel", 5)])
def test_binary_and_multilabel_classification(make_card_for: MakeCard, kind: str, channels: int) -> None:
    objective = Objective(make_card_for(kind, max(2, channels)))
    outputs = torch.randn(50, channels, generator=RANDOM)
    targets = torch.randint(2, (50, channels), generator=RANDOM).float()
    probabilities = torch.sigmoid(outputs.double()).flatten()
    assert objective.loss(outputs, targets).item() == pytest.approx(
        log_loss(targets.flatten(), probabilities), rel=1e-5
    )
    expected = 1 - hamming_loss(targets, outputs >= 0)
    assert score_in_batches(objective, outputs, targets) == pytest.approx(expected)


@pytest.mark.parametrize(("kind", "channels"), [("binary", 1), ("multilabel", 3)])
def test_binary_and_multilabel_masks(make_card_for: MakeCard, kind: str, channels: int) -> None:
    objective = Objective(make_card_for(kind, channels, "segmentation"))
    outputs = torch.randn(12, channels, 6, 5, generator=RANDOM)
    targets = torch.randint(2, outputs.shape, generator=RANDOM).float()
    probabilities = torch.sigmoid(outputs.double())
    expected = log_loss(targets.flatten(), probabilities.flatten()) + soft_dice(probabilities, targets)
    assert objective.loss(outputs, targets).item() == pytest.approx(expected, rel=1e-5)
    dice = [f1_score(targets[:, c].flatten(), (outputs[:, c] >= 0).flatten()) for c in range(channels)]
    assert score_in_batches(objective, outputs, targets) == pytest.approx(np.mean(dice))
    assert objective.score_name == "Dice"


def test_multiclass_masks_leave_out_the_background_and_what_is_ignored(make_card_for: MakeCard) -> None:
    objective = Objective(make_card_for("multiclass", 3, "segmentation", ignore=255))
    outputs = torch.randn(12, 3, 6, 5, generator=RANDOM)
    targets = torch.randint(3, (12, 6, 5), generator=RANDOM)
    targets[torch.rand(targets.shape, generator=RANDOM) < 0.3] = NOTHING
    learned = (targets != NOTHING).flatten()
    truth, chosen = targets.flatten()[learned], outputs.argmax(1).flatten()[learned]
    expected = f1_score(truth, chosen, labels=[1, 2], average="macro")
    assert score_in_batches(objective, outputs, targets) == pytest.approx(expected)
    probabilities = outputs.double().softmax(1)
    entropy = log_loss(truth, probabilities.movedim(1, -1).reshape(-1, 3)[learned])
    planes = torch.stack([targets == 1, targets == 2], 1)
    expected = entropy + soft_dice(probabilities[:, 1:] * (targets != NOTHING)[:, None], planes)
    assert objective.loss(outputs, targets).item() == pytest.approx(expected, rel=1e-5)


def test_a_class_that_is_neither_there_nor_predicted_is_right(make_card_for: MakeCard) -> None:
    objective = Objective(make_card_for("binary", 1, "segmentation"))
    nothing = torch.zeros(2, 1, 4, 4)
    assert objective.score(objective.counts(nothing - 1, nothing)) == 1


def test_a_batch_with_nothing_to_learn_has_no_loss(make_card_for: MakeCard) -> None:
    objective = Objective(make_card_for("multiclass", 3, "segmentation", ignore=255))
    targets = torch.full((2, 4, 4), NOTHING)
    assert objective.loss(torch.randn(2, 3, 4, 4), targets).item() == pytest.approx(0, abs=1e-6)
