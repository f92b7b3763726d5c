"""3-D U-Net (Çiçek et al. 2016, https://arxiv.org/abs/1606.06650), padded so that the mask has the input's size."""

from pydantic import Field
from torch import Tensor, cat, nn

from imaging_core.models.architecture import Architecture, Parameters, require_multiple
from imaging_core.models.card import Input


class UNet3DParameters(Parameters):
    """3-D U-Net's own parameters."""

    width: int = Field(32, ge=1, le=512, description="feature maps of the first convolution; each level doubles them")
    depth: int = Field(3, ge=1, le=5, description="levels below the first; each halves depth, height and width")


class UNet3D(nn.Module):
    """A contracting path whose levels double their feature maps before they shrink, an expanding path, and links."""

    def __init__(self, card: Input, channels: int, parameters: UNet3DParameters) -> None:
        super().__init__()
        require_multiple(card, 2**parameters.depth)
        maps = [parameters.width * 2 ** (level + 1) for level in range(parameters.depth + 1)]
        self.down = nn.ModuleList(
            _level(inputs, outputs // 2, outputs) for inputs, outputs in zip([card.channels, *maps], maps, strict=False)
        )
        self.pool = nn.MaxPool3d(2)
        self.enlarge = nn.ModuleList(nn.ConvTranspose3d(each, each, 2, stride=2) for each in reversed(maps[1:]))
        self.up = nn.ModuleList(
            _level(below + link, link, link) for below, link in zip(maps[:0:-1], maps[-2::-1], strict=True)
        )
        self.output = nn.Conv3d(maps[0], channels, 1)

    def forward(self, patches: Tensor) -> Tensor:
        """N x input channels x depth x height x width to N x channels x depth x height x width."""
        links = []
        maps = patches
        for index, level in enumerate(self.down):
            maps = level(maps if index == 0 else self.pool(maps))
            links.append(maps)
        links.pop()
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            maps = level(cat((links.pop(), enlarge(maps)), dim=1))
        mask: Tensor = self.output(maps)
        return mask


def _level(inputs: int, between: int, outputs: int) -> nn.Sequential:
    """Two convolutions, each with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for before, after in ((inputs, between), (between, outputs)):
        layers += [nn.Conv3d(before, after, 3, padding=1), nn.BatchNorm3d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


UNET_3D = Architecture("3-D U-Net (Çiçek et al. 2016)", "segmentation", UNet3DParameters, UNet3D, axes=3)
