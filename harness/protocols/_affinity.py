"""Which cells of earlier frames a cell is like: affinities of dense features, worked out block by block.

A frame's features form a grid of cells. For each *target* cell of a frame, the *keys* are the cells of its context
(earlier frames) that lie within a radius of it. Blocks keep memory bounded whatever the size of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Similarity = Literal["dot", "cosine", "euclidean"]

#: Affinities held at a time (float32: 64 MiB; a few such blocks live together).
BLOCK = 1 << 24
#: How much being near counts, as a share of the scale of the scores at the rim of what is looked at: it decides between
#: cells that are alike to the last digits, as those of a plain area are, and nothing else. Without it the order of
#: memory would decide, and labels would drift towards the upper left.
_NEARNESS = 1e-4


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How labels are carried from a context of earlier frames to the next frame.

    Attributes:
        similarity: dot product of features as they are; cosine; or minus half the squared distance, in units of the
            variance (summed over channels) of the video's own features.
        temperature: T in softmax(similarity / T).
        references: previous frames in the context.
        keep_first: whether the first frame stays in the context.
        top_k: keys that count, the most alike of all frames of the context together; None for all.
        radius: how far keys may lie from the target's place, in cells (Euclidean, <=); None for anywhere.
    """

    similarity: Similarity
    temperature: float
    references: int
    keep_first: bool
    top_k: int | None
    radius: float | None

    def context(self, frame: int) -> tuple[int, ...]:
        """The frames that labels are carried from, nearest first."""
        oldest = max(frame - self.references, 0)
        recent = tuple(range(frame - 1, oldest - 1, -1))
        return (*recent, 0) if self.keep_first and oldest > 0 else recent


class Scorable(NamedTuple):
    """Features made such that every similarity is a dot product of target and key."""

    targets: Tensor  #: float32 [N, T, cells, D']
    keys: Tensor  #: float32 [N, T, cells, D']
    scale: Tensor  #: of the scores: float32 [N], positive


def scorable(features: Tensor, lengths: Tensor, similarity: Similarity) -> Scorable:
    """Prepare features (float32 [N, T, cells, D], videos padded behind int64 [N] real frames)."""
    real = (torch.arange(features.shape[1], device=features.device) < lengths[:, None])[..., None, None]
    if similarity == "cosine":
        unit = functional.normalize(features, dim=-1)
        return Scorable(unit, unit, features.new_ones(len(features)))
    count = (lengths * features.shape[2])[:, None].float()
    if similarity == "dot":
        energy = features.square().mul(real).sum((1, 2, 3)) / count[:, 0]
        return Scorable(features, features, _positive(energy))
    centred = features - (features.mul(real).sum((1, 2)) / count)[:, None, None]
    variance = _positive(centred.square().mul(real).sum((1, 2, 3)) / count[:, 0])
    scaled = centred / variance.sqrt()[:, None, None, None]
    # -|q - k|^2 / 2 = q.k - |k|^2 / 2 - |q|^2 / 2, and the last is the same for all keys of a target
    squares = -0.5 * scaled.square().sum(-1, keepdim=True)
    return Scorable(
        torch.cat([scaled, torch.ones_like(squares)], -1),
        torch.cat([scaled, squares], -1),
        torch.ones_like(variance),
    )


def _positive(scale: Tensor) -> Tensor:
    return scale.clamp(min=torch.finfo(scale.dtype).tiny)


@dataclass(frozen=True)
class Tile:
    """A rectangle of target cells, and the rectangle of all keys that lie within the radius of any of them.

    Attributes:
        rows, columns: of the targets, int64.
        key_rows, key_columns: of the keys.
        width: cells of a row of the grid.
        rim: the largest squared distance that is looked at, the same for all tiles of a grid.
    """

    rows: Tensor
    columns: Tensor
    key_rows: Tensor
    key_columns: Tensor
    width: int
    rim: float

    @property
    def targets(self) -> Tensor:
        """Flat indices into the grid: int64 [m]."""
        return (self.rows[:, None] * self.width + self.columns).flatten()

    @property
    def keys(self) -> Tensor:
        """Flat indices into the grid: int64 [n]."""
        return (self.key_rows[:, None] * self.width + self.key_columns).flatten()

    @property
    def pairs(self) -> int:
        return self.rows.numel() * self.columns.numel() * self.key_rows.numel() * self.key_columns.numel()

    def distance(self) -> Tensor:
        """Squared, in cells, of each target from each key: float32 [m, n]."""
        along_y = (self.rows[:, None] - self.key_rows).square().float()
        along_x = (self.columns[:, None] - self.key_columns).square().float()
        return (along_y[:, None, :, None] + along_x[None, :, None, :]).flatten(2).flatten(0, 1)


def tiles(height: int, width: int, radius: float | None, limit: int, device: torch.device) -> Iterator[Tile]:
    """Cut a grid into tiles of which each has at most `limit` pairs of target and key (or one target)."""
    rim = height**2 + width**2 if radius is None else max(radius**2, 1.0)
    reach = max(height, width) if radius is None else math.floor(min(radius, max(height, width)))
    side = _side(height, width, reach, limit)
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield Tile(
                rows=rows[top : top + side],
                columns=columns[left : left + side],
                key_rows=rows[max(top - reach, 0) : top + side + reach],
                key_columns=columns[max(left - reach, 0) : left + side + reach],
                width=width,
                rim=rim,
            )


def _side(height: int, width: int, reach: int, limit: int) -> int:
    """Large enough that calls do not cost more than the pairs beyond the radius, which are worked out in vain."""
    side = min(max(8, reach), max(height, width))

    def pairs(side: int) -> int:
        own = min(side, height) * min(side, width)
        return own * min(side + 2 * reach, height) * min(side + 2 * reach, width)

    while side > 1 and pairs(side) > limit:
        side -= 1
    return side


class Nearest(NamedTuple):
    """For each target the keys that are most like it, the most alike first."""

    scores: Tensor  #: float32 [N, m, k]; -inf where there are fewer than k
    places: Tensor  #: int64 [N, m, k]: frame * cells + cell


class Affinities:
    """Scores of a tile's targets in one frame against its keys in the frames of a context.

    Args:
        scored: float32 [N, T, cells, D'], some videos.
        frames: the context, nearest first.
        radius: pairs further apart do not count.
    """

    def __init__(self, scored: Scorable, frame: int, frames: tuple[int, ...], tile: Tile, radius: float | None) -> None:
        self._tile, self._frames, self._scale = tile, frames, scored.scale
        self._keys, self._cells = tile.keys, scored.keys.shape[2]
        targets = scored.targets[:, frame, tile.targets]
        keys = scored.keys[:, list(frames)][:, :, self._keys]
        shape = (*targets.shape[:2], *keys.shape[1:3])
        self._scores = torch.bmm(targets, keys.flatten(1, 2).mT).view(shape)  # [N, m, frames, n]
        self._distance = tile.distance()
        if radius is not None:
            self._distance.masked_fill_(self._distance > radius * radius, math.inf)

    def within(self, context: tuple[int, ...]) -> Tensor:
        """Scores against some of the frames, nearest first, -inf beyond the radius: float32 [N, m, frames * n]."""
        outside = self._distance.isinf().repeat(1, len(context))
        return self._among(context).masked_fill(outside, -math.inf)

    def _among(self, context: tuple[int, ...]) -> Tensor:
        if context == self._frames:
            return self._scores.flatten(2)
        return torch.cat([self._scores[:, :, self._frames.index(frame)] for frame in context], -1)

    def nearest(self, context: tuple[int, ...], count: int) -> Nearest:
        """The most alike in some of the frames together; of equally alike keys the nearer, in space and in time."""
        ranks = torch.arange(len(context), device=self._scores.device)
        far = (self._distance[:, None] + ranks.square()[:, None]).flatten(1)
        weight = self._scale * (_NEARNESS / self._tile.rim)
        scores = torch.addcmul(self._among(context), weight[:, None, None], far, value=-1)
        best = scores.topk(min(count, scores.shape[-1]), -1)
        starts = self._cells * torch.tensor(context, device=ranks.device)
        places = (starts[:, None] + self._keys).flatten()
        return Nearest(best.values, places[best.indices])
