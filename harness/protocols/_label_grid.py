"""Labels between pixels and the grid of cells that features form.

Cells have their centres at given pixel coordinates (the first pixel's centre is at 0), regular and separable: one list
of rows and one of columns. So both ways are a pair of small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Values that an enlargement holds at a time.
_VALUES = 1 << 24


@dataclass(frozen=True)
class LabelGrid:
    """A grid of cells over frames.

    Attributes:
        rows: y of the cells' centres, ascending: float32 [h].
        columns: x of the cells' centres, ascending: float32 [w].
        height, width: of the frames, in pixels.
    """

    rows: Tensor
    columns: Tensor
    height: int
    width: int

    @classmethod
    def of(cls, centers: Tensor, height: int, width: int) -> LabelGrid:
        """From `Features.centers` of a video: float32 [T, h, w, 3] = (t, y, x).

        Raises:
            ValueError: the centres are no separable grid, or not one for every frame.
        """
        rows, columns = centers[0, :, 0, 1], centers[0, 0, :, 2]
        times = torch.arange(len(centers), device=centers.device, dtype=centers.dtype)
        axes = (times[:, None, None], rows[None, :, None], columns[None, None])
        regular = torch.stack([axis.expand(centers.shape[:3]) for axis in axes], -1)
        if not torch.allclose(regular, centers, atol=1e-3):
            raise ValueError(
                "labels are carried from frame to frame: features need one grid of cells, the same at every frame; "
                f"their centers of shape {list(centers.shape)} are something else"
            )
        return cls(rows.float().contiguous(), columns.float().contiguous(), height, width)

    def cells(self, maps: Tensor) -> Tensor:
        """Mean over the area of each cell, which reaches half-way to its neighbours: [H, W, C] -> [h, w, C]."""
        down = _areas(self.rows, self.height), _areas(self.columns, self.width)
        return torch.einsum("yh,hwc,xw->yxc", down[0], maps, down[1])

    def largest(self, labels: Tensor) -> Tensor:
        """The channel that is greatest at each pixel, of equal ones the first, labels being interpolated bilinearly
        between the centres and constant beyond them: [T, h, w, C] -> uint8 [T, H, W]."""
        up = _interpolation(self.rows, _pixels(self.rows, self.height))
        across = _interpolation(self.columns, _pixels(self.columns, self.width))
        at_once = max(_VALUES // (self.height * self.width), 1)
        parts = []
        for part in torch.split(labels, at_once):
            highest = up @ part[..., 0] @ across.mT
            channel = torch.zeros_like(highest, dtype=torch.uint8)
            for number in range(1, part.shape[-1]):
                plane = up @ part[..., number] @ across.mT
                channel.masked_fill_(plane > highest, number)
                highest = torch.maximum(highest, plane)
            parts.append(channel)
        return torch.cat(parts)

    def points(self, points: Tensor) -> Tensor:
        """A map a point, shared out bilinearly between the four nearest cells: float32 [K, 2] (x, y) -> [h, w, K]."""
        x, y = _interpolation(self.columns, points[:, 0]), _interpolation(self.rows, points[:, 1])
        return torch.einsum("ky,kx->yxk", y, x)

    def peaks(self, maps: Tensor) -> Tensor:
        """Where each map is strongest, (x, y) in pixels: [T, h, w, K] -> float32 [T, K, 2]; NaN for an empty map.

        The centre of mass of the 3 x 3 cells with the greatest sum. It gives back exactly what `points` drew between
        the outermost centres; the strongest cell alone would be wrong by up to half a cell, and the centre of the
        whole map is pulled away by whatever else looks a little alike.
        """
        mass = maps.permute(0, 3, 1, 2)  # [T, K, h, w]
        sums = torch.nn.functional.avg_pool2d(mass, 3, stride=1, padding=1, divisor_override=1)
        best = sums.flatten(2).argmax(-1)
        height, width = mass.shape[2:]
        row, column = best // width, best % width
        near_y = (torch.arange(height, device=maps.device) - row[..., None]).abs() <= 1  # [T, K, h]
        near_x = (torch.arange(width, device=maps.device) - column[..., None]).abs() <= 1
        window = mass * near_y[..., :, None] * near_x[..., None, :]
        total = window.sum((2, 3))
        x = (window.sum(2) * self.columns).sum(-1) / total
        y = (window.sum(3) * self.rows).sum(-1) / total
        return torch.stack([x, y], -1)


def _pixels(like: Tensor, count: int) -> Tensor:
    return torch.arange(count, device=like.device, dtype=like.dtype)


def _interpolation(centers: Tensor, at: Tensor) -> Tensor:
    """Linear weights of the centres at some coordinates, the nearest alone beyond the ends: [n], [m] -> [m, n]."""
    if len(centers) == 1:
        return at.new_ones(len(at), 1)
    at = at.clamp(centers[0], centers[-1])
    right = torch.searchsorted(centers.contiguous(), at.contiguous()).clamp(1, len(centers) - 1)
    share = (at - centers[right - 1]) / (centers[right] - centers[right - 1])
    weights = at.new_zeros(len(at), len(centers))
    weights.scatter_(1, right[:, None] - 1, 1 - share[:, None])
    return weights.scatter_(1, right[:, None], share[:, None])


def _areas(centers: Tensor, count: int) -> Tensor:
    """Weights of the pixels in the mean of each cell: [n] -> [n, count]; of a cell outside, its nearest pixel."""
    if len(centers) == 1:
        return centers.new_full((1, count), 1 / count)
    middles = (centers[1:] + centers[:-1]) / 2
    first, last = 2 * centers[:1] - middles[:1], 2 * centers[-1:] - middles[-1:]
    low, high = torch.cat([first, middles]), torch.cat([middles, last])
    pixels = _pixels(centers, count)
    overlap = (torch.minimum(high[:, None], pixels + 0.5) - torch.maximum(low[:, None], pixels - 0.5)).clamp(min=0)
    nearest = torch.nn.functional.one_hot(centers.round().long().clamp(0, count - 1), count).to(overlap)
    overlap = torch.where(overlap.sum(1, keepdim=True) > 1e-6, overlap, nearest)
    return overlap / overlap.sum(1, keepdim=True)
