"""ONNX files as DeepHealth's EDDL exports them, and the same networks in PyTorch, layer by layer.

EDDL (https://github.com/deephealthproject/eddl, ``src/serialization/onnx``) writes opset 11, one node for each layer
that has the layer's name, weights ``<layer>_W`` and so on as float_data, the first axis named ``batch``, and the last
activation as a layer. Its earlier versions wrote ``Upsample``, which opset 11 does not have. Other old exporters list
weights as inputs, too.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper
from torch import Tensor, nn
from torch.nn import functional


class Eddl(nn.Module):
    """Each method adds a layer to both networks and returns its name."""

    def __init__(self, shape: Sequence[int], opset: int = 11, seed: int = 0) -> None:
        super().__init__()
        self.shape, self.opset = tuple(shape), opset
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._layers: list[tuple[str, tuple[str, ...], Callable[..., Tensor]]] = []
        self._count: Counter[str] = Counter()
        self._random = np.random.default_rng(seed)

    def forward(self, images: Tensor) -> Tensor:
        values = {"input1": images}
        for name, parents, layer in self._layers:
            values[name] = layer(*(values[each] for each in parents))
        return values[self._layers[-1][0]]

    def conv(self, parent: str, inputs: int, maps: int, kernel: int = 3, gain: float = 1) -> str:
        name = self._name("conv2d")
        weight = self._draw(name + "_W", (maps, inputs, kernel, kernel), gain * (inputs * kernel**2) ** -0.5)
        bias = self._draw(name + "_b", (maps,), 0.1 * gain)
        pad = kernel // 2
        how = {"kernel_shape": [kernel] * 2, "pads": [pad] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1}
        return self._add(
            "Conv", name, [parent], lambda x: functional.conv2d(x, weight, bias, padding=pad), ["_W", "_b"], **how
        )

    def batchnorm(self, parent: str, maps: int) -> str:
        name = self._name("batchnorm")
        scale, bias, mean = (self._draw(f"{name}_{each}", (maps,), 0.5) for each in ("scale", "bias", "mean"))
        variance = self._draw(f"{name}_variance", (maps,), 0.5, positive=True)
        return self._add(
            "BatchNormalization",
            name,
            [parent],
            lambda x: functional.batch_norm(x, mean, variance, scale, bias, eps=1e-3),
            ["_scale", "_bias", "_mean", "_variance"],
            epsilon=1e-3,
            momentum=0.99,
        )

    def relu(self, parent: str) -> str:
        return self._add("Relu", self._name("relu"), [parent], functional.relu)

    def sigmoid(self, parent: str) -> str:
        return self._add("Sigmoid", self._name("sigmoid"), [parent], torch.sigmoid)

    def softmax(self, parent: str, axis: int = 1) -> str:
        return self._add("Softmax", self._name("softmax"), [parent], lambda x: torch.softmax(x, axis), axis=axis)

    def maxpool(self, parent: str) -> str:
        how: dict[str, Any] = {"kernel_shape": [2, 2], "pads": [0] * 4, "strides": [2, 2]}
        return self._add("MaxPool", self._name("maxpool"), [parent], lambda x: functional.max_pool2d(x, 2), **how)

    def upsample(self, parent: str, *, as_before: bool = False) -> str:
        name = self._name("upsampling2d")
        self.weights.append(helper.make_tensor(name + "_scales", TensorProto.FLOAT, [4], [1, 1, 2, 2]))
        double = lambda x: functional.interpolate(x, scale_factor=2, mode="nearest")  # noqa: E731
        if as_before or self.opset < 10:
            return self._add("Upsample", name, [parent], double, ["_scales"], mode="nearest")
        self.weights.append(helper.make_tensor(name + "_roi", TensorProto.FLOAT, [8], [0.0] * 4 + [1.0] * 4))
        how = {"coordinate_transformation_mode": "half_pixel", "mode": "nearest"}
        return self._add("Resize", name, [parent], double, ["_roi", "_scales"], **how)

    def concat(self, *parents: str) -> str:
        return self._add("Concat", self._name("concat"), parents, lambda *x: torch.cat(x, 1), axis=1)

    def flatten(self, parent: str, length: int) -> str:
        name = self._name("reshape")
        shape = helper.make_tensor("const_tensor", TensorProto.INT64, [2], [-1, length])
        self.nodes.append(helper.make_node("Constant", [], [name + "_target_shape"], value=shape))
        return self._add("Reshape", name, [parent], lambda x: x.reshape(-1, length), ["_target_shape"])

    def dense(self, parent: str, inputs: int, units: int) -> str:
        name = self._name("dense")
        weight = self._draw(name + "_W", (inputs, units), 2 * inputs**-0.5)
        bias = self._draw(name + "_b", (units,), 0.1)
        how = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
        return self._add("Gemm", name, [parent], lambda x: x @ weight + bias, ["_W", "_b"], **how)

    def file(
        self, output_shape: Sequence[int], *, weights_are_inputs: bool = False, batch: int | str = "batch"
    ) -> ModelProto:
        """The network as a file; both shapes are those of one image."""
        images = helper.make_tensor_value_info("input1", TensorProto.FLOAT, [batch, *self.shape])
        last = helper.make_tensor_value_info(self._layers[-1][0], TensorProto.FLOAT, [batch, *output_shape])
        listed = [helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in self.weights]
        inputs = [images, *(listed if weights_are_inputs else [])]
        graph = helper.make_graph(self.nodes, "Computational Graph", inputs, [last], self.weights)
        opsets = [helper.make_opsetid("", self.opset)]
        oldest = helper.find_min_ir_version_for(opsets)
        return helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=3 if weights_are_inputs else oldest,
            producer_name="EDDL",
            producer_version="1.0",
        )

    def _name(self, kind: str) -> str:
        self._count[kind] += 1
        return f"{kind}{self._count[kind]}"

    def _draw(self, name: str, shape: Sequence[int], scale: float, *, positive: bool = False) -> Tensor:
        values = self._random.normal(0, scale, shape).astype(np.float32)
        if positive:
            values = np.abs(values) + np.float32(0.5)
        self.weights.append(helper.make_tensor(name, TensorProto.FLOAT, shape, values.ravel().tolist()))
        return torch.from_numpy(values)

    def _add(
        self,
        operator: str,
        name: str,
        parents: Sequence[str],
        layer: Callable[..., Tensor],
        own: Sequence[str] = (),
        **attributes: Any,
    ) -> str:
        inputs = [*parents, *(name + each for each in own)]
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        self._layers.append((name, tuple(parents), layer))
        return name


def segmenter(
    side: int = 32, channels: int = 3, classes: int = 1, opset: int = 11, *, as_before: bool = False, seed: int = 0
) -> Eddl:
    """A small U-Net that ends in a sigmoid; ``as_before`` with Upsample whatever the opset."""
    net = Eddl((channels, side, side), opset, seed)
    first = net.relu(net.batchnorm(net.conv("input1", channels, 4), 4))
    deep = net.relu(net.batchnorm(net.conv(net.maxpool(first), 4, 8), 8))
    joined = net.concat(net.upsample(deep, as_before=as_before), first)
    net.sigmoid(net.conv(net.relu(net.conv(joined, 12, 4)), 4, classes, kernel=1, gain=20))
    return net


def classifier(side: int = 32, channels: int = 3, classes: int = 3, opset: int = 11, seed: int = 0) -> Eddl:
    """Two convolutions and two dense layers that end in a softmax."""
    net = Eddl((channels, side, side), opset, seed)
    first = net.maxpool(net.relu(net.conv("input1", channels, 4)))
    second = net.maxpool(net.relu(net.conv(first, 4, 8)))
    length = 8 * (side // 4) ** 2
    hidden = net.relu(net.dense(net.flatten(second, length), length, 16))
    net.softmax(net.dense(hidden, 16, classes))
    return net


def save(model: ModelProto, path: object) -> None:
    """Write a file."""
    onnx.save(model, str(path))
