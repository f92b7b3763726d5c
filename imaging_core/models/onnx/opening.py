"""Opens an ONNX file: bytes only, the standard's own operators only, nothing that a network at inference does not need.

What is refused, by name and with the fix: data in other files, operators of other domains or unknown to the file's
opset, functions and graphs inside graphs (control flow), operators on text, random numbers, layers in training mode.
Every file is parsed and checked by the onnx package; onnxruntime sees it only afterwards. Torch-free.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TypeVar

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from imaging_core.errors import DataError, listing
from imaging_core.models.onnx.wire import count_fields

T = TypeVar("T")

OLDEST_OPSET = 9
NEWEST_OPSET: int = onnx.defs.onnx_opset_version()
LARGEST_FILE = 2**31 - 1
"""Bytes; no Protocol Buffers message is longer."""

MOST_FIELDS = 500_000
"""Operators, their attributes, names and sizes, not single weights; deep networks have some tens of thousands."""

_STANDARD = ("", "ai.onnx")
_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
_LONGEST_TEXT = 300
_UPSAMPLE_ENDS, _RESIZE_TAKES_ROI = 10, 11


def open_model(data: bytes, where: str) -> ModelProto:
    """The model of a file, checked; ``where`` names it in errors.

    ``Upsample``, which the standard took away with opset 10 and EDDL went on writing, is a ``Resize`` afterwards.

    Raises:
        DataError: not ONNX, or ONNX that is refused; all problems are listed.
        MemoryError: there is none to hold it.
    """
    model = _parsed(data, where)
    if any(isinstance(name, bytes) for name in _names(model)):  # as protobuf gives what is not UTF-8
        raise DataError(f"{where}: damaged: a name in it is not UTF-8; copy it again, or export it anew")
    version = _opset(model, where)
    problems = [*_of_model(model), *_of_nodes(model.graph.node, version)]
    if problems:
        raise DataError(listing(f"{where}: an ONNX file that is not run", problems))
    _mend_upsample(model.graph, version)
    model.ir_version = max(model.ir_version, 4)  # before 4, weights had to be inputs, too
    checked(where, "not valid ONNX", lambda: onnx.checker.check_model(model))
    return model


def opset_of(model: ModelProto) -> int:
    """The version of the standard's operators that a model wants; 0 when it does not say."""
    return next((each.version for each in model.opset_import if each.domain in _STANDARD), 0)


def checked(where: str, what: str, check: Callable[[], T]) -> T:
    """What ``check`` gives; DataError when the onnx package finds something wrong, of whatever type."""
    try:
        return check()
    except MemoryError:
        raise
    except Exception as error:  # ValidationError, InferenceError, and what hostile values make pybind11 raise
        raise DataError(f"{where}: {what}: {shortened(str(error) or repr(error))}; export it anew") from error


def shortened(text: str) -> str:
    """Words of a library, or a name of a file, in one line that is not too long."""
    line = " ".join(text.split())
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]} …"


def _parsed(data: bytes, where: str) -> ModelProto:
    damaged = "not an ONNX file, or a damaged one"
    fields = checked(where, damaged, lambda: count_fields(data, ModelProto.DESCRIPTOR, MOST_FIELDS))
    if fields > MOST_FIELDS:
        raise DataError(f"{where}: has more than {MOST_FIELDS:,} parts; no network has so many: export it anew")
    model = checked(where, damaged, lambda: onnx.load_model_from_string(data))
    if not model.graph.node or not model.graph.output:
        raise DataError(f"{where}: not an ONNX model: it has no operators or no outputs; export it anew")
    return model


def _names(model: ModelProto) -> Iterator[str | bytes]:
    graph = model.graph
    yield from (model.producer_name, model.producer_version)
    yield from (each.domain for each in model.opset_import)
    for value in (*graph.input, *graph.output):
        yield value.name
        yield from (each.dim_param for each in value.type.tensor_type.shape.dim)
    yield from (each.name for each in graph.initializer)
    for node in graph.node:
        yield from (node.op_type, node.domain, *node.input, *node.output, *(each.name for each in node.attribute))


def _opset(model: ModelProto, where: str) -> int:
    version = opset_of(model)
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        says = f"opset {version}" if version else "no opset"
        raise DataError(f"{where}: {says}; opsets {OLDEST_OPSET} to {NEWEST_OPSET} are run: export it with one of them")
    return version


def _of_model(model: ModelProto) -> Iterator[str]:
    graph = model.graph
    if model.functions:
        yield f"{len(model.functions)} functions of its own; export it with the standard's operators alone"
    if model.training_info:
        yield "how to train it; export it for inference"
    if graph.sparse_initializer:
        yield "sparse weights; export it with dense ones"
    outside = sum(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(graph))
    if outside:
        yield (
            f"{outside} tensors in other files (external data), which are not opened; save all in one: "
            "onnx.save(onnx.load(FILE), NEW_FILE, save_as_external_data=False)"
        )


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _of_nodes(nodes: Iterable[NodeProto], version: int) -> Iterator[str]:
    """One line for each operator that is refused, however often it occurs."""
    seen: set[str] = set()
    for node in nodes:
        problem = _of_node(node, version)
        if problem and problem not in seen:
            seen.add(problem)
            yield problem


def _of_node(node: NodeProto, version: int) -> str | None:
    name = shortened(node.op_type)
    if node.domain not in _STANDARD:
        return f"{name} of {shortened(node.domain)}: operators of other domains than ai.onnx are not run"
    if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for attribute in node.attribute):
        return f"{name}: holds a graph (control flow), which is not run; export it for inputs of one shape"
    if name in _RANDOM:
        return f"{name}: draws random numbers, so results could not be repeated"
    if name == "Dropout" and len(node.input) > 2 and node.input[2]:
        return "Dropout with a training mode: export the network in evaluation mode"
    if name == "BatchNormalization" and (len(node.output) > 1 or _is_set(node, "training_mode")):
        return "BatchNormalization in training mode: export the network in evaluation mode"
    if name == "Upsample":
        return None
    if _is_of_text(node.op_type, version):
        return f"{name}: works on text, which no network for images has; export it anew"
    match _is_offered(node.op_type, version):
        case None:
            return f"{name}: opset {version} has no such operator; a custom layer has to be exported as standard ones"
        case False:
            return f"{name}: opset {version} has it no more; export it anew"
        case _:
            return None


@lru_cache(maxsize=1024)
def _is_offered(operator: str, version: int) -> bool | None:
    """Whether an opset has an operator; False when it did away with it, None when it never had it."""
    try:
        return not onnx.defs.get_schema(operator, version, "").deprecated
    except onnx.defs.SchemaError:
        return None


@lru_cache(maxsize=1024)
def _is_of_text(operator: str, version: int) -> bool:
    """Whether an operator takes nothing but text; the onnx package ends the process at what else it is given."""
    try:
        taken = onnx.defs.get_schema(operator, version, "").inputs
    except onnx.defs.SchemaError:
        return False
    return any(set(each.types) == {"tensor(string)"} for each in taken)


def _is_set(node: NodeProto, attribute: str) -> bool:
    return any(each.name == attribute and each.i for each in node.attribute)


def _mend_upsample(graph: GraphProto, version: int) -> None:
    """Say ``Upsample`` as ``Resize``: opset 10's means the same, later ones by asymmetric coordinates and floor."""
    if version < _UPSAMPLE_ENDS:
        return
    for node in graph.node:
        if node.op_type == "Upsample" and len(node.input) == 2:
            node.op_type = "Resize"
            if version >= _RESIZE_TAKES_ROI:
                values, scales = node.input
                region = f"{node.output[0]}_roi" if node.output else "roi"  # not looked at, but asked for
                graph.initializer.append(onnx.helper.make_tensor(region, TensorProto.FLOAT, [0], []))
                node.ClearField("input")
                node.input.extend([values, region, scales])
                for name, value in (("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")):
                    node.attribute.append(onnx.helper.make_attribute(name, value))
