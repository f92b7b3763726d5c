"""What is in an ONNX file is run, or refused by name with the fix."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from imaging_core.errors import DataError
from imaging_core.models.onnx.opening import NEWEST_OPSET, open_model
from tests.onnx_files import classifier, segmenter

Change = Callable[[ModelProto], object]


def segmentation(**how: Any) -> ModelProto:
    return segmenter(**how).file((1, 32, 32))


def refused(model: ModelProto | bytes) -> str:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(DataError) as caught:
        open_model(data, "x.onnx")
    return str(caught.value)


@pytest.mark.parametrize("opset", [9, 10, 11, 13, 17, NEWEST_OPSET])
def test_every_opset_from_9_to_the_newest_is_opened(opset: int) -> None:
    model = segmenter(opset=opset, as_before=opset == 10).file((1, 32, 32))
    assert open_model(model.SerializeToString(), "x.onnx").opset_import[0].version == opset


@pytest.mark.parametrize("opset", [1, 8, NEWEST_OPSET + 1, 2**40, -1])
def test_other_opsets_are_refused(opset: int) -> None:
    model = segmentation()
    model.opset_import[0].version = opset
    assert refused(model).startswith(f"x.onnx: opset {opset}; opsets 9 to {NEWEST_OPSET} are run: export it with one")


def test_a_file_without_opset_is_refused() -> None:
    model = segmentation()
    del model.opset_import[:]
    assert "no opset; opsets 9 to" in refused(model)


@pytest.mark.parametrize(
    "data",
    [b"", b"abc", b"\x08\x07", b"\x80\x02pickle", b"PK\x03\x04", b"\xff" * 100, ModelProto().SerializeToString()],
)
def test_what_is_not_onnx_is_refused(data: bytes) -> None:
    assert "not an ONNX" in refused(data)


def test_every_truncation_is_refused() -> None:
    data = classifier(16, opset=11).file((3,)).SerializeToString()
    for length in range(0, len(data), 97):
        assert refused(data[:length]).startswith("x.onnx: ")


def lies_elsewhere(tensor: TensorProto) -> None:
    tensor.raw_data = b"\0" * 4
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")


def outside(model: ModelProto) -> None:
    for tensor in model.graph.initializer:
        lies_elsewhere(tensor)


def in_a_constant(model: ModelProto) -> None:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [0.0])
    lies_elsewhere(tensor)
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def with_node(operator: str, *, domain: str = "", **attributes: Any) -> Change:
    def change(model: ModelProto) -> None:
        model.graph.node.append(helper.make_node(operator, ["input1"], ["more"], domain=domain, **attributes))

    return change


def with_loop(model: ModelProto) -> None:
    inner = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "inner", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["more"], body=inner))


def with_function(model: ModelProto) -> None:
    node = helper.make_node("Relu", ["a"], ["b"])
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 11)]))


def in_training(model: ModelProto) -> None:
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    norm.output.extend(["m", "v"])


def random_dropout(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Dropout", ["input1", "r", "training"], ["more"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (outside, "tensors in other files (external data), which are not opened; save all in one: "),
        (in_a_constant, "1 tensors in other files (external data)"),
        (with_node("FusedConv", domain="com.microsoft"), "FusedConv of com.microsoft: operators of other domains"),
        (with_node("Scaler", domain="ai.onnx.ml"), "Scaler of ai.onnx.ml: operators of other domains than ai.onnx"),
        (with_node("Exponential"), "Exponential: opset 11 has no such operator; a custom layer has to be exported as"),
        (with_node("Gelu"), "Gelu: opset 11 has no such operator"),
        (with_node("Scatter"), "Scatter: opset 11 has it no more; export it anew"),
        (with_node("RandomNormalLike"), "RandomNormalLike: draws random numbers, so results could not be repeated"),
        (with_node("StringNormalizer"), "StringNormalizer: works on text, which no network for images has"),
        (with_loop, "Loop: holds a graph (control flow), which is not run; export it for inputs of one shape"),
        (with_function, "1 functions of its own; export it with the standard's operators alone"),
        (lambda model: model.training_info.add(), "how to train it; export it for inference"),
        (lambda model: model.graph.sparse_initializer.add(), "sparse weights; export it with dense ones"),
        (in_training, "BatchNormalization in training mode: export the network in evaluation mode"),
        (random_dropout, "Dropout with a training mode: export the network in evaluation mode"),
    ],
)
def test_what_a_network_at_inference_does_not_need_is_refused_by_name(change: Change, message: str) -> None:
    model = segmentation()
    change(model)
    said = refused(model)
    assert said.startswith("x.onnx: an ONNX file that is not run: 1 problem\n")
    assert message in said


def test_a_file_that_onnx_saved_with_its_weights_beside_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = segmentation()
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size > 0
    assert "tensors in other files" in refused(path.read_bytes())


def test_all_that_is_refused_is_named_in_one_error() -> None:
    model = segmentation()
    for change in (outside, with_loop, with_node("A"), with_node("A"), with_node("B", domain="c")):
        change(model)
    assert "4 problems" in refused(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.graph.node[0].input.append("nowhere"),
        lambda model: model.graph.node.append(model.graph.node[0]),
        lambda model: model.graph.node.insert(0, model.graph.node.pop()),
        lambda model: model.graph.initializer[0].dims.append(2**40),
        lambda model: model.graph.initializer[0].dims.__setitem__(0, -1),
        lambda model: model.graph.node[0].attribute.append(helper.make_attribute("stranger", 1)),
    ],
)
def test_graphs_against_the_standard_are_refused(change: Change) -> None:
    model = segmentation()
    change(model)
    assert refused(model).startswith("x.onnx: not valid ONNX: ")


def test_names_that_are_not_utf_8_are_refused() -> None:
    data = segmentation().SerializeToString().replace(b"sigmoid1", b"sigmoid\xff")
    assert "a name in it is not UTF-8" in refused(data)


@pytest.mark.parametrize("part", [b"\x0a\x00", b"\x2a\x00", b"\x6a\x00"])
def test_a_million_empty_parts_are_counted_and_not_built(part: bytes) -> None:
    """Operators, weights and shapes of two bytes each: a hundred times as long in memory."""
    graph = part * 1_000_000
    length = len(graph)
    varint = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14 & 127 | 128, length >> 21])
    assert "has more than 500,000 parts" in refused(b"\x08\x07\x3a" + varint + graph)


def test_deep_nesting_is_refused() -> None:
    """A type of a sequence of a sequence …, as value information of the graph."""
    kind = b""
    for _ in range(5000):
        inner = b"\x0a" + varint(len(kind)) + kind
        kind = b"\x22" + varint(len(inner)) + inner
    value = b"\x0a\x01v\x12" + varint(len(kind)) + kind
    graph = b"\x6a" + varint(len(value)) + value
    assert "not an ONNX file" in refused(b"\x08\x07\x3a" + varint(len(graph)) + graph)


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])
