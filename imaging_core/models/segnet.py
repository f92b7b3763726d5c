"""SegNet (Badrinarayanan et al. 2017, https://arxiv.org/abs/1511.00561): VGG-16's convolutions, and their mirror.

The publication normalises batches and unpools by the encoder's maximum positions: the defaults here. DeepHealth's
SegNet repeats pixels instead (``upsampling: nearest``), with or without ``batch_norm``.
"""

from itertools import pairwise
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from imaging_core.models.architecture import Architecture, Parameters, require_multiple
from imaging_core.models.card import Input
from imaging_core.models.vgg import STAGES, convolution


class SegNetParameters(Parameters):
    """SegNet's own parameters."""

    batch_norm: bool = Field(True, description="batch normalisation after every convolution but the last")
    upsampling: Literal["unpool", "nearest"] = Field(
        "unpool", description="unpool puts values back where the encoder's maxima were; nearest repeats them"
    )


class SegNet(nn.Module):
    """Five stages down, five stages up; no links but the positions of the maxima."""

    def __init__(self, card: Input, channels: int, parameters: SegNetParameters) -> None:
        super().__init__()
        require_multiple(card, 2 ** len(STAGES))
        self.upsampling = parameters.upsampling
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = []
        inputs = card.channels
        for number, (maps, count) in enumerate(STAGES):
            sides = [inputs] + [maps] * count
            encoder.append(_stage(sides, batch_norm=parameters.batch_norm))
            if number == 0:
                last = nn.Conv2d(maps, channels, 3, padding=1)
                decoder.append(nn.Sequential(*_stage([maps] * count, batch_norm=parameters.batch_norm), last))
            else:
                decoder.append(_stage(sides[::-1], batch_norm=parameters.batch_norm))
            inputs = maps
        self.encoder = nn.ModuleList(encoder)
        self.decoder = nn.ModuleList(reversed(decoder))

    def forward(self, images: Tensor) -> Tensor:
        """N x input channels x height x width to N x channels x height x width."""
        maps = images
        positions = []
        for stage in self.encoder:
            maps, indices = functional.max_pool2d(stage(maps), 2, return_indices=True)
            positions.append(indices)
        for stage in self.decoder:
            indices = positions.pop()
            if self.upsampling == "unpool":
                maps = stage(unpool(maps, indices))
            else:
                maps = stage(functional.interpolate(maps, scale_factor=2))
        return maps


def unpool(values: Tensor, indices: Tensor) -> Tensor:
    """Undo a 2 x 2 maximum pooling: each value goes back to its position, zeros fill the rest.

    The same as PyTorch's ``max_unpool2d``, which refuses to run with deterministic algorithms: it does not know that
    windows that do not overlap have different positions.

    Args:
        values: N x C x H x W.
        indices: positions as ``max_pool2d`` returns them, N x C x H x W, int64.

    Returns:
        N x C x 2 H x 2 W.
    """
    n, c, height, width = values.shape
    empty = values.new_zeros((n, c, 4 * height * width))
    return empty.scatter(2, indices.flatten(2), values.flatten(2)).view(n, c, 2 * height, 2 * width)


def _stage(sides: list[int], *, batch_norm: bool) -> nn.Sequential:
    """Convolutions from each number of feature maps to the next."""
    layers = [convolution(a, b, batch_norm=batch_norm) for a, b in pairwise(sides)]
    return nn.Sequential(*(layer for group in layers for layer in group))


SEGNET = Architecture(
    "SegNet with VGG-16's encoder (Badrinarayanan et al. 2017)", "segmentation", SegNetParameters, SegNet
)
