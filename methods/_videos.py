"""Reading videos: single frames, whole ones padded to a batch, and where the cells of a frame lie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods._method import Batch, Source

COLUMN = "video"


def frames(source: Source, ids: Tensor, positions: Tensor) -> Tensor:
    """Frames at `positions` (int64 [N, F]) of videos `ids` (int64 [N]): uint8 [N, F, C, H, W]."""
    count = positions.shape[1]
    read = source.columns[COLUMN].windows(ids.repeat_interleave(count), positions.flatten(), 1)
    return read.view(len(ids), count, *read.shape[2:])


def whole(source: Source, ids: Tensor) -> Batch:
    """Whole videos, padded at their end to the longest: `video` uint8 [N, T, C, H, W], `frames` int64 [N]."""
    column = source.columns[COLUMN]
    lengths = column.lengths(ids)
    padded = torch.zeros(len(ids), int(lengths.max()), *source.spec.shape, dtype=torch.uint8)
    for row, (index, length) in enumerate(zip(ids.tolist(), lengths.tolist(), strict=True)):
        padded[row, :length] = torch.tensor(column.row(index))
    return {"video": padded, "frames": lengths}


def centers(frames: int, cells: Sequence[int], size: Sequence[int]) -> Tensor:
    """(t, y, x) of the cells that divide each frame evenly, in pixels of a frame of this size, the middle of whose
    first pixel is at 0: float32 [frames, *cells, 3]."""
    sides = [
        (torch.arange(count, dtype=torch.float32) + 0.5) * (length / count) - 0.5
        for count, length in zip(cells, size, strict=True)
    ]
    return torch.stack(torch.meshgrid(torch.arange(frames, dtype=torch.float32), *sides, indexing="ij"), dim=-1)
