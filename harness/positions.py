"""Which features answer for a labelled position: a word of a sentence, ten milliseconds of speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from methods import Features


def at_positions(features: Features, intervals: Sequence[NDArray[Any]]) -> Tensor:
    """Local features at labelled positions, those of one example after those of another: [sum of L, D].

    Of each interval it is the first position that begins in it (of a word its first piece, as in BERT, section 5.3),
    and where none does the one nearest to its middle.

    Args:
        features: of N examples, with `local` [N, P, D] and `centers`.
        intervals: int64 [L, 2] (begin, end) of each example, in the unit of `centers`.

    Raises:
        ValueError: there are no local features along one axis, or an example has labels but no position.
    """
    local = features.local
    if local is None or features.centers is None or local.ndim != 3:
        raise ValueError("a task of kind position needs local features [N, P, D] and their centers")
    centers = features.centers.to(local.device, torch.float64).expand(local.shape[:2])
    real = torch.ones(local.shape[:2], dtype=torch.bool) if features.mask is None else features.mask
    found = []
    for index, rows in enumerate(intervals):
        if not len(rows):
            continue
        # A copy: rows that are mapped from files are read-only.
        begins, ends = torch.tensor(rows, dtype=torch.float64, device=local.device).T.contiguous()
        found.append(local[index, _nearest(centers[index], real[index].to(local.device), begins, ends)])
    return torch.cat(found) if found else local[:0, 0]


def _nearest(centers: Tensor, real: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
    """Positions [P], real or not, for intervals [L]: int64 [L]. In time and memory of (P + L) log P: minutes of speech
    have ten thousands of each."""
    if not real.any():
        raise ValueError("an example has labelled positions, but the encoder gives it none")
    places = real.nonzero()[:, 0]
    centers, order = centers[places].sort(stable=True)  # of equal ones the first stays first
    last = len(centers) - 1
    first = torch.searchsorted(centers, begins)
    inside = (first <= last) & (centers[first.clamp(max=last)] < ends)
    middles = (begins + ends) / 2
    above = torch.searchsorted(centers, middles).clamp(max=last)
    above, below = (torch.searchsorted(centers, centers[each]) for each in (above, (above - 1).clamp(min=0)))
    nearest = torch.where(middles - centers[below] <= centers[above] - middles, below, above)
    return places[order[torch.where(inside, first, nearest)]]
