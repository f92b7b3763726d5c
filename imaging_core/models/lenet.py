"""LeNet-5 (LeCun et al. 1998, https://doi.org/10.1109/5.726791), with today's ReLU and maximum pooling."""

from pydantic import Field
from torch import Tensor, nn

from imaging_core.models.architecture import Architecture, Parameters, require_at_least
from imaging_core.models.card import Input

SMALLEST_SIDE = 16


class LeNet5Parameters(Parameters):
    """LeNet-5's own parameters."""

    width: int = Field(1, ge=1, le=64, description="times as many feature maps as in the publication (6, 16, 120, 84)")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the dense layers' inputs left out while training")


class LeNet5(nn.Module):
    """Two convolutions, three dense layers: 61,706 weights for 32 x 32 grey pixels and 10 classes."""

    def __init__(self, card: Input, channels: int, parameters: LeNet5Parameters) -> None:
        super().__init__()
        require_at_least(card, SMALLEST_SIDE)
        first, second, third, fourth = (maps * parameters.width for maps in (6, 16, 120, 84))
        self.features = nn.Sequential(
            nn.Conv2d(card.channels, first, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 5), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        height, width = (((side - 4) // 2 - 4) // 2 for side in (card.height, card.width))
        self.classifier = nn.Sequential(
            nn.Dropout(parameters.dropout), nn.Linear(second * height * width, third), nn.ReLU(),
            nn.Dropout(parameters.dropout), nn.Linear(third, fourth), nn.ReLU(),
            nn.Linear(fourth, channels),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """N x input channels x height x width to N x channels."""
        scores: Tensor = self.classifier(self.features(images).flatten(1))
        return scores


LENET5 = Architecture(
    "LeNet-5, for small images (LeCun et al. 1998)", "classification", LeNet5Parameters, LeNet5
)  # fmt: skip
