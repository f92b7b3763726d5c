"""Mutated ONNX files: of their bytes, and of the network in them."""

import random
from collections.abc import Callable

import onnx
from onnx import AttributeProto, ModelProto, TensorProto, helper

from imaging_core.models.card import UNPACKED, Card, make_card
from tests.onnx_files import classifier, segmenter

SIDE, BATCH = 16, 2
NUMBERS = (-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 5, 7, 16, 255, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)
WORDS = (
    "",
    "x",
    "input1",
    "SAME_UPPER",
    "linear",
    "cubic",
    "ai.onnx.ml",
    "a" * 5000,
    "\u0000",
    "ä",
    "../../etc/passwd",
)
OPERATORS = sorted({each.name for each in onnx.defs.get_all_schemas() if each.domain == ""})


def seeds() -> list[tuple[bytes, Card]]:
    """Whole files, each with the card that it fits."""
    made = []
    for opset in (9, 11, 18, 28):
        made.append((segmenter(SIDE, opset=opset).file((1, SIDE, SIDE)), _card("segmentation", "binary", 1)))
        made.append((classifier(SIDE, opset=opset).file((3,)), _card("classification", "multiclass", 3)))
    old = segmenter(SIDE, as_before=True).file((1, SIDE, SIDE), weights_are_inputs=True)
    made.append((old, _card("segmentation", "binary", 1)))
    return [(model.SerializeToString(), card) for model, card in made]


def _card(task: str, kind: str, classes: int) -> Card:
    values = {
        "name": "mutated",
        "task": task,
        "architecture": {"name": "onnx"},
        "input": {"height": SIDE, "width": SIDE, "channels": 3},
        "batch": BATCH,
        "output": {"kind": kind, "activation": "none", "classes": [f"class {n}" for n in range(classes)]},
        "weights": UNPACKED.model_dump(),
    }
    return make_card(values, "card")


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One of them with some changes."""
    if rng.random() < 0.85:
        model = onnx.load_model_from_string(data)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(_CHANGES)(rng, model)
        data = model.SerializeToString()
        if rng.random() < 0.8:
            return data
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = _bytes_changed(rng, data)
    return data


def _bytes_changed(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice((1, 1, 2, 8, 100)))
    match rng.randrange(6):
        case 0:
            return data[:start]
        case 1:
            return data[:start] + rng.randbytes(end - start) + data[end:]
        case 2:
            return data[:start] + data[end:]
        case 3:
            return data[:start] + b"\xff" * rng.choice((1, 4, 9)) + b"\x01" + data[start:]
        case 4:
            return data[:start] + data[start:end] * rng.choice((2, 50)) + data[end:]
        case _:
            return data[:start] + bytes([1 << rng.randrange(8)]) + data[start + 1 :]


def _dims(rng: random.Random, model: ModelProto) -> None:
    tensor = rng.choice(model.graph.initializer)
    if tensor.dims and rng.random() < 0.8:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
    else:
        tensor.dims.append(rng.choice(NUMBERS))


def _values(rng: random.Random, model: ModelProto) -> None:
    tensor = rng.choice(model.graph.initializer)
    match rng.randrange(4):
        case 0:
            tensor.data_type = rng.randrange(24)
        case 1:
            tensor.raw_data = rng.randbytes(rng.choice((0, 1, 8, 64)))
        case 2 if tensor.float_data:
            tensor.float_data[rng.randrange(len(tensor.float_data))] = rng.choice((float("nan"), 3e38, -1.0, 1e9, 0.0))
        case _:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=rng.choice(WORDS))


def _operator(rng: random.Random, model: ModelProto) -> None:
    node = rng.choice(model.graph.node)
    node.op_type = rng.choice(OPERATORS)
    if rng.random() < 0.7:
        node.ClearField("attribute")


def _attribute(rng: random.Random, model: ModelProto) -> None:
    node = rng.choice(model.graph.node)
    if not node.attribute or rng.random() < 0.2:
        value = rng.choice((rng.choice(NUMBERS), [rng.choice(NUMBERS)] * rng.randint(1, 5), rng.choice(WORDS)))
        node.attribute.append(helper.make_attribute(rng.choice(("axis", "group", "pads", "mode", "to")), value))
        return
    attribute = rng.choice(node.attribute)
    match attribute.type:
        case AttributeProto.INTS if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
        case AttributeProto.INT:
            attribute.i = rng.choice(NUMBERS)
        case AttributeProto.STRING:
            attribute.s = rng.choice(WORDS).encode()
        case AttributeProto.TENSOR:
            attribute.t.dims.append(rng.choice(NUMBERS))
        case _:
            attribute.type = rng.randrange(15)


def _wiring(rng: random.Random, model: ModelProto) -> None:
    graph = model.graph
    names = [name for node in graph.node for name in (*node.input, *node.output)] + ["", "nowhere"]
    node = rng.choice(graph.node)
    match rng.randrange(5):
        case 0 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        case 1:
            node.output[0] = rng.choice(names)
        case 2:
            node.input.append(rng.choice(names))
        case 3:
            graph.node.remove(node)
        case _:
            graph.node.append(node)


def _whole(rng: random.Random, model: ModelProto) -> None:
    graph = model.graph
    match rng.randrange(6):
        case 0:
            model.opset_import[0].version = rng.choice(NUMBERS)
        case 1:
            model.opset_import[0].version = rng.randint(7, 29)
        case 2:
            rng.choice(graph.node).domain = rng.choice(WORDS)
        case 3:
            dims = graph.input[0].type.tensor_type.shape.dim
            dims[rng.randrange(len(dims))].dim_value = rng.choice(NUMBERS)
        case 4:
            graph.input[0].type.tensor_type.elem_type = rng.randrange(24)
        case _:
            rng.choice((*graph.input, *graph.output)).name = rng.choice(WORDS)


_CHANGES: tuple[Callable[[random.Random, ModelProto], None], ...] = (
    _dims, _dims, _values, _operator, _operator, _attribute, _attribute, _wiring, _wiring, _whole,
)  # fmt: skip
