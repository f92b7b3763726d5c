"""ResNet-18, -50 and -152 (He et al. 2016, https://arxiv.org/abs/1512.03385), with torchvision's names of weights.

As in torchvision, the bottleneck block halves in its 3 x 3 convolution ("ResNet v1.5").
"""

from functools import partial

from torch import Tensor, nn

from imaging_core.models.architecture import AnyArchitecture, Architecture, Parameters, ResidualBlock
from imaging_core.models.card import Input


class ResNetParameters(Parameters):
    """A ResNet has no parameters of its own."""


class BasicBlock(ResidualBlock):
    """Two 3 x 3 convolutions around a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, maps: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, maps, 3, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.conv2 = _convolution(maps, maps, 3)
        self.bn2 = nn.BatchNorm2d(maps)
        self.downsample = _shortcut(inputs, maps, stride)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """N x inputs x H x W to N x maps x H/stride x W/stride."""
        residual = self.relu(self.bn1(self.conv1(images)))
        residual = self.bn2(self.conv2(residual))
        return _joined(self, images, residual)

    def last_norm(self) -> nn.BatchNorm2d:
        """The batch normalisation before the sum."""
        return self.bn2


class Bottleneck(ResidualBlock):
    """1 x 1, 3 x 3 and 1 x 1 convolutions around a shortcut; the last has four times as many maps."""

    expansion = 4

    def __init__(self, inputs: int, maps: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, maps, 1)
        self.bn1 = nn.BatchNorm2d(maps)
        self.conv2 = _convolution(maps, maps, 3, stride)
        self.bn2 = nn.BatchNorm2d(maps)
        self.conv3 = _convolution(maps, maps * self.expansion, 1)
        self.bn3 = nn.BatchNorm2d(maps * self.expansion)
        self.downsample = _shortcut(inputs, maps * self.expansion, stride)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """N x inputs x H x W to N x 4 maps x H/stride x W/stride."""
        residual = self.relu(self.bn1(self.conv1(images)))
        residual = self.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        return _joined(self, images, residual)

    def last_norm(self) -> nn.BatchNorm2d:
        """The batch normalisation before the sum."""
        return self.bn3


Block = type[BasicBlock] | type[Bottleneck]


class ResNet(nn.Module):
    """A 7 x 7 convolution, four layers of residual blocks, the mean over the picture, one dense layer."""

    def __init__(
        self,
        card: Input,
        channels: int,
        _parameters: ResNetParameters,
        block: Block,
        blocks: tuple[int, int, int, int],
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(card.channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = 64
        for number, (count, maps) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), start=1):
            layer = []
            for index in range(count):
                layer.append(block(inputs, maps, stride=2 if index == 0 and number > 1 else 1))
                inputs = maps * block.expansion
            self.add_module(f"layer{number}", nn.Sequential(*layer))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, channels)

    def forward(self, images: Tensor) -> Tensor:
        """N x input channels x height x width to N x channels."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for number in range(1, 5):
            maps = self.get_submodule(f"layer{number}")(maps)
        scores: Tensor = self.fc(self.avgpool(maps).flatten(1))
        return scores


def _convolution(inputs: int, maps: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, maps, side, stride=stride, padding=side // 2, bias=False)


def _shortcut(inputs: int, maps: int, stride: int) -> nn.Sequential | None:
    """A 1 x 1 convolution where the shapes of a block's input and output differ."""
    if stride == 1 and inputs == maps:
        return None
    return nn.Sequential(_convolution(inputs, maps, 1, stride), nn.BatchNorm2d(maps))


def _joined(block: BasicBlock | Bottleneck, images: Tensor, residual: Tensor) -> Tensor:
    shortcut = images if block.downsample is None else block.downsample(images)
    joined: Tensor = block.relu(residual + shortcut)
    return joined


def _resnet(
    depth: int, block: type[BasicBlock] | type[Bottleneck], blocks: tuple[int, int, int, int]
) -> AnyArchitecture:
    build = partial(ResNet, block=block, blocks=blocks)
    return Architecture(f"ResNet-{depth} (He et al. 2016)", "classification", ResNetParameters, build)


RESNET18 = _resnet(18, BasicBlock, (2, 2, 2, 2))
RESNET50 = _resnet(50, Bottleneck, (3, 4, 6, 3))
RESNET152 = _resnet(152, Bottleneck, (3, 8, 36, 3))
