"""The training loop learns what can be learned, stops when it no longer helps, and repeats itself exactly."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from imaging_core.errors import NotAcceptableError
from imaging_core.models import registry
from imaging_core.models.card import Card
from imaging_core.models.initialise import initialise
from imaging_core.training.loop import Epoch, Settings, Training, shifted, train, validate
from imaging_core.training.objective import Objective

CPU = torch.device("cpu")
HOW = Settings(epochs=15, batch=8, learning_rate=0.01, weight_decay=0.01, patience=15, shift=0, seed=0)
MakeCard = Callable[..., Card]


class Few:
    """Examples in memory."""

    def __init__(self, images: Tensor, targets: Tensor) -> None:
        self.images, self.targets = images, targets
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        self.asked += positions
        return self.images[positions], self.targets[positions]


def halves(count: int, seed: int, *, mask: bool = False) -> Few:
    """Noise with a bright left or right half; which one is the class, where it is the mask."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=random)
    bright = torch.zeros(count, 1, 16, 16)
    bright[labels == 0, :, :, :8] = 1
    bright[labels == 1, :, :, 8:] = 1
    return Few(bright + 0.5 * torch.rand(bright.shape, generator=random), bright if mask else labels)


def run(card: Card, how: Settings, training: Few, validation: Few) -> tuple[Training, nn.Module]:
    model = initialise(registry.build(card, "card"), how.seed)
    return train(model, Objective(card), training, validation, how, CPU, lambda *_: None), model


def equal(first: Training, second: Training) -> bool:
    same = first.state.keys() == second.state.keys()
    return same and all(torch.equal(first.state[name], second.state[name]) for name in first.state)


def test_classes_are_learned(make_card_for: MakeCard) -> None:
    trained, _ = run(make_card_for("multiclass", 2), HOW, halves(40, 1), halves(20, 2))
    assert trained.epochs[trained.best - 1].validation_score == 1
    assert trained.epochs[-1].training_loss < trained.epochs[0].training_loss / 10


def test_masks_are_learned(make_card_for: MakeCard) -> None:
    card = make_card_for("binary", 1, "segmentation")
    card = card.model_copy(update={"architecture": card.architecture.model_copy(update={"parameters": SMALL_UNET})})
    trained, _ = run(card, replace(HOW, shift=2), halves(40, 1, mask=True), halves(20, 2, mask=True))
    assert trained.epochs[trained.best - 1].validation_score > 0.95


SMALL_UNET = {"width": 4, "depth": 2}


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_the_same_seed_gives_the_same_bits_and_another_other_ones(make_card_for: MakeCard, task: str) -> None:
    card = make_card_for("binary", 2, task)
    own = SMALL_UNET if task == "segmentation" else {"dropout": 0.5}
    card = card.model_copy(update={"architecture": card.architecture.model_copy(update={"parameters": own})})
    how = replace(HOW, epochs=3, shift=1)

    def again(seed: int) -> Training:
        torch.manual_seed(torch.seed())  # what the caller did before does not matter
        training, validation = (halves(18, seed, mask=task == "segmentation") for seed in (1, 2))
        if task == "classification":
            training.targets, validation.targets = (
                training.targets[:, None].float(),
                validation.targets[:, None].float(),
            )
        return run(card, replace(how, seed=seed), training, validation)[0]

    first, same, other = again(5), again(5), again(6)
    assert equal(first, same)
    assert first.epochs == same.epochs
    assert not equal(first, other)


def test_what_the_caller_had_set_is_as_it_was(make_card_for: MakeCard) -> None:
    before = torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    run(make_card_for("multiclass", 2), replace(HOW, epochs=1), halves(8, 1), halves(4, 2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.are_deterministic_algorithms_enabled() == before


def test_it_stops_early_and_keeps_the_best_weights(make_card_for: MakeCard) -> None:
    card = make_card_for("multiclass", 2)
    validation = halves(20, 2)
    validation.targets = torch.randint(2, (20,), generator=torch.Generator().manual_seed(9))  # nothing to be learned
    trained, model = run(card, replace(HOW, epochs=60, patience=4), halves(40, 1), validation)
    losses = [epoch.validation_loss for epoch in trained.epochs]
    assert trained.best == 1 + int(np.argmin(losses))
    assert len(trained.epochs) == trained.best + 4
    assert [epoch.number for epoch in trained.epochs] == list(range(1, len(losses) + 1))
    assert validate(model, Objective(card), validation, 8, CPU)[0] == losses[-1]
    model.load_state_dict(trained.state)
    assert validate(model, Objective(card), validation, 8, CPU)[0] == min(losses)


def test_each_epoch_learns_every_training_image_once_in_a_new_order(make_card_for: MakeCard) -> None:
    training = halves(17, 1)
    run(make_card_for("multiclass", 2), replace(HOW, epochs=3), training, halves(4, 2))
    orders = [training.asked[start : start + 17] for start in (0, 17, 34)]
    assert all(sorted(order) == list(range(17)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_validation_images_are_not_learned(make_card_for: MakeCard) -> None:
    how = replace(HOW, epochs=2)
    first, second = (run(make_card_for("multiclass", 2), how, halves(16, 1), halves(8, seed))[1] for seed in (2, 3))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("count", [1, 8, 9, 17])
def test_every_batch_has_about_the_same_size(make_card_for: MakeCard, count: int) -> None:
    sizes: list[int] = []

    class Watched(Few):
        def batch(self, positions: list[int]) -> tuple[Tensor, Tensor]:
            sizes.append(len(positions))
            return super().batch(positions)

    few = halves(count, 1)
    run(make_card_for("multiclass", 2), replace(HOW, epochs=1), Watched(few.images, few.targets), halves(4, 2))
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= HOW.batch


def test_the_learning_rate_falls_along_half_a_cosine(make_card_for: MakeCard) -> None:
    seen: list[Epoch] = []
    card = make_card_for("multiclass", 2)
    model = initialise(registry.build(card, "card"), 0)
    how = replace(HOW, epochs=4)
    trained = train(model, Objective(card), halves(8, 1), halves(4, 2), how, CPU, lambda e, _: seen.append(e))
    assert tuple(seen) == trained.epochs
    expected = 0.01 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2
    np.testing.assert_allclose([epoch.learning_rate for epoch in seen], expected)


def test_a_loss_that_is_no_number_ends_the_training(make_card_for: MakeCard) -> None:
    training = halves(8, 1)
    training.images[3] = 1e38
    with pytest.raises(NotAcceptableError, match="the loss is not finite in epoch 1; try a lower --learning-rate"):
        run(make_card_for("multiclass", 2), HOW, training, halves(4, 2))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=4), st.integers(4, 7))
def test_shifting_moves_pixels_and_repeats_the_edge(offsets: list[tuple[int, int]], side: int) -> None:
    pictures = torch.rand(len(offsets), 2, side, side + 1, generator=torch.Generator().manual_seed(1))
    moved = shifted(pictures, torch.tensor(offsets))
    for picture, result, (down, right) in zip(pictures.numpy(), moved.numpy(), offsets, strict=True):
        padded = np.pad(picture, ((0, 0), (3, 3), (3, 3)), mode="edge")
        np.testing.assert_array_equal(result, padded[:, 3 - down : 3 - down + side, 3 - right : 3 - right + side + 1])


def test_masks_of_class_indices_are_shifted_with_their_images(make_card_for: MakeCard) -> None:
    card = make_card_for("multiclass", 2, "segmentation")
    card = card.model_copy(update={"architecture": card.architecture.model_copy(update={"parameters": SMALL_UNET})})
    training, validation = halves(40, 1, mask=True), halves(20, 2, mask=True)
    training.targets, validation.targets = training.targets[:, 0].long(), validation.targets[:, 0].long()
    trained, _ = run(card, replace(HOW, shift=4), training, validation)
    assert trained.epochs[trained.best - 1].validation_score > 0.95
