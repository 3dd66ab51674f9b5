"""From samples to frames: strided convolutions, and the arithmetic of which sample is in which frame."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.cpc._config import AudioConfig

Length = TypeVar("Length", int, Tensor)


class Waves(nn.Module):
    """Convolutions with rectifiers. Each is padded by (kernel - stride) / 2, rounded up, on
    both sides, so that n times `hop` samples make n frames, frame i being of the samples [hop i, hop (i + 1)) and of
    as much on both sides as its receptive field has.

    Attributes:
        shapes: kernel, stride and padding of each.
        channels: of all.
        hop: samples from one frame to the next.
        sees: samples that a frame depends on: those from hop * i - before.
        before: how far before its own first sample a frame looks.
    """

    def __init__(self, config: AudioConfig, rate: int) -> None:
        super().__init__()
        self.shapes = convolutions(config, rate)
        self.channels = config.channels
        self.layers = nn.ModuleList()
        self.hop, self.sees, self.before, inputs = 1, 1, 0, 1
        for kernel, stride, padding in self.shapes:
            self.layers.append(_convolution(inputs, config.channels, kernel, stride))
            self.sees += (kernel - 1) * self.hop
            self.before += padding * self.hop
            self.hop *= stride
            inputs = config.channels

    def lengths(self, samples: Length) -> list[Length]:
        """Positions after each layer, the samples first; the last are frames."""
        return lengths(self.shapes, samples)

    def frames(self, samples: Length) -> Length:
        return self.lengths(samples)[-1]

    def forward(self, audio: Tensor, samples: Tensor, first: int = 0, last: int | None = None) -> Tensor:
        """Frames [first, last), all by default, of recordings that are padded with zeros to one length.

        Past its own end every layer of a recording is zero, as it is before its beginning: so what a recording is
        padded to changes nothing.

        Args:
            audio: float32 [N, T].
            samples: int64 [N], how many of each are real.

        Returns:
            float32 [N, last - first, channels]; zero past a recording's own frames.
        """
        longest = self.lengths(audio.shape[1])
        own = self.lengths(samples) if bool((samples < audio.shape[1]).any()) else None
        has = first, longest[-1] if last is None else last
        plan = []  # of each layer, the last first: what it needs of the one below, what of that is there, what it makes
        for (kernel, stride, padding), below in zip(reversed(self.shapes), longest[-2::-1], strict=True):
            sees = has[0] * stride - padding, (has[1] - 1) * stride - padding + kernel
            there = max(sees[0], 0), min(sees[1], below)
            plan.append((sees, there, has))
            has = there
        maps = audio[:, None, has[0] : has[1]]
        for depth, (layer, (sees, there, makes)) in enumerate(zip(self.layers, reversed(plan), strict=True), start=1):
            maps = functional.relu(layer(functional.pad(maps, (there[0] - sees[0], sees[1] - there[1]))))
            if own is not None:
                places = torch.arange(*makes, device=maps.device)
                maps = maps * (places < own[depth][:, None])[:, None]
        return maps.transpose(1, 2)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv1d:
    """It starts as He et al. (ICCV 2015) have it: from torch's smaller weights sounds come out as next to nothing."""
    layer = nn.Conv1d(inputs, outputs, kernel, stride)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def convolutions(config: AudioConfig, rate: int) -> list[tuple[int, int, int]]:
    """Kernel, stride and padding of each layer for recordings at `rate` samples a second: see `AudioConfig.rate`."""
    kernel, stride = config.kernels[0], config.strides[0]
    first = _first_stride(config, rate)
    shapes = [(-(-kernel * first // stride), first), *zip(config.kernels[1:], config.strides[1:], strict=True)]
    return [(kernel, stride, -(-(kernel - stride) // 2)) for kernel, stride in shapes]


def lengths(shapes: list[tuple[int, int, int]], samples: Length) -> list[Length]:
    """Positions after each layer, the samples first."""
    found = [samples]
    for kernel, stride, padding in shapes:
        found.append((found[-1] + (2 * padding - kernel + stride)) // stride)
    return found


def window(config: AudioConfig, rate: int) -> int:
    """Samples of a training sequence at `rate`: as many frames as at the configured rate."""
    return config.window // config.strides[0] * _first_stride(config, rate)


def _first_stride(config: AudioConfig, rate: int) -> int:
    return max(config.strides[0] * rate // config.rate, 1)
