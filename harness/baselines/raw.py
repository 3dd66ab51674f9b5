"""The input itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from harness.baselines._baseline import Baseline
from methods import Batch, Features, Modality, Source, TaskKind, videos
from methods.colorization import lab

#: Cells of a frame, at most: what propagation compares in a reasonable time.
POSITIONS = 2048
#: Cells along a side of a frame that pooled features of a video keep.
CELLS = 4


class RawInput(Baseline):
    """Of images every dense column, flattened, and scaled to [0, 1] if stored as bytes.

    Of videos the colours (Lab) of each pixel, or of square cells of as many pixels as leave at most 2048 cells a frame;
    pooled to the mean colours over time of 4 x 4 parts of the frame.
    """

    name: ClassVar[str] = "raw"
    version: ClassVar[int] = 1
    kinds: ClassVar[Mapping[Modality, frozenset[TaskKind]]] = {
        "image": frozenset({"class", "regression"}),
        "video": frozenset({"class", "masks", "keypoints"}),
    }

    def __init__(self, train: Source | None = None) -> None:
        """There is nothing to learn."""

    def examples(self, source: Source, ids: Tensor) -> Batch:
        if source.spec.modality == "video":
            return videos.whole(source, ids)
        return {name: column.take(ids) for name, column in source.columns.items()}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        if "frames" in batch:
            return {"raw": _colours(batch["video"], batch["frames"])}
        flat = [_scaled(values).flatten(1) for values in batch.values()]
        return {"raw": Features(pooled=torch.cat(flat, dim=1))}


def _scaled(values: Tensor) -> Tensor:
    return values.float() / 255 if values.dtype == torch.uint8 else values.float()


def _colours(video: Tensor, frames: Tensor) -> Features:
    """Of videos uint8 [N, T, 3, H, W], of which `frames` (int64 [N]) frames are real."""
    height, width = video.shape[-2:]
    cell = next(side for side in range(1, height + width) if (height // side) * (width // side) <= POSITIONS)
    size = (height // cell, width // cell)
    pieces = [_cells(some, size) for some in torch.split(video.flatten(0, 1), 8)]
    maps = torch.cat(pieces).view(*video.shape[:2], 3, *size)
    real = torch.arange(video.shape[1], device=video.device) < frames[:, None]
    mean = (maps * real[:, :, None, None, None]).sum(1) / frames[:, None, None, None]
    pooled = functional.adaptive_avg_pool2d(mean, (min(CELLS, size[0]), min(CELLS, size[1]))).flatten(1)
    mask = None if bool(real.all()) else real[:, :, None, None].expand(-1, -1, *size)
    return Features(pooled, maps.movedim(2, -1), mask, videos.centers(video.shape[1], size, (height, width)))


def _cells(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 [M, 3, H, W] -> mean colours in Lab / 100: float32 [M, 3, h, w]."""
    return functional.adaptive_avg_pool2d(lab(frames.float() / 255), size) / 100
