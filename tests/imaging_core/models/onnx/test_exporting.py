"""Our architectures as ONNX: onnxruntime gives what PyTorch does, or nothing is written."""

from collections.abc import Callable
from typing import Any

import onnx
import pytest
import torch
from onnx import shape_inference
from torch import nn

from imaging_core.errors import NotAcceptableError, UsageError
from imaging_core.models import registry
from imaging_core.models.onnx import exporting
from imaging_core.models.onnx.exporting import TOLERANCE, export

SMALL = {
    "lenet5": {"side": 16},
    "resnet18": {"side": 32},
    "resnet50": {"side": 32},
    "resnet152": {"side": 32},
    "segnet": {"side": 32},
    "unet": {"side": 16, "width": 2},
    "unet3d": {"side": 8, "width": 2},
    "vgg16": {"side": 32},
}


def test_every_architecture_is_exported_here() -> None:
    assert set(SMALL) == set(registry.ARCHITECTURES)


def exported(make_model: Callable[..., Any], name: str, opset: int, **how: Any) -> onnx.ModelProto:
    card, model = make_model(name, channels=3, **SMALL[name] | how)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    data, difference = export(model, card, opset)
    assert 0 <= difference <= TOLERANCE
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    file = onnx.load_model_from_string(data)
    onnx.checker.check_model(file)
    assert [each.name for each in file.graph.input] == ["images"]
    assert [each.name for each in file.graph.output] == ["scores"]
    return file


@pytest.mark.parametrize("name", SMALL)
def test_every_architecture_gives_the_same_in_onnxruntime(make_model: Callable[..., Any], name: str) -> None:
    file = exported(make_model, name, exporting.DEFAULT_OPSET)
    assert file.opset_import[0].version == exporting.DEFAULT_OPSET
    assert b"site-packages" not in file.SerializeToString()  # nor where it was made


@pytest.mark.parametrize(
    ("name", "own", "opset"),
    [
        ("lenet5", {}, 9),
        ("lenet5", {}, 20),
        ("unet", {}, 9),
        ("unet", {"batch_norm": False}, 20),
        ("segnet", {"upsampling": "nearest"}, 11),
    ],
)
def test_other_opsets_and_parameters(make_model: Callable[..., Any], name: str, own: Any, opset: int) -> None:
    assert exported(make_model, name, opset, **own).opset_import[0].version == opset


def test_its_batch_is_of_any_size(make_model: Callable[..., Any]) -> None:
    file = exported(make_model, "unet", 17)
    assert file.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    file.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 5
    file.graph.output[0].type.tensor_type.ClearField("shape")
    inferred = shape_inference.infer_shapes(file, strict_mode=True, data_prop=True)
    assert [each.dim_value for each in inferred.graph.output[0].type.tensor_type.shape.dim] == [5, 2, 16, 16]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (7, 7), (9, 12), (14, 21)])
def test_pooling_in_products_is_adaptive_pooling(height: int, width: int) -> None:
    maps = torch.rand(2, 3, height, width)
    expected = nn.functional.adaptive_avg_pool2d(maps, 7)
    torch.testing.assert_close(exporting.Averages(height, width, 7)(maps), expected)


@pytest.mark.parametrize("opset", [0, 8, 21, 100])
def test_opsets_that_pytorch_does_not_write_are_refused(make_model: Callable[..., Any], opset: int) -> None:
    card, model = make_model("lenet5", 16)
    with pytest.raises(UsageError, match=f"--opset {opset}: 9 to 20 are written"):
        export(model, card, opset)


def test_an_operator_that_an_opset_lacks_is_named(
    make_model: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    card, _ = make_model("lenet5", 16)

    class Turned(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.linalg.matrix_exp(images).flatten(1)[:, :2]

    with pytest.raises(UsageError, match=r"^--opset 11: .*; take another, the default is 17$"):
        export(Turned(), card, 11)
    assert capfd.readouterr() == ("", "")


def test_a_difference_is_told_and_nothing_comes_of_it(make_model: Callable[..., Any]) -> None:
    """A network that does something else when it is traced than when it computes."""
    card, model = make_model("lenet5", 16)

    class Deceiving(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.inner(images)
            return scores + 2e-4 if torch.jit.is_tracing() else scores

    with pytest.raises(NotAcceptableError, match=r"differs from PyTorch's by up to 0\.0002, more than 0\.0001"):
        export(Deceiving().eval(), card, 17)
