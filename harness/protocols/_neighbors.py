"""The nearest rows of one table to those of another: exact, in blocks, with ties that always fall the same way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

#: Similarities held at a time: 256 MiB of them on a GPU, 32 MiB on a CPU.
_ROOM = {True: 1 << 26, False: 1 << 23}
#: Rows of the table that one block covers at most.
_WIDTH = 1 << 14


class Neighbors(NamedTuple):
    """The k nearest of each query, nearest first; of equally near ones the earlier row of the table first."""

    similarity: Tensor  #: [M, k], descending
    row: Tensor  #: int64 [M, k], places in the table


def nearest(queries: Tensor, table: Tensor, offsets: Tensor | None, k: int) -> Neighbors:
    """By the similarity q . t + offset of t.

    Inner product of unit vectors (no offsets) is the cosine; with offsets -||t||^2 / 2 the order is that of Euclidean
    distance, of which it is the part that differs between rows: ||q - t||^2 = ||q||^2 - 2 (q . t - ||t||^2 / 2).

    Args:
        queries: float [M, D].
        table: float [N, D] on the same device, N >= k.
        offsets: float [N].
    """
    found = [_of_block(block, table, offsets, k) for block in _query_blocks(queries, len(table))]
    return Neighbors(torch.cat([near.similarity for near in found]), torch.cat([near.row for near in found]))


def _query_blocks(queries: Tensor, rows: int) -> Iterator[Tensor]:
    yield from torch.split(queries, max(_ROOM[queries.is_cuda] // min(rows, _WIDTH), 1))


def _of_block(queries: Tensor, table: Tensor, offsets: Tensor | None, k: int) -> Neighbors:
    best: Neighbors | None = None
    for start in range(0, len(table), _WIDTH):
        similarity = queries @ table[start : start + _WIDTH].T
        if offsets is not None:
            similarity += offsets[start : start + _WIDTH]
        found = _first(similarity, min(k, similarity.shape[1]), start)
        if best is not None:  # earlier rows stand first, so that a stable sort leaves ties to them
            both = Neighbors(*(torch.cat(pair, dim=1) for pair in zip(best, found, strict=True)))
            order = both.similarity.argsort(dim=1, descending=True, stable=True)[:, :k]
            found = Neighbors(both.similarity.gather(1, order), both.row.gather(1, order))
        best = found
    assert best is not None, "the table is empty"
    return best


def _first(similarity: Tensor, k: int, start: int) -> Neighbors:
    """The k highest of each row [M, n], of equal ones the leftmost; `topk` promises nothing about equal ones."""
    # One more than asked for tells whether equal ones stand on both sides of the cut, for less than a second look at
    # all of them costs: that took longer than to find them.
    values, index = similarity.topk(min(k + 1, similarity.shape[1]), dim=1)
    last, beyond = values[:, k - 1 : k], values[:, k:]
    index = index[:, :k]
    for row in (beyond == last).any(1).nonzero()[:, 0].tolist():
        above = (similarity[row] > last[row]).nonzero()[:, 0]
        equal = (similarity[row] == last[row]).nonzero()[:, 0]
        index[row] = torch.cat([above, equal[: k - len(above)]])
    index = index.sort(dim=1).values
    values = similarity.gather(1, index)
    order = values.argsort(dim=1, descending=True, stable=True)
    return Neighbors(values.gather(1, order), index.gather(1, order) + start)
