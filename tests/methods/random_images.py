"""Images for the tests of methods: a column of random bytes, and the source that offers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods import Column, Spec


class RandomImages:
    """A column of random images, and the source that offers it."""

    groups = None

    def __init__(self, count: int = 6, shape: tuple[int, ...] = (3, 64, 64), least: int = 0) -> None:
        generator = torch.Generator().manual_seed(3)
        self.pixels = torch.randint(least, 256, (count, *shape), dtype=torch.uint8, generator=generator)
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
