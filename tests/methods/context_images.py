"""RandomImages, and a short training, for the tests of context prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from methods import Keys, Spec
from methods.context_prediction import ContextPrediction, ContextPredictionConfig
from methods.context_prediction._stage import RelativePosition
from tests.methods.random_images import RandomImages

#: Small enough for tests, and free of what only the paper's sizes need.
SMALL: Mapping[str, Any] = {**ContextPrediction.presets["small"].config, "units": 32}


def configured(**values: Any) -> ContextPredictionConfig:
    return ContextPredictionConfig(**{**SMALL, **values})


def build(images: RandomImages, seed: int = 0, **values: Any) -> ContextPrediction:
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
