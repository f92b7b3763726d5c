"""The training loop: shuffled batches, early stopping, the best weights kept; everything from one seed."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from imaging_core.errors import NotAcceptableError
from imaging_core.training.objective import Objective


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train.

    Attributes:
        epochs: at most so many; the learning rate falls to 0 along half a cosine.
        batch: images in a batch.
        learning_rate: of AdamW, at first.
        weight_decay: of AdamW.
        patience: stop after so many epochs without a lower validation loss.
        shift: each training image is shifted at random by up to so many pixels, at the model's input size; 0 for
            patches of volumes.
        seed: of the first weights, the order, the shifts and the dropout.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    patience: int
    shift: int
    seed: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """One point of the learning curves; losses are means over images."""

    number: int
    learning_rate: float
    training_loss: float
    validation_loss: float
    validation_score: float


@dataclass(frozen=True, slots=True)
class Training:
    """What came of it.

    Attributes:
        epochs: in order, from number 1.
        best: the number of the epoch with the lowest validation loss.
        state: the weights at its end, on the CPU.
    """

    epochs: tuple[Epoch, ...]
    best: int
    state: dict[str, Tensor]


class Examples(Protocol):
    """Images and targets, as :mod:`imaging_core.training.examples` reads them."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def batch(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        """Images, N x C x (D x) H x W, float32, and targets, as :class:`Objective` describes them, on the CPU."""
        ...


def train(
    model: nn.Module,
    objective: Objective,
    training: Examples,
    validation: Examples,
    settings: Settings,
    device: torch.device,
    report: Callable[[Epoch, bool], None],
) -> Training:
    """Train ``model`` in place. On the CPU the same arguments and thread count give the same bits.

    Args:
        model: with its first weights.
        objective: loss and score.
        training: learned from.
        validation: decides when to stop and which weights are kept; never learned from.
        settings: how.
        device: where to compute.
        report: called after every epoch; the second argument says whether it is the best so far.

    Raises:
        NotAcceptableError: the loss is no longer finite.
    """
    with _deterministic(settings.seed, device):
        random = torch.Generator().manual_seed(settings.seed)
        model.to(device)
        optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
        epochs: list[Epoch] = []
        best, state = Epoch(0, 0.0, math.inf, math.inf, 0.0), {}
        for number in range(1, settings.epochs + 1):
            rate = settings.learning_rate * (1 + math.cos(math.pi * (number - 1) / settings.epochs)) / 2
            for group in optimiser.param_groups:
                group["lr"] = rate
            learned = _learn(model, objective, training, settings, device, optimiser, random)
            loss, score = validate(model, objective, validation, settings.batch, device)
            if not (math.isfinite(learned) and math.isfinite(loss)):
                raise NotAcceptableError(f"the loss is not finite in epoch {number}; try a lower --learning-rate")
            epoch = Epoch(number, rate, learned, loss, score)
            epochs.append(epoch)
            is_best = loss < best.validation_loss
            if is_best:
                best = epoch
                state = {name: each.detach().to("cpu", copy=True) for name, each in model.state_dict().items()}
            report(epoch, is_best)
            if number - best.number >= settings.patience:
                break
    return Training(tuple(epochs), best.number, state)


def validate(
    model: nn.Module, objective: Objective, examples: Examples, batch: int, device: torch.device
) -> tuple[float, float]:
    """The mean loss over images, and the score."""
    model.eval()
    total, counts = 0.0, torch.zeros(1, dtype=torch.int64)
    with torch.inference_mode():
        for start in range(0, len(examples), batch):
            positions = list(range(start, min(start + batch, len(examples))))
            images, targets = (each.to(device) for each in examples.batch(positions))
            outputs = model(images)
            total += len(images) * objective.loss(outputs, targets).item()
            counts = counts + objective.counts(outputs, targets).cpu()
    return total / len(examples), objective.score(counts)


def shifted(pictures: Tensor, offsets: Tensor) -> Tensor:
    """Move each picture by its own offset; what comes in from outside repeats the edge.

    Args:
        pictures: N x C x H x W.
        offsets: rows and columns to move down and right, N x 2, integers; smaller than H and W.
    """
    most = int(offsets.abs().max())
    height, width = pictures.shape[-2:]
    padded = functional.pad(pictures, (most,) * 4, mode="replicate")
    starts = (most - offsets).tolist()
    return torch.stack(
        [padded[n, :, row : row + height, column : column + width] for n, (row, column) in enumerate(starts)]
    )


def _learn(
    model: nn.Module,
    objective: Objective,
    examples: Examples,
    settings: Settings,
    device: torch.device,
    optimiser: torch.optim.Optimizer,
    random: torch.Generator,
) -> float:
    """One pass over the examples in random order; returns the mean loss over images."""
    model.train()
    total = 0.0
    order = torch.randperm(len(examples), generator=random)
    # Batches of nearly the same size: a last batch of one image would break batch normalisation.
    for positions in order.tensor_split(math.ceil(len(order) / settings.batch)):
        images, targets = examples.batch(positions.tolist())
        if settings.shift:
            offsets = torch.randint(-settings.shift, settings.shift + 1, (len(images), 2), generator=random)
            images = shifted(images, offsets)
            targets = _shifted_masks(targets, offsets)
        loss = objective.loss(model(images.to(device)), targets.to(device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += len(images) * loss.item()
    return total / len(order)


def _shifted_masks(targets: Tensor, offsets: Tensor) -> Tensor:
    if targets.dim() < 3:
        return targets
    if targets.dim() == 4:
        return shifted(targets, offsets)
    return shifted(targets.unsqueeze(1).double(), offsets).squeeze(1).long()


@contextmanager
def _deterministic(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout from the seed and fixed algorithms; a GPU has none for some layers, then it warns."""
    before = torch.get_deterministic_debug_mode()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_deterministic_debug_mode("error" if device.type == "cpu" else "warn")
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before)
