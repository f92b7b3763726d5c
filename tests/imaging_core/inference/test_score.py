"""Counts of pixels against scikit-learn, the overlap against PyTorch's nearest resizing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix
from torch.nn import functional

from imaging_core.decode.case import CaseError
from imaging_core.inference.score import count, overlap
from imaging_core.models.card import Output

BINARY = Output(kind="binary", activation="sigmoid", classes=("lesion",))
FOUR = Output(kind="multiclass", activation="softmax", classes=("a", "b", "c", "d"), ignore=255)
LABELS = Output(kind="multilabel", activation="sigmoid", classes=("a", "b"))


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=30)
def test_binary_counts(seed, said, true):
    random = np.random.default_rng(seed)
    mask, truth = random.random((13, 17)) < said, random.random((13, 17)) < true
    counts = count(mask, truth, BINARY)[1]
    matrix = confusion_matrix(truth.ravel(), mask.ravel(), labels=[False, True])
    assert [[counts.tn, counts.fp], [counts.fn, counts.tp]] == matrix.tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_multiclass_counts_leave_out_ignored_pixels(dtype):
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, (1100, 7)).astype(dtype)
    truth[random.random(truth.shape) < 0.1] = 255
    mask = random.integers(0, 4, truth.shape).astype(np.uint8)
    counts = count(mask, truth, FOUR)
    scored = truth != 255
    matrix = confusion_matrix(truth[scored], mask[scored], labels=range(4))
    for index, of in counts.items():
        assert of.tp == matrix[index, index]
        assert of.fp == matrix[:, index].sum() - of.tp
        assert of.fn == matrix[index].sum() - of.tp
        assert of.tp + of.fp + of.fn + of.tn == scored.sum()


def test_multilabel_counts_are_binary_counts_per_class():
    random = np.random.default_rng(0)
    mask, truth = random.random((2, 9, 8)) < 0.5, random.random((2, 9, 8)) < 0.3
    counts = count(mask, truth, LABELS)
    assert counts == {index: count(mask[index], truth[index], BINARY)[1] for index in range(2)}


@pytest.mark.parametrize(
    ("mask", "truth", "output", "kind"),
    [
        (np.zeros((4, 5), bool), np.zeros((5, 4), bool), BINARY, "mask_size"),
        (np.zeros((4, 5), np.uint8), np.full((4, 5), 4, np.uint8), FOUR, "mask_value"),
        (np.zeros((4, 5), np.uint8), np.full((4, 5), -1, np.int16), FOUR, "mask_value"),
        (np.zeros((2, 4, 5), bool), np.zeros((3, 4, 5), bool), LABELS, "mask_value"),
        (np.zeros((2, 4, 5), bool), np.zeros((2, 4, 6), bool), LABELS, "mask_size"),
    ],
)
def test_what_cannot_be_scored_is_a_failed_case(mask, truth, output, kind):
    with pytest.raises(CaseError) as failure:
        count(mask, truth, output)
    assert failure.value.kind == kind


@pytest.mark.parametrize("size", [(192, 192), (300, 250), (2000, 3008), (1936, 2592), (64, 500)])
def test_overlap_takes_the_nearest_truth_as_pytorch_does(size):
    random = np.random.default_rng(0)
    truth, prediction = random.random(size) < 0.4, random.random((192, 192)) < 0.4
    nearest = functional.interpolate(torch.from_numpy(truth)[None, None].float(), (192, 192), mode="nearest")[0, 0] > 0
    small = nearest.numpy()
    assert overlap(prediction, truth) == ((prediction & small).sum(), (prediction | small).sum())
