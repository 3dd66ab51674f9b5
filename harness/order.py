"""The order of data: a stateless function of (seed, position), however the batch is cut and wherever a run resumes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from methods import Keys, Training


class Order:
    """An endless stream of examples: epoch after epoch, each a permutation given by (seed, epoch).

    Batches are cut from the stream without regard to where an epoch ends, so every batch is full.
    """

    def __init__(self, seed: int, size: int) -> None:
        self._seed = seed
        self._size = size
        self._epochs: dict[int, Tensor] = {}  # the one or two that the current batch touches

    def ids(self, where: range) -> Tensor:
        """The examples at these positions of the stream: int64 [N]."""
        size, parts = self._size, []
        for epoch in range(where.start // size, (where.stop - 1) // size + 1):
            first, last = max(where.start - epoch * size, 0), min(where.stop - epoch * size, size)
            parts.append(self._permutation(epoch)[first:last])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            self._epochs = {old: ids for old, ids in self._epochs.items() if old == epoch - 1}
            generator = Keys.of(self._seed, f"order/{epoch}").generator()
            self._epochs[epoch] = torch.randperm(self._size, generator=generator)
        return self._epochs[epoch]


def positions(step: int, batch_size: int, piece: int, pieces: int) -> range:
    """Where one of `pieces` nearly equal, contiguous parts of batch `step` lies in the stream."""
    start = step * batch_size
    return range(start + batch_size * piece // pieces, start + batch_size * (piece + 1) // pieces)


def steps_per_stage(training: Training, shares: Sequence[float], size: int) -> list[int]:
    """Updates of each stage: its share of `steps`, or `epochs` passes over `size` examples in every stage.

    Raises:
        ValueError: a stage would not be trained at all.
    """
    if training.steps is None:
        if training.epochs is None:
            raise ValueError("training needs `steps` or `epochs`")
        return [max(math.ceil(training.epochs * size / training.batch_size), 1) for _ in shares]
    ends = [round(training.steps * sum(shares[: index + 1]) / sum(shares)) for index in range(len(shares))]
    steps = [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    if min(steps) < 1:
        raise ValueError(f"steps: {training.steps} leaves a stage untrained (shares {list(shares)}); raise `steps`")
    return steps
