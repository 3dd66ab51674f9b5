"""Who else of the same speaker there is."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor

from methods._keys import Keys
from methods._method import Source


class Speakers:
    """The groups of one source."""

    def __init__(self, source: Source) -> None:
        if source.groups is None:
            raise ValueError("negatives of the same speaker need a dataset with groups; this one has none")
        groups = source.groups.take(torch.arange(len(source)))
        self._members = groups.argsort(stable=True)
        _, which, counts = torch.unique(groups, return_inverse=True, return_counts=True)
        self._first = (counts.cumsum(0) - counts)[which]
        self._count = counts[which]
        self._place = torch.empty_like(self._members)
        self._place[self._members] = torch.arange(len(groups))

    def others(self, ids: Tensor, keys: Keys, count: int) -> tuple[Tensor, Tensor]:
        """Other examples of each one's group, distinct, all sets of them equally likely: int64 [N, count].

        Also, bool [N, count], which there are: a group may have fewer. For the rest stands the example itself.
        """
        first, size = self._first[ids][:, None], self._count[ids][:, None]
        dice = keys.uniform(max(int(self._count.max()), count))
        within = torch.arange(dice.shape[1])
        itself = within == (self._place[ids][:, None] - first)
        chosen = dice.masked_fill(itself | (within >= size), 2.0).topk(count, dim=1, largest=False)
        there = chosen.values < 1.0
        found = self._members[(first + chosen.indices).clamp_max(len(self._members) - 1)]
        return torch.where(there, found, ids[:, None]), there


class SpeakersOf:
    """Those of each source that has been asked for, read once."""

    def __init__(self) -> None:
        self._read: list[tuple[weakref.ref[Source], Speakers]] = []

    def __call__(self, source: Source) -> Speakers:
        for reference, speakers in self._read:
            if reference() is source:
                return speakers
        speakers = Speakers(source)
        self._read = [*(entry for entry in self._read if entry[0]() is not None), (weakref.ref(source), speakers)]
        return speakers

    def __deepcopy__(self, memo: dict[int, Any]) -> SpeakersOf:
        return self  # copies of a method (fine-tuning makes them) ask the same sources
