"""U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597), padded so that the mask has the input's size."""

from pydantic import Field
from torch import Tensor, cat, nn

from imaging_core.models.architecture import Architecture, Parameters, require_multiple
from imaging_core.models.card import Input
from imaging_core.models.vgg import convolution


class UNetParameters(Parameters):
    """U-Net's own parameters."""

    width: int = Field(64, ge=1, le=1024, description="feature maps of the first level; each level doubles them")
    depth: int = Field(4, ge=1, le=6, description="levels below the first; each halves height and width")
    batch_norm: bool = Field(True, description="batch normalisation after every convolution")


class UNet(nn.Module):
    """A contracting path, an expanding path, and at each level a link between them."""

    def __init__(self, card: Input, channels: int, parameters: UNetParameters) -> None:
        super().__init__()
        require_multiple(card, 2**parameters.depth)
        maps = [parameters.width * 2**level for level in range(parameters.depth + 1)]

        def level(inputs: int, outputs: int) -> nn.Sequential:
            first = convolution(inputs, outputs, batch_norm=parameters.batch_norm)
            return nn.Sequential(*first, *convolution(outputs, outputs, batch_norm=parameters.batch_norm))

        self.down = nn.ModuleList(
            level(inputs, outputs) for inputs, outputs in zip([card.channels, *maps], maps, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(2 * each, each, 2, stride=2) for each in reversed(maps[:-1]))
        self.up = nn.ModuleList(level(2 * each, each) for each in reversed(maps[:-1]))
        self.output = nn.Conv2d(maps[0], channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """N x input channels x height x width to N x channels x height x width."""
        links = []
        maps = images
        for index, level in enumerate(self.down):
            maps = level(maps if index == 0 else self.pool(maps))
            links.append(maps)
        links.pop()
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            maps = level(cat((links.pop(), enlarge(maps)), dim=1))
        mask: Tensor = self.output(maps)
        return mask


UNET = Architecture("U-Net (Ronneberger et al. 2015)", "segmentation", UNetParameters, UNet)
