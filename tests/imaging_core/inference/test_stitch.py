"""Maps of inputs put together at a case's size; thresholds after resizing."""

import pytest
import torch
from torch.nn import functional

from imaging_core.decode.case import Place
from imaging_core.inference.stitch import Canvas, to_mask
from imaging_core.models.card import Output


def all_of(maps):
    return maps


def test_one_input_is_resized_to_the_case():
    output = torch.rand(3, 16, 12)
    canvas = Canvas((50, 31), all_of)
    canvas.put(output, Place((0, 0), (50, 31)))
    assert torch.equal(canvas.whole, functional.interpolate(output[None], (50, 31), mode="bilinear")[0])


def test_several_inputs_lie_at_their_places_and_the_rest_is_zero():
    first, second = torch.rand(2, 8, 8), torch.rand(2, 8, 8)
    canvas = Canvas((20, 30), all_of)
    canvas.put(first, Place((0, 0), (8, 8)))
    canvas.put(second, Place((4, 14), (16, 16)))
    assert torch.equal(canvas.whole[:, :8, :8], first)
    assert torch.equal(canvas.whole[:, 4:20, 14:30], functional.interpolate(second[None], (16, 16), mode="bilinear")[0])
    assert canvas.whole.count_nonzero() == 2 * (64 + 256)


def test_slices_lie_in_a_volume():
    slices = [torch.rand(1, 4, 4) for _ in range(3)]
    canvas = Canvas((3, 4, 4), all_of)
    for depth, each in enumerate(slices):
        canvas.put(each, Place((depth, 0, 0), (1, 4, 4)))
    assert torch.equal(canvas.whole, torch.stack(slices, 1))


@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_positive_is_at_or_above_the_threshold(threshold):
    maps = torch.tensor([[[threshold, threshold - 1e-6, 1.0]], [[0.0, threshold, 0.0]]])
    binary = Output(kind="binary", activation="sigmoid", classes=("x",), threshold=threshold)
    labels = Output(kind="multilabel", activation="sigmoid", classes=("x", "y"), threshold=threshold)
    assert to_mask(maps[:1], binary).tolist() == [[True, False, True]]
    assert to_mask(maps, labels).tolist() == [[[True, False, True]], [[False, True, False]]]


def test_the_first_of_equal_classes_wins():
    maps = torch.tensor([[[0.2, 0.4]], [[0.4, 0.2]], [[0.4, 0.4]]])
    output = Output(kind="multiclass", activation="softmax", classes=("a", "b", "c"))
    assert to_mask(maps, output).tolist() == [[1, 0]]
