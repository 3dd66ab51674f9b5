"""From gray frames to an embedding of each pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.colorization._config import ColorizationConfig


class Embedder(nn.Module):
    """A network on each frame, coordinates, and a head over the frames of a clip.

    A position of the maps stands for a cell of cell x cell pixels: that is what colours are averaged over, so training
    sees to it wherever padding has put the middle of what a position sees.

    Attributes:
        trunk: [M, 1, H, W] -> [M, channels, h, w].
        head: [N, channels + 2, F, h, w] -> [N, dimensions, F, h, w].
        cell: pixels from one position to the next, along both axes.
        context: frames on each side that an embedding depends on.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module, cell: int, context: int) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head
        self.cell, self.context = cell, context

    def forward(self, gray: Tensor) -> tuple[Tensor, Tensor]:
        """What the trunk sees and the embeddings of frames [N, F, H, W]: [N, F, h, w, C] and [N, F, h, w, D]."""
        count, frames = gray.shape[:2]
        maps = self.trunk(gray.flatten(0, 1)[:, None])
        places = coordinates(maps).expand(len(maps), -1, -1, -1)
        clip = torch.cat([maps, places], dim=1)
        clip = clip.view(count, frames, *clip.shape[1:]).transpose(1, 2)
        return maps.view(count, frames, *maps.shape[1:]).movedim(2, -1), self.head(clip).movedim(1, -1)


class EachFrame(nn.Module):
    """A two-dimensional head: [N, C, F, h, w] -> [N, D, F, h, w], frame by frame."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, clip: Tensor) -> Tensor:
        each: Tensor = self.layers(clip.transpose(1, 2).flatten(0, 1))
        return each.view(clip.shape[0], clip.shape[2], *each.shape[1:]).transpose(1, 2)


def coordinates(maps: Tensor) -> Tensor:
    """x and y of each position, from -1 to 1: [.., .., h, w] -> [2, h, w]."""
    y, x = (torch.linspace(-1, 1, length, dtype=maps.dtype, device=maps.device) for length in maps.shape[2:])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))


def build_embedder(config: ColorizationConfig) -> Embedder:
    """The network that the configuration names."""
    return _resnet18(config.dimensions) if config.network == "resnet18" else _small(config.dimensions)


def cell_of(config: ColorizationConfig) -> int:
    """`Embedder.cell` of the configured network."""
    return _CELLS[config.network]


def normalised(config: ColorizationConfig) -> bool:
    """Whether the configured network has batch normalisation."""
    return config.network == "resnet18"


_CELLS = {"resnet18": 8, "small": 2}


class _ChannelsLast(nn.Module):
    """Convolutions on few channels take two thirds of the time so."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.contiguous(memory_format=torch.channels_last)


def _small(dimensions: int) -> Embedder:
    """Ours: five convolutions. An even kernel puts the middle of what a position sees on the middle of its cell.

    It starts as He et al. (ICCV 2015) have it; from torch's smaller weights it learns more slowly. Its units are
    smooth: where a rectifier switches by a last digit, Adam makes of it another training within ten steps, and runs on
    one rank and on two would part.
    """
    trunk = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1),
        _ChannelsLast(),
        nn.SiLU(inplace=True),
        nn.Conv2d(32, 32, 3, 1, 1),
        nn.SiLU(inplace=True),
        nn.Conv2d(32, 64, 3, 1, 1),
        nn.SiLU(inplace=True),
    )
    head = EachFrame(nn.Conv2d(66, 64, 3, 1, 1), nn.SiLU(inplace=True), nn.Conv2d(64, dimensions, 3, 1, 1))
    for module in (*trunk, *head.layers):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return Embedder(trunk, head, _CELLS["small"], context=0)


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution(inputs, outputs, 3, stride), nn.ReLU(inplace=True), *_convolution(outputs, outputs, 3, 1)
        )
        same = (inputs, stride) == (outputs, 1)
        self.shortcut = nn.Identity() if same else nn.Sequential(*_convolution(inputs, outputs, 1, stride))

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu_(self.residual(maps) + self.shortcut(maps))


def _resnet18(dimensions: int) -> Embedder:
    """ResNet-18 to an eighth of the frame's sides, and five convolutions over space and time.

    The first group of blocks strides in place of max pooling, the last two keep the resolution, and the last is 256
    wide, so that five 3D convolutions on it stay affordable. These are in two parts, 1 x 3 x 3 with dilation 1, 2, 4,
    8, 16 and 3 x 1 x 1; the linear map to the embedding is the sixth. Of this the paper's text says "five" and "3D";
    widths and dilations are as others who have rebuilt it have them.
    """
    layers: list[nn.Module] = [*_convolution(1, 64, 7, 2), nn.ReLU(inplace=True)]
    inputs = 64
    for outputs, stride in ((64, 2), (128, 2), (256, 1), (256, 1)):
        layers += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
        inputs = outputs
    head: list[nn.Module] = []
    channels = inputs + 2
    for depth in range(5):
        dilation = 2**depth
        head += [
            nn.Conv3d(channels, 256, (1, 3, 3), padding=(0, dilation, dilation), dilation=(1, dilation, dilation)),
            nn.Conv3d(256, 256, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(256),
            nn.ReLU(inplace=True),
        ]
        channels = 256
    head.append(nn.Conv3d(channels, dimensions, 1))
    return Embedder(nn.Sequential(*layers), nn.Sequential(*head), _CELLS["resnet18"], context=5)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
