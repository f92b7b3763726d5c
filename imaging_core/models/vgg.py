"""VGG-16 (Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556), with torchvision's names of weights."""

from pydantic import Field
from torch import Tensor, nn

from imaging_core.models.architecture import Architecture, Parameters, require_at_least
from imaging_core.models.card import Input

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Feature maps and convolutions of each stage; every stage ends by halving height and width."""

SMALLEST_SIDE = 32


class VGG16Parameters(Parameters):
    """VGG-16's own parameters."""

    batch_norm: bool = Field(False, description="batch normalisation after every convolution (torchvision's vgg16_bn)")
    dropout: float = Field(0.5, ge=0, lt=1, description="share of the dense layers' inputs left out while training")


class VGG16(nn.Module):
    """Thirteen 3 x 3 convolutions and three dense layers."""

    def __init__(self, card: Input, channels: int, parameters: VGG16Parameters) -> None:
        super().__init__()
        require_at_least(card, SMALLEST_SIDE)
        layers: list[nn.Module] = []
        previous = card.channels
        for maps, count in STAGES:
            for _ in range(count):
                layers += convolution(previous, maps, batch_norm=parameters.batch_norm)
                previous = maps
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(previous * 7 * 7, 4096), nn.ReLU(), nn.Dropout(parameters.dropout),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(parameters.dropout),
            nn.Linear(4096, channels),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """N x input channels x height x width to N x channels."""
        scores: Tensor = self.classifier(self.avgpool(self.features(images)).flatten(1))
        return scores


def convolution(inputs: int, maps: int, *, batch_norm: bool) -> list[nn.Module]:
    """A 3 x 3 convolution that keeps height and width, then batch normalisation if wanted, then ReLU."""
    norm: list[nn.Module] = [nn.BatchNorm2d(maps)] if batch_norm else []
    return [nn.Conv2d(inputs, maps, 3, padding=1), *norm, nn.ReLU()]


VGG_16 = Architecture("VGG-16 (Simonyan and Zisserman 2015)", "classification", VGG16Parameters, VGG16)
