"""Candidates of all ranks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd import Function

from methods._keys import Keys


def ranks() -> int:
    """Processes that train together; 1 where none do."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gathered(rows: Tensor) -> tuple[Tensor, int]:
    """The rows of all ranks, [sum of M, D], and where this rank's own begin. All ranks call it together, with as many
    rows each as it has. What flows back to a row is the sum of what all ranks say of it."""
    mine = torch.tensor([len(rows)], device=rows.device)
    every = [torch.empty_like(mine) for _ in range(ranks())]
    distributed.all_gather(every, mine)
    lengths = [int(length) for length in every]
    together: Tensor = _Gather.apply(rows, lengths)  # type: ignore[no-untyped-call]
    return together, sum(lengths[: distributed.get_rank()])


def elsewhere(keys: Keys, counts: Tensor) -> Tensor:
    """How many steps other sequences have that only other ranks hold: int64 []. All ranks call it together.

    Args:
        keys: of this rank's sequences. Held-out examples go through every rank, and so under the same keys.
        counts: int64 [B], steps of each.
    """
    mine = torch.stack([keys.high.long(), keys.low.long(), counts], dim=1)
    every, _ = gathered(mine)
    shared = (every[:, None, :2] == mine[None, :, :2]).all(2).any(1)
    return every[~shared, 2].sum()


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, lengths: list[int]) -> Tensor:
        ctx.lengths = lengths
        padded = rows.new_zeros(max(lengths), rows.shape[1])
        padded[: len(rows)] = rows
        every = [torch.empty_like(padded) for _ in lengths]
        distributed.all_gather(every, padded)
        return torch.cat([part[:length] for part, length in zip(every, lengths, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return torch.split(total, ctx.lengths)[distributed.get_rank()], None
