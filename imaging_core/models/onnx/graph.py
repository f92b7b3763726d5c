"""What is in an ONNX model: operators, weights, inputs, outputs, and what it ends in. Torch-free."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from onnx import GraphProto, ModelProto, TensorProto, TensorShapeProto, ValueInfoProto

from imaging_core.dataset.sample import Task
from imaging_core.errors import DataError
from imaging_core.models.onnx.opening import opset_of, shortened

_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16}
_PASS_ON = {"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_AXES: dict[int, Task] = {2: "classification", 4: "segmentation"}

Ending = Literal["sigmoid", "softmax", "log_softmax"]
_ENDINGS: dict[str, Ending] = {"Sigmoid": "sigmoid", "Softmax": "softmax", "LogSoftmax": "log_softmax"}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output.

    Attributes:
        name: in the file.
        type: ``float32`` and so on.
        shape: numbers; names or question marks where the file leaves it open; None when it says nothing.
    """

    name: str
    type: str
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True, slots=True)
class Graph:
    """What is in an ONNX model.

    Attributes:
        opset: version of the operators.
        producer: what wrote the file.
        inputs: without those that are weights.
        outputs: all of them.
        operators: name to how often it occurs.
        parameters: how many numbers the weights are.
        size: of the model in bytes.
    """

    opset: int
    producer: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: dict[str, int]
    parameters: int
    size: int


def describe(model: ModelProto) -> Graph:
    """What is in a model that :func:`imaging_core.models.onnx.opening.open_model` gave."""
    graph = model.graph
    return Graph(
        opset=opset_of(model),
        producer=shortened(f"{model.producer_name} {model.producer_version}").strip() or "unknown",
        inputs=tuple([port_of(each) for each in inputs_of(graph)]),
        outputs=tuple([port_of(each) for each in graph.output]),
        operators=dict(sorted(Counter(node.op_type for node in graph.node).items())),
        parameters=sum(math.prod(each.dims) for each in graph.initializer if each.data_type in _FLOATS),
        size=model.ByteSize(),
    )


def choice(parameters: Mapping[str, object], where: str) -> str | None:
    """The output that ``architecture.parameters`` of a card name; None when they name none, DataError when more."""
    strangers = [name for name in parameters if name != "output"]
    if strangers:
        raise DataError(f"{where}: architecture.parameters.{strangers[0]}: no such parameter; onnx takes: output")
    name = parameters.get("output")
    if name is not None and not isinstance(name, str):
        raise DataError(f"{where}: architecture.parameters.output: is {name!r}, must be a name; put it in quotes")
    return name


def task_of(model: ModelProto, output: str | None, where: str) -> Task:
    """The task that the output's number of axes tells; DataError when it tells none."""
    port = port_of(output_of(model.graph, output, where))
    task = _AXES.get(len(port.shape or ()))
    if task is None:
        raise DataError(f"{where}: output {port.name!r} is {in_words(port)}; say what it is by --task")
    return task


def ending(model: ModelProto, output: str | None, where: str) -> Ending | None:
    """The activation that an output ends in."""
    name = output_of(model.graph, output, where).name
    producers = {each: node for node in model.graph.node for each in node.output if each}
    for _ in range(len(model.graph.node)):
        node = producers.get(name)
        if node is None or node.op_type not in _PASS_ON or not node.input:
            break
        name = node.input[0]
    node = producers.get(name)
    return None if node is None else _ENDINGS.get(node.op_type)


def inputs_of(graph: GraphProto) -> list[ValueInfoProto]:
    """Those that are not weights; old files list weights as inputs, too."""
    weights = {each.name for each in graph.initializer}
    return [each for each in graph.input if each.name not in weights]


def output_of(graph: GraphProto, name: str | None, where: str) -> ValueInfoProto:
    """The output of that name, or the only one; DataError naming ``where`` and those that there are."""
    names = ", ".join(repr(shortened(each.name)) for each in graph.output[:20])
    if name is None:
        if len(graph.output) > 1:
            raise DataError(f"{where}: has the outputs {names}; say which it is by --parameter output=NAME")
        only: ValueInfoProto = graph.output[0]
        return only
    found: ValueInfoProto | None = next((each for each in graph.output if each.name == name), None)
    if found is None:
        raise DataError(f"{where}: has no output {name!r}; architecture.parameters.output is one of {names}")
    return found


def port_of(value: ValueInfoProto) -> Port:
    """A value as plain values."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return Port(shortened(value.name), str(kind), None)
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple([_size(each) for each in tensor.shape.dim])
    return Port(shortened(value.name), _type_name(tensor.elem_type), shape)


def _size(dimension: TensorShapeProto.Dimension) -> int | str:
    if dimension.HasField("dim_value"):
        return int(dimension.dim_value)
    return shortened(dimension.dim_param) or "?"


def _type_name(number: int) -> str:
    try:
        name: str = TensorProto.DataType.Name(number).lower()
    except ValueError:
        return f"of type {number}"
    return {"float": "float32", "double": "float64"}.get(name, name)


def in_words(port: Port) -> str:
    """Type and shape, as in ``float32 batch x 3 x 192 x 192``."""
    return f"{port.type} {dimensions(port.shape)}" if port.shape is not None else f"{port.type} of any shape"


def dimensions(shape: tuple[int | str, ...]) -> str:
    """A shape for a person."""
    return " x ".join(map(str, shape)) or "a single number"
