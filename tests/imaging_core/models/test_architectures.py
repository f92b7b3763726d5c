"""Every architecture: shapes, names of weights, and the same numbers as a second implementation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from imaging_core.errors import DataError
from imaging_core.models import registry
from imaging_core.models.segnet import unpool

SMALLEST = {
    "lenet5": 16, "resnet18": 32, "resnet50": 32, "resnet152": 32, "segnet": 32, "unet": 16, "unet3d": 8, "vgg16": 32,
}  # fmt: skip


def sides(name: str, side: int) -> tuple[int, ...]:
    return (side,) * registry.ARCHITECTURES[name].axes


def test_every_architecture_is_tested_here() -> None:
    assert set(SMALLEST) == set(registry.ARCHITECTURES)


@pytest.mark.parametrize("name", SMALLEST)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("classes", [1, 2, 5])
def test_any_channels_and_classes_give_one_score_per_class(
    make_card_of: Callable[..., Any], name: str, channels: int, classes: int
) -> None:
    side = 2 * SMALLEST[name]
    model = registry.build(make_card_of(name, side, channels, classes), "card")
    output = model.eval()(torch.empty(3, channels, *sides(name, side), device="meta"))
    pixels = sides(name, side) if registry.ARCHITECTURES[name].task == "segmentation" else ()
    assert output.shape == (3, classes, *pixels)


@pytest.mark.parametrize("name", [name for name in SMALLEST if name not in ("resnet152", "vgg16")])
def test_an_untrained_network_answers_with_finite_scores_that_depend_on_the_image(
    make_model: Callable[..., Any], name: str
) -> None:
    side = SMALLEST[name]
    _, model = make_model(name, side, channels=2, classes=3)
    with torch.inference_mode():
        output = model(torch.rand(2, 2, *sides(name, side), generator=torch.Generator().manual_seed(1)))
    assert torch.isfinite(output).all()
    assert output.abs().max() < 100
    assert not torch.equal(output[0], output[1])


def test_a_non_square_input_gives_a_mask_of_its_shape(make_card_of: Callable[..., Any]) -> None:
    for name in ("unet", "segnet"):
        card = make_card_of(name)
        card = card.model_copy(update={"input": card.input.model_copy(update={"height": 64, "width": 96})})
        assert registry.build(card, "card").eval()(torch.empty(1, 1, 64, 96, device="meta")).shape == (1, 2, 64, 96)


def torchvision_model(name: str, classes: int) -> nn.Module:
    from torchvision import models  # takes seconds to import

    with torch.device("meta"):
        model: nn.Module = getattr(models, name)(num_classes=classes)
    return model


@pytest.mark.parametrize(
    ("name", "theirs", "own"),
    [
        ("vgg16", "vgg16", {}),
        ("vgg16", "vgg16_bn", {"batch_norm": True}),
        ("resnet18", "resnet18", {}),
        ("resnet50", "resnet50", {}),
        ("resnet152", "resnet152", {}),
    ],
)
def test_weights_have_torchvisions_names_shapes_and_order(
    make_card_of: Callable[..., Any], name: str, theirs: str, own: dict[str, bool]
) -> None:
    model = registry.build(make_card_of(name, 224, channels=3, classes=7, **own), "card")
    ours = [(key, tensor.shape, tensor.dtype) for key, tensor in model.state_dict().items()]
    assert ours == [(key, t.shape, t.dtype) for key, t in torchvision_model(theirs, 7).state_dict().items()]


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "resnet50"])
def test_torchvisions_network_gives_the_same_scores(make_model: Callable[..., Any], name: str) -> None:
    _, model = make_model(name, 64, channels=3, classes=4)
    random = torch.Generator().manual_seed(2)
    for key, tensor in model.state_dict().items():
        if ("bn" in key or "downsample.1" in key) and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=random)
    theirs = torchvision_model(name, 4).eval()
    theirs.load_state_dict(model.state_dict(), assign=True)
    images = torch.rand(2, 3, 64, 64, generator=random)
    with torch.inference_mode():
        assert torch.equal(model(images), theirs(images))


@contextmanager
def algorithms(*, deterministic: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def pytorchs_unpool(values: Tensor, indices: Tensor) -> Tensor:
    with algorithms(deterministic=False):
        return functional.max_unpool2d(values, indices, 2)


def conv_norm_relu(x: Tensor, weights: dict[str, Tensor], conv: str, norm: str | None) -> Tensor:
    x = functional.conv2d(x, weights.pop(f"{conv}.weight"), weights.pop(f"{conv}.bias"), padding=1)
    if norm is not None:
        weights.pop(f"{norm}.num_batches_tracked")
        mean, var = weights.pop(f"{norm}.running_mean"), weights.pop(f"{norm}.running_var")
        x = functional.batch_norm(x, mean, var, weights.pop(f"{norm}.weight"), weights.pop(f"{norm}.bias"))
    return functional.relu(x)


def test_lenet_is_the_published_one(make_model: Callable[..., Any]) -> None:
    _, model = make_model("lenet5", 32, channels=1, classes=10)
    weights = dict(model.state_dict())
    assert sum(tensor.numel() for tensor in weights.values()) == 61_706
    images = torch.rand(3, 1, 32, 32)
    x = images
    for layer in ("features.0", "features.3"):
        x = functional.conv2d(x, weights.pop(f"{layer}.weight"), weights.pop(f"{layer}.bias"))
        x = functional.max_pool2d(functional.relu(x), 2)
    x = x.flatten(1)
    for layer in ("classifier.1", "classifier.4", "classifier.6"):
        x = functional.linear(x, weights.pop(f"{layer}.weight"), weights.pop(f"{layer}.bias"))
        x = functional.relu(x) if layer != "classifier.6" else x
    with torch.inference_mode():
        assert torch.equal(model(images), x)
    assert not weights


@pytest.mark.parametrize("batch_norm", [True, False])
def test_unet_is_the_published_one_with_padding(make_model: Callable[..., Any], batch_norm: bool) -> None:
    _, model = make_model("unet", 16, channels=3, classes=2, width=4, depth=2, batch_norm=batch_norm)
    weights = dict(model.state_dict())
    step = 3 if batch_norm else 2

    def level(x: Tensor, name: str) -> Tensor:
        for index in (0, step):
            x = conv_norm_relu(x, weights, f"{name}.{index}", f"{name}.{index + 1}" if batch_norm else None)
        return x

    images = torch.rand(2, 3, 16, 16)
    full = level(images, "down.0")
    half = level(functional.max_pool2d(full, 2), "down.1")
    x = level(functional.max_pool2d(half, 2), "down.2")
    for index, link in enumerate((half, full)):
        enlarge = weights.pop(f"enlarge.{index}.weight"), weights.pop(f"enlarge.{index}.bias")
        x = level(torch.cat((link, functional.conv_transpose2d(x, *enlarge, stride=2)), 1), f"up.{index}")
    x = functional.conv2d(x, weights.pop("output.weight"), weights.pop("output.bias"))
    with torch.inference_mode():
        assert torch.equal(model(images), x)
    assert not weights


def test_unet3d_is_the_published_one_with_padding(make_model: Callable[..., Any]) -> None:
    _, model = make_model("unet3d", 8, channels=3, classes=3, width=32)
    weights = dict(model.state_dict())
    learned = {name: each.numel() for name, each in model.named_parameters()}
    norms = sum(2 * weights[name].numel() for name in weights if name.endswith("running_mean"))
    biases = sum(count for name, count in learned.items() if name.startswith("enlarge") and name.endswith("bias"))
    assert sum(learned.values()) - norms - biases == 19_069_955, "the paper's count, which leaves these out"

    def level(x: Tensor, name: str) -> Tensor:
        for index in (0, 3):
            conv, norm = f"{name}.{index}", f"{name}.{index + 1}"
            x = functional.conv3d(x, weights.pop(f"{conv}.weight"), weights.pop(f"{conv}.bias"), padding=1)
            weights.pop(f"{norm}.num_batches_tracked")
            mean, var = weights.pop(f"{norm}.running_mean"), weights.pop(f"{norm}.running_var")
            x = functional.relu(
                functional.batch_norm(x, mean, var, weights.pop(f"{norm}.weight"), weights.pop(f"{norm}.bias"))
            )
        return x

    patches = torch.rand(2, 3, 8, 8, 8)
    links = [level(patches, "down.0")]
    for number in range(1, 4):
        links.append(level(functional.max_pool3d(links[-1], 2), f"down.{number}"))
    x = links.pop()
    assert x.shape[1] == 512
    for number in range(3):
        enlarge = weights.pop(f"enlarge.{number}.weight"), weights.pop(f"enlarge.{number}.bias")
        x = level(torch.cat((links.pop(), functional.conv_transpose3d(x, *enlarge, stride=2)), 1), f"up.{number}")
    x = functional.conv3d(x, weights.pop("output.weight"), weights.pop("output.bias"))
    with torch.inference_mode():
        torch.testing.assert_close(model(patches), x, atol=1e-5, rtol=1e-5)
    assert not weights


@pytest.mark.parametrize(
    ("name", "wrong"), [("unet3d", "patches of volumes; give input.depth"), ("unet", "images; leave")]
)
def test_images_and_volumes_are_not_mixed_up(make_card_of: Callable[..., Any], name: str, wrong: str) -> None:
    card = make_card_of(name)
    depth = None if card.input.depth else 32
    card = card.model_copy(update={"input": card.input.model_copy(update={"depth": depth})})
    with pytest.raises(DataError, match=f"{name} takes {wrong}"):
        registry.build(card, "card")


@pytest.mark.parametrize("upsampling", ["unpool", "nearest"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_segnet_is_the_published_one_or_deephealths(
    make_model: Callable[..., Any], upsampling: str, batch_norm: bool
) -> None:
    _, model = make_model("segnet", 32, channels=3, classes=2, upsampling=upsampling, batch_norm=batch_norm)
    weights = dict(model.state_dict())
    maps = {name: tensor.shape[:2] for name, tensor in weights.items() if tensor.dim() == 4}
    step = 3 if batch_norm else 2

    def stage(x: Tensor, name: str, convolutions: int) -> Tensor:
        for index in range(0, convolutions * step, step):
            x = conv_norm_relu(x, weights, f"{name}.{index}", f"{name}.{index + 1}" if batch_norm else None)
        return x

    images = torch.rand(2, 3, 32, 32)
    x, positions = images, []
    for number, convolutions in enumerate((2, 2, 3, 3, 3)):
        x, indices = functional.max_pool2d(stage(x, f"encoder.{number}", convolutions), 2, return_indices=True)
        positions.append(indices)
    for number, convolutions in enumerate((3, 3, 3, 2, 1)):
        if upsampling == "unpool":
            x = pytorchs_unpool(x, positions.pop())
        else:
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        x = stage(x, f"decoder.{number}", convolutions)
    last = f"decoder.4.{step}"
    x = functional.conv2d(x, weights.pop(f"{last}.weight"), weights.pop(f"{last}.bias"), padding=1)
    with torch.inference_mode():
        assert torch.equal(model(images), x)
    assert not weights
    assert [tuple(shape) for shape in maps.values()] == [
        (64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (256, 256),
        (512, 256), (512, 512), (512, 512), (512, 512), (512, 512), (512, 512),
        (512, 512), (512, 512), (512, 512), (512, 512), (512, 512), (256, 512),
        (256, 256), (256, 256), (128, 256), (128, 128), (64, 128), (64, 64), (2, 64),
    ]  # fmt: skip


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.booleans(), st.integers(0, 9))
def test_unpooling_is_pytorchs(n: int, c: int, height: int, width: int, channels_last: bool, seed: int) -> None:
    images = torch.randint(0, 3, (n, c, 2 * height, 2 * width), generator=torch.Generator().manual_seed(seed)).float()
    images = images.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    values, indices = functional.max_pool2d(images, 2, return_indices=True)
    assert torch.equal(unpool(values, indices), pytorchs_unpool(values, indices))


def test_segnet_runs_and_learns_with_deterministic_algorithms(make_model: Callable[..., Any]) -> None:
    _, model = make_model("segnet", 32, batch_norm=False)
    with algorithms(deterministic=True):
        model(torch.rand(1, 1, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "side", "own", "message"),
    [
        ("alexnet", 32, {}, r"'alexnet' is not known; known: lenet5, resnet18, .*vgg16"),
        ("lenet5", 8, {}, r"lenet5: input.height is 8; it must be at least 16"),
        ("vgg16", 31, {}, r"vgg16: input.height is 31; it must be at least 32"),
        ("unet", 100, {}, r"unet: input.height is 100, not a multiple of 16; make it 96 or 112"),
        ("unet", 6, {"depth": 3}, r"not a multiple of 8; make it 8$"),
        ("segnet", 100, {}, r"not a multiple of 32; make it 96 or 128"),
        ("unet", 32, {"widht": 4}, r"unet takes: width, depth, batch_norm\): 1 problem\n.*parameters.widht: no such"),
        ("unet", 32, {"depth": 9, "width": "x"}, r"(?s)2 problems.*parameters.width.*integer.*parameters.depth.*6"),
        ("unet", 32, {"batch_norm": 1}, r"parameters.batch_norm: .*boolean"),
        ("segnet", 32, {"upsampling": "bilinear"}, r"parameters.upsampling: .*'unpool' or 'nearest'"),
        ("resnet18", 32, {"width": 4}, r"resnet18 takes: none\)"),
        ("lenet5", 32, {"dropout": float("nan")}, r"parameters.dropout"),
    ],
)
def test_what_an_architecture_cannot_do_is_said(
    make_card_of: Callable[..., Any], name: str, side: int, own: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        registry.build(make_card_of(name, side, **own), "card")


def test_an_architecture_serves_the_task_that_it_is_made_for(make_card_of: Callable[..., Any]) -> None:
    card = make_card_of("unet").model_copy(update={"task": "classification"})
    message = r"unet is made for segmentation, the card's task is classification; for classification: lenet5, resnet18"
    with pytest.raises(DataError, match=message):
        registry.build(card, "card")
