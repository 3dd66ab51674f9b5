"""Where negatives come from: the paper's ablation (Table 2, lower half).

Two kinds of pool do all five. The mixed ones hold all steps of all sequences of the batch. The others are a sequence's
own: itself, and for those of the same speaker its companions, windows of other recordings of that speaker which are
drawn to be candidates and nothing else (random batches hold few windows of one speaker). A pool of a sequence's own
depends on no batch-mate.

False negatives, steps that happen to sound like the positive, are candidates like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from methods.cpc._config import CpcConfig, Pool
from methods.cpc._info_nce import Block

MIXED: frozenset[Pool] = frozenset({"mixed", "mixed_excluding_current"})
SAME_SPEAKER: frozenset[Pool] = frozenset({"same_speaker", "same_speaker_excluding_current"})
EXCLUDING: frozenset[Pool] = frozenset({"mixed_excluding_current", "same_speaker_excluding_current"})


def companions(config: CpcConfig) -> int:
    """Sequences that come with each example of a batch, to be candidates of its own."""
    return config.companions if config.negatives in SAME_SPEAKER else 0


def asked(valid: Tensor, ahead: int, pool: Pool, elsewhere: Tensor | int = 0) -> Tensor:
    """Which predictions are made: bool [B, T, Q, K], from the context at t of the latent at t + k, where both are
    real and there is something to tell it from.

    Args:
        valid: bool [B, 1 + companions, T, Q], the sequence first.
        elsewhere: how many candidates other ranks hold.
    """
    own, steps = valid[:, 0], valid.shape[2]
    later = [
        torch.cat([own[:, step:], torch.zeros_like(own[:, :step])], dim=1)[:, :steps] for step in range(1, ahead + 1)
    ]
    found = own[..., None] & torch.stack(later, dim=-1)
    if pool in EXCLUDING:
        count = valid.flatten(1).sum(1)
        others = count - own.flatten(1).sum(1)
        if pool in MIXED:
            others = count.sum() - count + elsewhere
        found = found & (others > 0)[:, None, None, None]
    return found


class Choices(NamedTuple):
    """R predictions and what each chooses among, as `contrast` takes them."""

    rows: Tensor  #: int64 [R], of the predictions [B * T * Q * K]
    steps: Tensor  #: int64 [R], k - 1
    columns: Tensor  #: int64 [M], candidates of [B * (1 + companions) * T * Q]
    positives: Tensor  #: int64 [R], of the columns
    blocks: list[Block]
    excluded: Tensor | None  #: int64 [R, 2]
    longest: int
    sizes: Tensor  #: int64 [R], N: of how many each chooses one


def choices(questions: Tensor, valid: Tensor, pool: Pool) -> Choices:
    """Lay out `asked` (bool [B, T, Q, K]) over candidates `valid` (bool [B, 1 + companions, T, Q])."""
    together, length, lanes = valid.shape[1:]
    ahead = questions.shape[-1]
    sequence, time, lane, step = questions.nonzero(as_tuple=True)
    rows = ((sequence * length + time) * lanes + lane) * ahead + step
    columns = valid.flatten().nonzero()[:, 0]
    number = valid.flatten().cumsum(0) - 1
    positives = number[((sequence * together) * length + time + step + 1) * lanes + lane]
    members = valid.flatten(1).sum(1)  # of each own pool
    current = valid[:, 0].flatten(1).sum(1)
    first = members.cumsum(0) - members  # the column at which a sequence begins
    sizes = torch.stack([questions.flatten(1).sum(1), members, current]).tolist()
    if pool in MIXED:
        blocks = [Block(0, len(rows), 0, len(columns))]
        size = torch.full_like(members, len(columns))
    else:
        blocks, size = _own(sizes[0], sizes[1]), members
    excluded = None
    if pool in EXCLUDING:
        excluded = torch.stack([first, first + current], dim=1)[sequence]
        size = size - current + 1
    return Choices(rows, step, columns, positives, blocks, excluded, max(sizes[2], default=0), size[sequence])


def _own(rows: list[int], columns: list[int]) -> list[Block]:
    blocks, row, column = [], 0, 0
    for more_rows, more_columns in zip(rows, columns, strict=True):
        if more_rows:
            blocks.append(Block(row, row + more_rows, column, column + more_columns))
        row, column = row + more_rows, column + more_columns
    return blocks
