"""An ONNX file computes what the same network in PyTorch does, and fits its card or is refused."""

from collections.abc import Callable
from typing import Any

import onnx
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from imaging_core.models.onnx.opening import NEWEST_OPSET
from tests.onnx_files import Eddl, classifier, segmenter

Opened = Callable[..., Any]
OPSETS = [9, 11, 13, 17, NEWEST_OPSET]


def noise(batch: int = 4, side: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def no_gradients() -> Any:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("weights_are_inputs", [False, True])
def test_a_segmentation_is_what_pytorch_computes(
    opened: Opened, card: Any, opset: int, weights_are_inputs: bool
) -> None:
    net = segmenter(opset=opset)
    network = opened(net.file((1, 32, 32), weights_are_inputs=weights_are_inputs), card())
    torch.testing.assert_close(network(noise()), net(noise()), atol=1e-5, rtol=0)


@pytest.mark.parametrize("opset", OPSETS)
def test_a_classification_is_what_pytorch_computes(opened: Opened, card: Any, opset: int) -> None:
    net = classifier(opset=opset)
    network = opened(net.file((3,)), card("classification", 3))
    torch.testing.assert_close(network(noise()), net(noise()), atol=1e-5, rtol=0)


@pytest.mark.parametrize("opset", [10, 11, 13, NEWEST_OPSET])
def test_the_upsample_of_early_exports_is_read_whatever_the_opset(opened: Opened, card: Any, opset: int) -> None:
    net = segmenter(opset=opset, as_before=True)
    torch.testing.assert_close(opened(net.file((1, 32, 32)), card())(noise()), net(noise()), atol=1e-5, rtol=0)


def test_inputs_and_outputs_in_half_precision_are_converted(opened: Opened, card: Any) -> None:
    net = segmenter()
    model = net.file((1, 32, 32))
    for tensor in model.graph.initializer:
        if not tensor.name.endswith(("_scales", "_roi")):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float16"), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    network = opened(model, card())
    given = network(noise())
    assert given.dtype == torch.float16
    torch.testing.assert_close(given.float(), net(noise()), atol=5e-3, rtol=0)


def test_channels_last_memory_is_understood(opened: Opened, card: Any) -> None:
    network = opened(segmenter().file((1, 32, 32)), card())
    images = noise()
    assert torch.equal(network(images.to(memory_format=torch.channels_last)), network(images))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_place_and_neighbours_in_the_batch_change_no_bit(opened: Opened, card: Any, task: str, threads: int) -> None:
    torch.set_num_threads(threads)
    try:
        if task == "segmentation":
            network = opened(segmenter().file((1, 32, 32)), card(batch=7))
        else:
            network = opened(classifier().file((3,)), card("classification", 3, batch=7))
        images = noise(7)
        order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
        together = network(images)
        assert torch.equal(network(images[order]), together[order])
        alone = torch.zeros_like(images)
        alone[6] = images[0]
        assert torch.equal(network(alone)[6], together[0])
    finally:
        torch.set_num_threads(1)


def test_what_is_given_is_not_overwritten_by_the_next_batch(opened: Opened, card: Any) -> None:
    network = opened(segmenter().file((1, 32, 32)), card())
    first = network(noise())
    kept = first.clone()
    network(noise(seed=1))
    assert torch.equal(first, kept)


def test_a_fixed_batch_that_is_the_cards_is_run(opened: Opened, card: Any) -> None:
    net = segmenter()
    assert opened(net.file((1, 32, 32), batch=4), card())(noise()).shape == (4, 1, 32, 32)


def test_a_shape_that_the_file_leaves_open_is_the_cards(opened: Opened, card: Any) -> None:
    net = segmenter()
    model = net.file((1, 32, 32))
    for value in (*model.graph.input, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            dimension.Clear()
    assert opened(model, card())(noise()).shape == (4, 1, 32, 32)


def test_of_several_outputs_the_card_names_one(opened: Opened, card: Any, refusal: Any) -> None:
    net = segmenter()
    model = net.file((1, 32, 32))
    model.graph.output.append(helper.make_tensor_value_info("conv2d1", TensorProto.FLOAT, ["batch", 4, 32, 32]))
    message = refusal(model, card())
    assert "has the outputs 'sigmoid1', 'conv2d1'; say which it is by --parameter output=NAME" in message
    assert "has no output 'other'" in refusal(model, card(parameters={"output": "other"}))
    assert "takes: output" in refusal(model, card(parameters={"input": "input1"}))
    network = opened(model, card(parameters={"output": "sigmoid1"}))
    torch.testing.assert_close(network(noise()), net(noise()), atol=1e-5, rtol=0)


def shaped(*shape: int | str, kind: int = TensorProto.FLOAT) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("input1", kind, shape))

    return change


def two_inputs(model: ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, ["batch", 1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shaped("batch", 1, 32, 32), "input 'input1' is float32 batch x 1 x 32 x 32, the card's is 4 x 3 x 32 x 32"),
        (shaped("batch", 3, 64, 64), "mend --channels and --input-size"),
        (shaped("batch", 32, 32, 3), "channels last; export it with channels first"),
        (shaped("batch", 3072), "input 'input1' is float32 batch x 3072, the card's is 4 x 3 x 32 x 32"),
        (shaped(1, 3, 32, 32), "its batch is fixed at 1, the card's is 4; pack with --batch 1, or export it with a"),
        (shaped("batch", 3, 32, 32, kind=TensorProto.UINT8), "input 'input1' is uint8; float32 or float16 is given"),
        (two_inputs, "2 inputs (input1, age); a network that takes one, the images, is run"),
    ],
)
def test_an_input_that_is_not_the_cards_is_refused(refusal: Any, card: Any, change: Any, message: str) -> None:
    model = segmenter().file((1, 32, 32))
    change(model)
    assert message in refusal(model, card())


def test_an_output_that_is_not_the_cards_is_refused(refusal: Any, card: Any) -> None:
    model = segmenter(classes=2).file((2, 32, 32))
    message = refusal(model, card())
    assert "output 'sigmoid1' is float32 4 x 2 x 32 x 32, a segmentation of this card gives 4 x 1 x 32 x 32" in message
    assert "mend --classes, --kind or --task" in message
    message = refusal(classifier().file((3,)), card("segmentation", 3))
    assert "is float32 4 x 3, a segmentation of this card gives 4 x 3 x 32 x 32" in message


def test_weights_that_do_not_fit_the_cards_size_are_refused(refusal: Any, card: Any) -> None:
    """The file says any size, its dense layer wants that of 32 x 32."""
    model = classifier().file((3,))
    shaped("batch", 3, "height", "width")(model)
    message = refusal(model, card("classification", 3, input={"height": 64}))
    assert "the shapes do not fit together for inputs of 4 x 3 x 64 x 32" in message or "output 'softmax1'" in message


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_an_activation_is_not_applied_twice(refusal: Any, card: Any, activation: str) -> None:
    model = classifier().file((3,))
    message = refusal(model, card("classification", 3, output={"activation": activation}))
    assert (
        f"it ends in Softmax itself, and the card's activation {activation} would be applied to that again" in message
    )


def test_an_activation_behind_a_reshape_is_seen(refusal: Any, card: Any) -> None:
    net = Eddl((3, 32, 32))
    net.flatten(net.sigmoid(net.dense(net.flatten("input1", 3072), 3072, 3)), 3)
    message = refusal(net.file((3,)), card("classification", 3, output={"activation": "softmax"}))
    assert "it ends in Sigmoid itself" in message


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_is_the_files_choice(refusal: Any, card: Any, precision: str) -> None:
    message = refusal(segmenter().file((1, 32, 32)), card(precision=precision))
    assert f"precision {precision}: an ONNX file says itself which types it computes in; take fp32 or tf32" in message


@pytest.mark.parametrize("size", [2**33, 2**40])
def test_a_value_that_claims_to_be_huge_is_refused_before_it_is_made(refusal: Any, card: Any, size: int) -> None:
    net = segmenter()
    model = net.file((1, 32, 32))
    shape = helper.make_tensor("size", TensorProto.INT64, [1], [size])
    last = model.graph.node[-1].output[0]
    model.graph.node[-1].output[0] = "before"
    model.graph.node.extend(
        [
            helper.make_node("Constant", [], ["huge_shape"], value=shape),
            helper.make_node("ConstantOfShape", ["huge_shape"], ["huge"]),
            helper.make_node("ReduceMean", ["huge"], ["mean"], keepdims=0),
            helper.make_node("Add", ["before", "mean"], [last]),
        ]
    )
    onnx.checker.check_model(model)
    message = refusal(model, card())
    assert f"value 'huge' is float32 {size}: more than 4 GiB" in message
