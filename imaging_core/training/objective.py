"""What training minimises and what its curves show, for each task and kind of output."""

import torch
from torch import Tensor
from torch.nn import functional

from imaging_core.models.card import Card

NOTHING = -100
"""The class index of pixels that are not learned."""


class Objective:
    """The loss and the score of one model card.

    Targets are, for a batch of N and C output channels:

    * multiclass: class indices, int64, N or N x (D x) H x W; :data:`NOTHING` where nothing is learned;
    * binary and multilabel: 0 or 1, float32, N x C or N x C x (D x) H x W.
    """

    def __init__(self, card: Card) -> None:
        self._multiclass = card.output.kind == "multiclass"
        self._segmentation = card.task == "segmentation"
        self._threshold = card.output.threshold
        self.score_name = "Dice" if self._segmentation else "accuracy"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy (multiclass) or binary cross-entropy, the mean over what is learned; outputs are logits.

        Masks add :func:`soft_dice_loss`, without which small structures are easily given up; the first class of a
        multiclass output, the background, does not count in it.
        """
        if not self._multiclass:
            entropy = functional.binary_cross_entropy_with_logits(outputs, targets)
            return entropy + soft_dice_loss(outputs.sigmoid(), targets) if self._segmentation else entropy
        learned = targets != NOTHING
        total = functional.cross_entropy(outputs, targets, ignore_index=NOTHING, reduction="sum")
        entropy = total / learned.sum().clamp(min=1)
        if not self._segmentation:
            return entropy
        classes = torch.arange(1, outputs.shape[1], device=outputs.device).view(1, -1, *[1] * (outputs.ndim - 2))
        truth = (targets.unsqueeze(1) == classes).to(outputs.dtype)
        return entropy + soft_dice_loss(outputs.softmax(1)[:, 1:] * learned.unsqueeze(1), truth)

    def counts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What :meth:`score` needs of one batch, to be added up: int64, C x (true positive, predicted, actual, all)."""
        channels = outputs.shape[1]
        if self._multiclass:
            learned = targets != NOTHING
            chosen = functional.one_hot(outputs.argmax(1)[learned], channels).bool()
            actual = functional.one_hot(targets[learned], channels).bool()
        else:
            chosen = (torch.sigmoid(outputs) >= self._threshold).movedim(1, -1).reshape(-1, channels)
            actual = targets.bool().movedim(1, -1).reshape(-1, channels)
        every = torch.full((channels,), len(actual), device=outputs.device)
        return torch.stack([(chosen & actual).sum(0), chosen.sum(0), actual.sum(0), every], dim=1)

    def score(self, counts: Tensor) -> float:
        """One number in [0, 1], of summed counts.

        Segmentation: Dice = 2 TP / (predicted + actual) of all pixels, the mean over classes (1 where a class is
        neither predicted nor there; the first class of a multiclass output, the background, does not count).
        Classification: the share of right answers: of images (multiclass) or of labels (binary, multilabel).
        """
        tp, predicted, actual, every = counts.double().unbind(1)
        if self._segmentation:
            dice = torch.where(predicted + actual > 0, 2 * tp / (predicted + actual).clamp(min=1), 1.0)
            return float(dice[1:].mean() if self._multiclass else dice.mean())
        if self._multiclass:
            return float(tp.sum() / every[0].clamp(min=1))
        return float(((every - predicted - actual + 2 * tp) / every.clamp(min=1)).mean())


def soft_dice_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """One minus Dice with probabilities for pixels (Milletari et al. 2016, https://arxiv.org/abs/1606.04797).

    The mean over images and channels of 1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1); empty masks count by the ones.

    Args:
        probabilities: N x C x (D x) H x W, in [0, 1].
        truth: the same shape, 0 or 1.
    """
    both, either = (each.flatten(2).sum(2) for each in (probabilities * truth, probabilities + truth))
    return (1 - (2 * both + 1) / (either + 1)).mean()
