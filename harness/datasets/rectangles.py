"""Rectangles (Larochelle et al., ICML 2007): is the outline taller than wide? Table 3 of Vincent 2010 calls it rect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import Dataset, SplitName, Task, Writer
from harness.datasets._procedural import below, check_sizes, halves, owned, shuffled, words
from methods import Settings, Spec

MIN_DIFFERENCE = 3  # pixels between the sides; closer ones are rejected


@dataclass(frozen=True, kw_only=True)
class RectanglesConfig(Settings):
    """Attributes:
    train, val, test: examples per split; Larochelle's test split has 50000.
    image_size: height and width in pixels.
    """

    train: int = 1000
    val: int = 200
    test: int = 10_000
    image_size: int = 28

    def __post_init__(self) -> None:
        check_sizes(self.train, self.val, self.test)
        if not 12 <= self.image_size <= 128:
            raise ValueError(f"image_size: {self.image_size} is not between 12 and 128")


class Rectangles(Dataset):
    """One-pixel white outlines on black.

    Rule: both sides uniform over 1..image_size, rejected if they differ by less than 3 pixels; the top left corner
    uniform over the places where the rectangle fits; outline 255, all else 0. Classes are equally frequent (to one
    example). No image lies in two splits; within a split images repeat, as independent draws do: the 1000 of train
    are 974 different ones, the 10000 of test 7859, and mostly large rectangles come twice.
    """

    name: ClassVar[str] = "rectangles"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "generated; no rights reserved"
    Config: ClassVar[type[Settings]] = RectanglesConfig
    config: RectanglesConfig

    @property
    def spec(self) -> Spec:
        side = self.config.image_size
        return Spec(modality="image", shape=(1, side, side), size=self.config.train)

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {"shape": Task(name="shape", kind="class", metric="accuracy", classes=("tall", "wide"), chance=0.5)}

    def write(self, split: SplitName, writer: Writer) -> None:
        size = {"train": self.config.train, "val": self.config.val, "test": self.config.test}[split]
        purpose = f"{self.name}/{self.version}/{split}"
        parts = [
            _boxes(split, purpose, label, count, self.config.image_size) for label, count in enumerate(halves(size))
        ]
        order = shuffled(f"{purpose}/order", size)
        writer.dense("image", outlines(np.concatenate(parts)[order], self.config.image_size))
        writer.labels("shape", np.repeat(np.arange(2), halves(size))[order])


def _boxes(split: SplitName, purpose: str, label: int, count: int, side: int) -> NDArray[np.int64]:
    """`count` boxes of one class that this split owns: [count, 4] as (top, left, height, width)."""
    short, long = np.triu_indices(side, MIN_DIFFERENCE)
    accepted: list[NDArray[np.int64]] = []
    while sum(map(len, accepted)) < count:
        word = words(f"{purpose}/{label}/{len(accepted)}", 4 * count, 3)
        pair = below(len(short), word[:, 0])
        sides = np.stack([long[pair] + 1, short[pair] + 1][:: -1 if label else 1], axis=1)
        corners = below(side + 1 - sides, word[:, 1:])
        boxes = np.concatenate([corners, sides], axis=1)
        codes = boxes @ np.array([1, 256, 256**2, 256**3])
        accepted.append(boxes[owned(split, codes)])
    return np.concatenate(accepted)[:count]


def outlines(boxes: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
    """Images of boxes [N, 4]: uint8 [N, 1, side, side], 255 on the outline."""
    top, left, height, width = (part[:, None] for part in boxes.T)
    axis = np.arange(side)
    rows, columns = (axis >= top) & (axis < top + height), (axis >= left) & (axis < left + width)
    inner_rows = (axis > top) & (axis < top + height - 1)
    inner_columns = (axis > left) & (axis < left + width - 1)
    whole = rows[:, :, None] & columns[:, None, :]
    inside = inner_rows[:, :, None] & inner_columns[:, None, :]
    images = np.where(whole & ~inside, 255, 0).astype(np.uint8)
    return images[:, None]
