"""A file is tried out in a process of its own before a bundle is made of it."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from imaging_core.errors import DataError
from imaging_core.models.card import Card
from imaging_core.models.onnx.trial import try_out
from tests.onnx_files import Eddl, classifier, segmenter

MakeCard = Callable[..., Card]


def refused(model: ModelProto, card: Card) -> str:
    with pytest.raises(DataError) as caught:
        try_out(model.SerializeToString(), card, "/m/x.onnx")
    assert str(caught.value).startswith("/m/x.onnx: ")
    return str(caught.value)


def append(model: ModelProto, *nodes: onnx.NodeProto) -> ModelProto:
    """Put nodes that read ``before`` and write ``after`` behind the last one."""
    last = model.graph.node[-1].output[0]
    model.graph.node[-1].output[0] = "before"
    for node in nodes:
        node.output[:] = [last if name == "after" else name for name in node.output]
        model.graph.node.append(node)
    return model


def test_what_keeps_its_promises_passes(card: MakeCard) -> None:
    try_out(segmenter().file((1, 32, 32)).SerializeToString(), card(), "x.onnx")
    try_out(classifier().file((3,)).SerializeToString(), card("classification", 3), "x.onnx")


def test_a_file_that_is_refused_is_told_with_its_name(card: MakeCard) -> None:
    assert "its batch is fixed at 1" in refused(segmenter().file((1, 32, 32), batch=1), card())


def test_an_output_that_depends_on_the_rest_of_the_batch_is_refused(card: MakeCard) -> None:
    """As batch normalisation in training does, here said in other operators."""
    mean = helper.make_node("ReduceMean", ["before"], ["mean"], axes=[0], keepdims=1)
    model = append(segmenter().file((1, 32, 32)), mean, helper.make_node("Mul", ["before", "mean"], ["after"]))
    assert "what an image gives depends on the others of its batch" in refused(model, card())


def test_values_without_an_activation_are_refused(card: MakeCard) -> None:
    net = Eddl((3, 32, 32))
    net.conv("input1", 3, 1)
    message = refused(net.file((1, 32, 32)), card())
    assert "not scores from 0 to 1; say which --activation follows" in message
    try_out(net.file((1, 32, 32)).SerializeToString(), card(output={"activation": "sigmoid"}), "x.onnx")


def test_a_softmax_over_all_pixels_is_refused(card: MakeCard) -> None:
    """Axis 1 of opset 11 takes what follows, too: not what was meant."""
    net = Eddl((3, 32, 32))
    net.softmax(net.conv("input1", 3, 3))
    several = card("segmentation", 3, output={"kind": "multiclass"})
    assert "its softmax has to be that of axis 1 alone" in refused(net.file((3, 32, 32)), several)
    net = Eddl((3, 32, 32), opset=13)
    net.softmax(net.conv("input1", 3, 3))
    try_out(net.file((3, 32, 32)).SerializeToString(), several, "x.onnx")


def test_weights_that_do_not_compute_are_refused(card: MakeCard) -> None:
    model = segmenter().file((1, 32, 32))
    for tensor in model.graph.initializer:
        if tensor.name == "conv2d4_b":
            tensor.CopyFrom(numpy_helper.from_array(np.full(1, np.nan, np.float32), tensor.name))
    assert "noise gives values that are not finite" in refused(model, card())


def test_what_onnxruntime_alone_finds_is_said_in_one_line(card: MakeCard) -> None:
    """A shape that only the run knows, and that does not fit."""
    shape = helper.make_node("Shape", ["before"], ["shape"])
    noise = helper.make_node("Cast", ["shape"], ["real"], to=onnx.TensorProto.FLOAT)
    root = helper.make_node("Sqrt", ["real"], ["root"])
    back = helper.make_node("Cast", ["root"], ["half"], to=onnx.TensorProto.INT64)
    reshaped = helper.make_node("Reshape", ["before", "half"], ["after"])
    model = append(segmenter().file((1, 32, 32)), shape, noise, root, back, reshaped)
    message = refused(model, card())
    assert "onnxruntime cannot run it: " in message
    assert len(message.splitlines()) == 1


def test_a_file_that_takes_too_long_is_refused(card: MakeCard) -> None:
    data = segmenter().file((1, 32, 32)).SerializeToString()
    with pytest.raises(DataError, match=r"^x\.onnx: two batches take more than 1 s of a processor"):
        try_out(data, card(batch=50_000), "x.onnx", seconds=1)
