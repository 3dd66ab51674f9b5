"""From a patch to a vector, and from rows of vectors to contexts. Nothing here is normalised: what a batch, a row or a
patch has in common could tell which patches belong together."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional


def initialise(module: nn.Module) -> None:
    """He et al. (2015): without normalisation, each layer has to keep the scale of what goes through it."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            assert part.bias is not None
            nn.init.zeros_(part.bias)


def shrink(last: Iterable[nn.Conv2d]) -> None:
    """The last convolutions of residual branches, of which so many add up on one path, by the root of their number:
    the variance at the end is then a few times that at the start, not two to their number (Zhang et al. 2019)."""
    layers = list(last)
    with torch.no_grad():
        for layer in layers:
            layer.weight /= math.sqrt(len(layers))


class SmallEncoder(nn.Module):
    """Ours, for patches of some 16 to 32 pixels: convolutions that halve a patch until its side is 5 at most, one of
    3 x 3, the mean over places and a linear layer."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs, outputs = 1, width // 4
        while side > 5:
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.ReLU(inplace=True)]
            side, inputs, outputs = (side + 1) // 2, outputs, min(2 * outputs, width)
        self.trunk = nn.Sequential(*layers, nn.Conv2d(inputs, width, 3), nn.ReLU(inplace=True))
        self.last = nn.Conv2d(width, width, 1)
        initialise(self)

    def forward(self, patches: Tensor) -> Tensor:
        """[M, 1, side, side] -> [M, width]."""
        vectors: Tensor = self.last(self.trunk(patches).mean((2, 3), keepdim=True))
        return vectors.flatten(1)


class Bottleneck(nn.Module):
    """A unit of ResNet-v2 (He et al., Identity mappings in deep residual networks, 2016), less its normalisation."""

    def __init__(self, inputs: int, inner: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * inner
        self.reduce = nn.Conv2d(inputs, inner, 1)
        self.look = nn.Conv2d(inner, inner, 3, stride, 1)
        self.expand = nn.Conv2d(inner, outputs, 1)
        self.shortcut = None if (inputs, stride) == (outputs, 1) else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        active = functional.relu(inputs)
        past = inputs if self.shortcut is None else self.shortcut(active)
        inner = functional.relu(self.look(functional.relu(self.reduce(active))))
        outputs: Tensor = past + self.expand(inner)
        return outputs


class ResNet(nn.Module):
    """ResNet-v2-101 up to its third block, and the mean over places: 64 pixels become 4 x 4 vectors of 1024."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width // 16
        self.stem = nn.Sequential(nn.Conv2d(1, inner, 7, 2, 3), nn.MaxPool2d(3, 2, 1))
        units: list[Bottleneck] = []
        inputs = inner
        for block, depth in enumerate((3, 4, 23)):
            for unit in range(depth):
                units.append(Bottleneck(inputs, inner << block, 2 if block and not unit else 1))
                inputs = 4 * (inner << block)
        self.units = nn.Sequential(*units)
        initialise(self)
        shrink(unit.expand for unit in units)

    def forward(self, patches: Tensor) -> Tensor:
        """[M, 1, side, side] -> [M, width]."""
        maps: Tensor = self.units(self.stem(patches))
        return maps.mean((2, 3))


class Rows(nn.Module):
    """One residual block of the context network: along the row to both sides, then from the row above."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(width, hidden, 1)
        self.along = nn.Conv2d(hidden, hidden, (1, 3), padding=(0, 1))
        self.down = nn.Conv2d(hidden, hidden, (2, 1))
        self.expand = nn.Conv2d(hidden, width, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        inner = self.along(functional.relu(self.reduce(inputs)))
        inner = functional.relu(self.down(functional.pad(inner, (0, 0, 1, 0))))  # so that a row sees none below
        outputs: Tensor = inputs + self.expand(inner)
        return outputs


class Context(nn.Module):
    """PixelCNN-style: the context at a place sees its own row and those above, whole or, with few blocks, in part."""

    def __init__(self, width: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Rows(width, hidden) for _ in range(blocks)))
        initialise(self)
        shrink(module.expand for module in self.blocks if isinstance(module, Rows))

    def forward(self, z: Tensor) -> Tensor:
        """[B, T, Q, D] -> the same."""
        contexts: Tensor = functional.relu(self.blocks(z.permute(0, 3, 1, 2)))
        return contexts.permute(0, 2, 3, 1)
