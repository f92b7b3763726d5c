"""First weights: from the seed alone, with the stated spread."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from imaging_core.models import registry
from imaging_core.models.initialise import initialise


def digest(model: nn.Module) -> str:
    return hashlib.sha256(save(model.state_dict())).hexdigest()


def test_a_seed_gives_the_same_bits_on_every_machine(make_model: Callable[..., Any]) -> None:
    assert (
        digest(make_model("lenet5", 32, classes=10)[1])
        == "ecadacd328288e33dd63fde86b27bb6568ae7c098e7ca77942bd0c4af0c2c014"
    )


def test_another_seed_gives_other_weights(make_card_of: Callable[..., Any]) -> None:
    card = make_card_of("lenet5")
    first, second = (initialise(registry.build(card, "card"), seed) for seed in (0, 1))
    assert digest(first) != digest(second)


def test_the_callers_random_numbers_are_left_alone(make_model: Callable[..., Any]) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    make_model("lenet5")
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", ["unet", "segnet", "resnet18"])
def test_weights_have_hes_variance(make_model: Callable[..., Any], name: str) -> None:
    _, model = make_model(name)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.numel() > 1000:
            fan_in = module.weight[0].numel()
            assert module.weight.var().item() == pytest.approx(2 / fan_in, rel=0.2)
            assert module.bias is None or not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.running_mean == 0).all()
            assert (module.running_var == 1).all()


def test_a_residual_block_starts_as_its_shortcut(make_model: Callable[..., Any]) -> None:
    _, model = make_model("resnet50")
    block = model.get_submodule("layer1.1")
    maps = torch.rand(1, 256, 4, 4)
    with torch.inference_mode():
        assert torch.equal(block(maps), maps)
