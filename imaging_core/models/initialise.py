"""First weights of a network, from a seed."""

import math

import torch
from torch import Tensor, nn

from imaging_core.models.architecture import ResidualBlock


def initialise(skeleton: nn.Module, seed: int) -> nn.Module:
    """Give a network on the meta device its first weights, in place; the same seed gives the same bits everywhere.

    Convolutions and dense layers: uniform in ±sqrt(6 / fan in), which has the variance of He et al. 2015
    (https://arxiv.org/abs/1502.01852); biases 0. Batch normalisation: scale 1, shift 0, mean 0, variance 1.
    The last one of a residual block starts with scale 0 (Goyal et al. 2017, https://arxiv.org/abs/1706.02677).
    Uniform in steps of one rounding each, since normal deviates and fused steps differ in their last bits between
    instruction sets.
    """
    empty = {name: torch.empty(value.shape, dtype=value.dtype) for name, value in skeleton.state_dict().items()}
    skeleton.load_state_dict(empty, assign=True)  # to_empty() would import SymPy
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in skeleton.modules():
            match module:
                case nn.Conv2d() | nn.Conv3d() | nn.ConvTranspose2d() | nn.ConvTranspose3d() | nn.Linear():
                    bound = math.sqrt(6 / _fan_in(module))
                    module.weight.uniform_(generator=random).mul_(2 * bound).sub_(bound)
                    if module.bias is not None:
                        module.bias.zero_()
                case nn.BatchNorm2d() | nn.BatchNorm3d():
                    module.reset_parameters()
                case _ if any(True for _ in module.parameters(recurse=False)):
                    raise TypeError(f"no rule for the first weights of {type(module).__name__}")
        for module in skeleton.modules():
            if isinstance(module, ResidualBlock):
                module.last_norm().weight.zero_()
    return skeleton


def _fan_in(module: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d | nn.Linear) -> int:
    """How many inputs one output sums."""
    weight: Tensor = module.weight
    if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):  # inputs x outputs x sides; with stride = side, one
        return weight.shape[0] * math.prod(k // s for k, s in zip(module.kernel_size, module.stride, strict=True))
    return math.prod(weight.shape[1:])
