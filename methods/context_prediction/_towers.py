"""The towers: what a patch goes through alone, up to fc6.

Batch normalisation has neither scale nor shift: with them, plain gradient descent silences fc6 and fc7 and stays in
the saddle where all eight answers are equally likely. A layer that is normalised needs no bias, which the mean would
take out again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from methods.context_prediction._config import ContextPredictionConfig


class Tower(nn.Module):
    """Convolutions, then fc6 as one more convolution over all that is left of a patch, so that it slides over images.

    Attributes:
        name: of the trunk's output, as a representation.
        channels: of the trunk's output.
        trunk, fc6: [M, C, H, W] -> [M, channels, h, w] -> [M, units, h', w']; of a patch, h' and w' are 1.
    """

    def __init__(self, name: str, trunk: nn.Sequential, config: ContextPredictionConfig, inputs: int) -> None:
        super().__init__()
        self.name = name
        self.trunk = trunk
        self.channels, side = _output(trunk, inputs, config.patch)
        self.fc6 = nn.Sequential(
            nn.Conv2d(self.channels, config.units, side, bias=False),
            nn.BatchNorm2d(config.units, affine=False),
            nn.ReLU(inplace=True),
        )
        initialise(self)

    def forward(self, patches: Tensor) -> Tensor:
        """Codes of patches: [M, C, side, side] -> [M, units]."""
        patches = patches.contiguous(memory_format=torch.channels_last)  # convolutions take two thirds of the time
        codes: Tensor = self.fc6(self.trunk(patches)).flatten(1)
        return codes


def build_tower(config: ContextPredictionConfig, inputs: int) -> Tower:
    """The tower that the configuration names, for images of `inputs` channels."""
    name, layers = _TRUNKS[config.tower](inputs)
    return Tower(name, nn.Sequential(*layers), config, inputs)


def trunk_name(config: ContextPredictionConfig) -> str:
    """What the output of the configured tower's trunk is called as a representation."""
    with torch.device("meta"):
        return _TRUNKS[config.tower](3)[0]


def least_patch(config: ContextPredictionConfig) -> int:
    """The smallest side of a patch of which the configured trunk leaves something."""
    with torch.device("meta"):
        layers = _TRUNKS[config.tower](3)[1]
    side = 1
    while len(centers(layers, side)) < 1:
        side += 1
    return side


def initialise(network: nn.Module) -> None:
    """Caffe's Xavier: weights uniform within sqrt(3 / inputs of a unit), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = math.sqrt(3 / module.weight[0].numel())
            nn.init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def centers(layers: Iterable[nn.Module], length: int) -> Tensor:
    """Where along an axis of `length` pixels the positions of the last map look: float32 [positions].

    The centre of pixel 0 is 0.
    """
    start, pitch, count = 0.0, 1, length
    for kernel, stride, padding, ceil in _spans(layers):
        start += pitch * ((kernel - 1) / 2 - padding)
        pitch *= stride
        steps = (count + 2 * padding - kernel) / stride
        count = max((math.ceil(steps) if ceil else math.floor(steps)) + 1, 0)
    return start + pitch * torch.arange(count, dtype=torch.float32)


def _spans(layers: Iterable[nn.Module]) -> Iterator[tuple[int, int, int, bool]]:
    """Kernel, stride, padding and whether the last window may stick out, of each layer that looks around."""
    for layer in layers:
        match layer:
            case nn.Conv2d():
                yield layer.kernel_size[0], layer.stride[0], int(layer.padding[0]), False
            case nn.MaxPool2d():
                yield *_numbers(layer.kernel_size, layer.stride, layer.padding), layer.ceil_mode
            case nn.Sequential():
                yield from _spans(layer)
            case Block():
                yield from _spans(layer.residual)


def _numbers(*values: int | tuple[int, ...]) -> tuple[int, int, int]:
    """Of a layer that does the same along both axes."""
    kernel, stride, padding = (value if isinstance(value, int) else value[0] for value in values)
    return kernel, stride, padding


def _output(trunk: nn.Sequential, inputs: int, side: int) -> tuple[int, int]:
    """Channels and side of what the trunk makes of a patch."""
    was = trunk.training
    with torch.no_grad():
        shape = trunk.eval()(torch.zeros(1, inputs, side, side)).shape
    trunk.train(was)
    return shape[1], shape[2]


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, *, normalised: bool
) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not normalised)]
    if normalised:
        layers.append(nn.BatchNorm2d(outputs, affine=False))
    return [*layers, nn.ReLU(inplace=True)]


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)  # Caffe rounds up


def _response() -> nn.LocalResponseNorm:
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)


def _caffenet(inputs: int) -> tuple[str, list[nn.Module]]:
    """As released: CaffeNet without groups. Normalised from conv3 on; a 96-px patch leaves 3 x 3 to fc6."""
    return "pool5", [
        *_convolution(inputs, 96, 11, 4, 5, normalised=False),
        _pool(),
        _response(),
        *_convolution(96, 256, 5, 1, 2, normalised=False),
        _pool(),
        _response(),
        *_convolution(256, 384, 3, 1, 1, normalised=True),
        *_convolution(384, 384, 3, 1, 1, normalised=True),
        *_convolution(384, 256, 3, 1, 1, normalised=True),
        _pool(),
    ]


def _small(inputs: int) -> tuple[str, list[nn.Module]]:
    """Ours, for patches of about 17 pixels. No padding: a code on the whole image is that of the patch there."""
    return "conv3", [
        *_convolution(inputs, 32, 5, 2, normalised=True),
        *_convolution(32, 64, 3, normalised=True),
        *_convolution(64, 128, 3, 2, normalised=True),
    ]


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution(inputs, outputs, 3, stride, 1, normalised=True),
            *_convolution(outputs, outputs, 3, 1, 1, normalised=True)[:-1],
        )
        self.shortcut = nn.Sequential(
            *(
                []
                if (inputs, stride) == (outputs, 1)
                else _convolution(inputs, outputs, 1, stride, normalised=True)[:-1]
            )
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu_(self.residual(inputs) + self.shortcut(inputs))


def _resnet18(inputs: int) -> tuple[str, list[nn.Module]]:
    """ResNet-18 up to its last map, with this method's normalisation; fc6 takes the place of average pooling."""
    layers = [*_convolution(inputs, 64, 7, 2, 3, normalised=True), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(width, outputs, stride), Block(outputs, outputs, 1)]
        width = outputs
    return "block8", layers


_TRUNKS = {"caffenet": _caffenet, "resnet18": _resnet18, "small": _small}
