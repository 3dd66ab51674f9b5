"""Views of Gaussian classes for the tests of protocols on frozen features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from harness.datasets import Task
from harness.protocols import View
from methods import Batch, Features, Source

CLASSES = 4
TASK = Task(name="shape", kind="class", metric="accuracy", classes=("a", "b", "c", "d"), chance=0.25)
#: Few enough to train on that regularisation helps: the best penalty lies inside the grid.
SIZES = {"train": 160, "val": 400, "test": 100}


class ReadySplit:
    """A split whose features are already there, and which counts how often they are read."""

    def __init__(self, features: Tensor) -> None:
        self.features = features
        self.read = 0

    @property
    def source(self) -> Source:
        raise AssertionError("the protocol needs frozen features only")

    @property
    def ids(self) -> Tensor:
        return torch.arange(len(self.features))

    @property
    def positions(self) -> None:
        return None

    def __len__(self) -> int:
        return len(self.features)

    def pooled(self) -> Tensor:
        self.read += 1
        return self.features

    def stream(self) -> Iterator[Features]:
        raise AssertionError("the protocol needs pooled features only")


class NoEncoder:
    def examples(self, source: Source, ids: Tensor) -> Batch:
        raise AssertionError("the protocol does not encode")

    def encode(self, batch: Batch) -> dict[str, Features]:
        raise AssertionError("the protocol does not encode")


def gaussians(
    classes: int = CLASSES, width: int = 40, spread: float = 0.5, sizes: Mapping[str, int] = SIZES
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Features float32 [N, width] and targets int64 [N] by split; `spread` between the classes, 1 within."""
    generator = np.random.default_rng(3)
    centers = spread * generator.normal(size=(classes, width))
    targets = {split: np.arange(size) % classes for split, size in sizes.items()}
    features = {split: centers[own] + generator.normal(size=(len(own), width)) for split, own in targets.items()}
    return (
        {split: torch.from_numpy(values).float() for split, values in features.items()},
        {split: torch.from_numpy(values) for split, values in targets.items()},
    )


def view_of(features: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> View:
    splits = {split: ReadySplit(values) for split, values in features.items()}
    return View(NoEncoder(), "z", splits["train"], splits["val"], splits["test"], targets["train"], targets["val"])
