"""Videos that are already features, for the tests of label propagation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets import Task
from harness.protocols import View
from methods import Features, Spec

from .views import NoEncoder

MASKS = Task(name="masks", kind="masks", metric="J", chance=0.0)
KEYPOINTS = Task(name="joints", kind="keypoints", metric="PCK@0.2", classes=("a", "b"), chance=0.0)


def centers(frames: int, height: int, width: int, stride: int) -> Tensor:
    """Of a grid of cells of `stride` pixels: float32 [T, h, w, 3]."""
    axes = [torch.arange(frames).float()]
    axes += [torch.arange(side) * stride + (stride - 1) / 2 for side in (height, width)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


class FrameCounts:
    def __init__(self, lengths: Sequence[int]) -> None:
        self._lengths = torch.tensor(lengths, dtype=torch.int64)

    def lengths(self, ids: Tensor) -> Tensor:
        return self._lengths[ids]


@dataclass(frozen=True)
class FrameSource:
    """What a protocol looks at in a source of videos: how large frames are and how many there are."""

    spec: Spec
    columns: dict[str, FrameCounts]


class VideoSplit:
    """Videos whose features are given, float32 [T, h, w, D] each; in batches, padded with `padding`."""

    def __init__(self, rows: Sequence[Tensor], stride: int = 1, batch: int = 2, padding: float = 0.0) -> None:
        self.rows, self.stride, self.batch, self.padding = rows, stride, batch, padding
        side = rows[0].shape[1:3] if rows else (1, 1)
        self.shape = (3, side[0] * stride, side[1] * stride)
        self.streamed = 0

    @property
    def source(self) -> Any:
        lengths = [len(row) for row in self.rows]
        spec = Spec(modality="video", shape=self.shape, size=len(lengths))
        return FrameSource(spec, {"video": FrameCounts(lengths)})

    @property
    def ids(self) -> Tensor:
        return torch.arange(len(self.rows))

    positions = None

    def __len__(self) -> int:
        return len(self.rows)

    def pooled(self) -> Tensor:
        raise AssertionError("propagation needs local features")

    def stream(self) -> Iterator[Features]:
        for start in range(0, len(self.rows), self.batch):
            rows = self.rows[start : start + self.batch]
            longest = max(map(len, rows))
            local = torch.full((len(rows), longest, *rows[0].shape[1:]), self.padding)
            mask = torch.zeros(local.shape[:4], dtype=torch.bool)
            for place, row in enumerate(rows):
                local[place, : len(row)] = row
                mask[place, : len(row)] = True
            self.streamed += len(rows)
            yield Features(local.mean((1, 2, 3)), local, mask, centers(*local.shape[1:4], self.stride))


Truths = Sequence[NDArray[Any]]


def view_of(test: VideoSplit, given: Truths, val: VideoSplit | None = None, val_targets: Truths = ()) -> View:
    nothing = VideoSplit([])
    return View(NoEncoder(), "z", nothing, val or nothing, test, (), list(val_targets), list(given))


def drifting(
    frames: int, side: int = 12, width: int = 24, seed: int = 0, noise: float = 0.0
) -> tuple[Tensor, NDArray[np.uint8]]:
    """Two squares of four cells a side that move by a cell a frame, one to the right, one down, before a still ground:
    features float32 [T, side, side, width] that go with what is seen, masks uint8 [T, side, side]."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, width, generator=generator)

    ground, first, second = drawn(side, side), drawn(4, 4), drawn(4, 4)
    features = ground.repeat(frames, 1, 1, 1)
    masks = np.zeros((frames, side, side), np.uint8)
    for frame in range(frames):
        for number, square, (y, x) in ((1, first, (1, 1 + frame)), (2, second, (6 - min(frame, 1) + frame, 2))):
            y, x = min(y, side - 4), min(x, side - 4)
            features[frame, y : y + 4, x : x + 4] = square
            masks[frame, y : y + 4, x : x + 4] = number
    return features + noise * drawn(frames, side, side), masks
