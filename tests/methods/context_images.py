"""Images, and a short training, for the tests of context prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods import Column, Keys, Spec
from methods.context_prediction import ContextPrediction, ContextPredictionConfig
from methods.context_prediction._stage import RelativePosition

#: Small enough for tests, and free of what only the paper's sizes need.
SMALL: Mapping[str, Any] = {**ContextPrediction.presets["small"].config, "units": 32}


class Images:
    """A column of random images, and the source that offers it."""

    groups = None

    def __init__(self, count: int = 6, shape: tuple[int, ...] = (3, 64, 64), seed: int = 3) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.pixels = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)
        self.spec = Spec(modality="image", shape=shape, size=count)
        self.columns: Mapping[str, Column] = {"image": self}

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, ids: Tensor) -> Tensor:
        return self.pixels[ids]

    def row(self, index: int) -> NDArray[Any]:
        return np.asarray(self.pixels[index])

    def lengths(self, ids: Tensor) -> Tensor:
        return torch.full((len(ids),), self.pixels.shape[1])

    def windows(self, ids: Tensor, starts: Tensor, length: int) -> Tensor:
        return torch.stack([self.pixels[i, s : s + length] for i, s in zip(ids, starts, strict=True)])


def configured(**values: Any) -> ContextPredictionConfig:
    return ContextPredictionConfig(**{**SMALL, **values})


def build(images: Images, seed: int = 0, **values: Any) -> ContextPrediction:
    config = configured(**values)
    state = ContextPrediction.fit(config, images, Keys.of(seed, "fit"))
    torch.manual_seed(seed)
    return ContextPrediction(config, images.spec, state)


def keyed(count: int, purpose: str = "test") -> Keys:
    return Keys.of(0, purpose, torch.arange(count))


def smooth(count: int, side: int, blur: float, seed: int) -> Tensor:
    """Gray noise without any structure, its neighbouring pixels alike over about `blur`: [N, 1, side, side], mean 0
    and deviation 1."""
    reach = int(3 * blur)
    noise = torch.randn(count, 1, side + 2 * reach, side + 2 * reach, generator=torch.Generator().manual_seed(seed))
    line = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * blur**2))
    blurred = functional.conv2d(functional.conv2d(noise, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))
    return blurred / line.square().sum()


def pretext_accuracy(make: Callable[[int], Tensor], steps: int, **values: Any) -> tuple[float, float]:
    """Accuracy on fresh images after training on fresh images, and the share of the most frequent label there.

    Args:
        make: from a seed to uint8 [N, 3, H, W].
    """
    example = make(0)
    config = configured(**values)
    torch.manual_seed(0)
    spec = Spec(modality="image", shape=tuple(example.shape[1:]), size=len(example))
    stage = ContextPrediction(config, spec, {"mean": example.float().mean((0, 2, 3))}).stages()[0].train()
    optimizer = torch.optim.Adam(stage.parameters(), lr=2e-3)
    for step in range(steps):
        drawn = draw(stage, make(step + 1), step)
        loss = stage(drawn).sums["position"] / drawn.weights["position"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    stage.eval()
    with torch.no_grad():
        seen = [stage(draw(stage, make(-1 - step), -1 - step)).monitors for step in range(20)]
    pairs = sum(float(one["accuracy"][1]) for one in seen)
    shares = [sum(float(one[f"share_{label}"][0]) for one in seen) / pairs for label in range(8)]
    return sum(float(one["accuracy"][0]) for one in seen) / pairs, max(shares)


def draw(stage: RelativePosition, images: Tensor, step: int) -> Any:
    return stage.draw({"image": images}, keyed(len(images), f"step {step}"))
