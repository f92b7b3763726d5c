"""Whether an ONNX model is the network that a card describes, and the model as that card has it. Torch-free."""

import math

import onnx
from onnx import GraphProto, ModelProto, ValueInfoProto

from imaging_core.errors import DataError, listing
from imaging_core.models.card import Card, Output
from imaging_core.models.onnx.graph import (
    Ending,
    Port,
    choice,
    dimensions,
    ending,
    in_words,
    inputs_of,
    output_of,
    port_of,
)
from imaging_core.models.onnx.opening import checked, shortened

LARGEST_VALUE = 4 * 1024**3
"""Bytes of one value between two operators, for the card's whole batch; what is larger is taken for hostile."""


def fitted(model: ModelProto, card: Card, where: str) -> bytes:
    """The model as the card has it: that batch, that output alone, weights as constants; ``model`` itself is changed.

    Raises:
        DataError: it is not the network that the card describes; all problems are listed.
    """
    graph = model.graph
    wanted = choice(card.architecture.parameters, where)
    problems = [*_of_precision(card), *_of_activation(ending(model, wanted, where), card.output)]
    inputs = inputs_of(graph)
    if len(inputs) != 1:
        names = ", ".join(shortened(each.name) for each in inputs) or "none"
        problems.append(f"{len(inputs)} inputs ({names}); a network that takes one, the images, is run")
    else:
        problems += _of_input(port_of(inputs[0]), card)
    if problems:
        raise DataError(listing(f"{where}: not the network that the card describes", problems))
    _fix(graph, inputs[0], output_of(graph, wanted, where), card)
    inferred = checked(
        where,
        f"the shapes do not fit together for inputs of {dimensions(_input_shape(card))}",
        lambda: onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True),
    )
    problems = _of_shapes(inferred.graph, card)
    if problems:
        raise DataError(listing(f"{where}: not the network that the card describes", problems))
    data: bytes = checked(where, "too large", model.SerializeToString)
    return data


def output_shape(card: Card) -> tuple[int, ...]:
    """What the network has to return: batch x classes (x depth) (x height x width)."""
    shape: tuple[int, ...] = (card.batch, card.output.channels)
    return (*shape, *card.input.size) if card.task == "segmentation" else shape


def _of_precision(card: Card) -> list[str]:
    if card.precision in ("fp32", "tf32"):
        return []
    return [f"precision {card.precision}: an ONNX file says itself which types it computes in; take fp32 or tf32"]


def _of_activation(ends: Ending | None, output: Output) -> list[str]:
    applied = output.activation
    if ends == "log_softmax":
        return [] if applied == "softmax" else ["it ends in LogSoftmax, whose scores are made by activation softmax"]
    if ends is None or applied == "none":
        return []
    return [
        f"it ends in {ends.capitalize()} itself, and the card's activation {applied} would be applied to that again; "
        "take activation none"
    ]


def _of_input(port: Port, card: Card) -> list[str]:
    problems = []
    if port.type not in ("float32", "float16"):
        problems.append(f"input {port.name!r} is {port.type}; float32 or float16 is given to it: export it so")
    if port.shape is None:
        return problems
    wanted, last = _input_shape(card), (*card.input.size, card.input.channels)
    batch, *others = port.shape if port.shape else (None,)
    as_many = len(port.shape) == len(wanted)
    if as_many and _fits(others, last) and not _fits(others, wanted[1:]):
        problems.append(f"input {port.name!r} is {in_words(port)}, channels last; export it with channels first")
    elif not as_many or not _fits(others, wanted[1:]):
        problems.append(
            f"input {port.name!r} is {in_words(port)}, the card's is {dimensions(wanted)} (batch, channels, "
            f"{_sides(card)}); mend --channels and --input-size"
        )
    if isinstance(batch, int) and batch != card.batch:
        problems.append(
            f"its batch is fixed at {batch}, the card's is {card.batch}; pack with --batch {batch}, or export it "
            "with a batch of any size"
        )
    return problems


def _of_shapes(graph: GraphProto, card: Card) -> list[str]:
    """Whether the output is the card's, and no value is too large, as far as shapes can be told beforehand."""
    problems = [
        f"value {port.name!r} is {in_words(port)}: more than {LARGEST_VALUE // 1024**3} GiB; take a smaller batch"
        for port in map(port_of, graph.value_info)
        if _bytes(port) > LARGEST_VALUE
    ]
    output = port_of(graph.output[0])
    promised = output_shape(card)
    if output.type not in ("float32", "float16"):
        problems.append(
            f"output {output.name!r} is {output.type}; scores are float32 or float16: export it without classes"
        )
    if output.shape is not None and (len(output.shape) != len(promised) or not _fits(output.shape, promised)):
        axes = f"batch, classes, {_sides(card)}" if card.task == "segmentation" else "batch, classes"
        problems.append(
            f"output {output.name!r} is {in_words(output)}, a {card.task} of this card gives {dimensions(promised)} "
            f"({axes}); mend --classes, --kind or --task"
        )
    return problems


def _fix(graph: GraphProto, image: ValueInfoProto, output: ValueInfoProto, card: Card) -> None:
    """Forget what the file claims of shapes, and say the card's."""
    taken, given = ValueInfoProto(), ValueInfoProto()
    taken.name, given.name = image.name, output.name
    taken.type.tensor_type.elem_type = image.type.tensor_type.elem_type
    for size in _input_shape(card):
        taken.type.tensor_type.shape.dim.add().dim_value = size
    given.type.tensor_type.elem_type = output.type.tensor_type.elem_type
    for field in ("input", "output", "value_info", "quantization_annotation"):
        graph.ClearField(field)
    graph.input.append(taken)
    graph.output.append(given)


def _input_shape(card: Card) -> tuple[int, ...]:
    return (card.batch, card.input.channels, *card.input.size)


def _sides(card: Card) -> str:
    return "height, width" if card.input.depth is None else "depth, height, width"


def _bytes(port: Port) -> int:
    known = [each for each in port.shape or () if isinstance(each, int)]
    width = 8 if "64" in port.type else 2 if "16" in port.type else 4
    return math.prod(known) * width


def _fits(found: tuple[int | str, ...] | list[int | str], promised: tuple[int, ...]) -> bool:
    return all(size == wanted for size, wanted in zip(found, promised, strict=True) if isinstance(size, int))
