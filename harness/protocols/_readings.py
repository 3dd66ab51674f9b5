"""What the layer on top of an encoder reads of each example, by the kind of task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from harness.positions import at_positions
from methods import Features


class Reading(ABC):
    """Vectors of the examples of one part, and which of its answers belong to them."""

    @abstractmethod
    def vectors(self, features: Features, places: Tensor) -> Tensor:
        """Of the examples at these places of the part (int64 [B]), whose features these are: [answers, D]."""

    def answers(self, places: Tensor) -> Tensor:
        """Places of their answers among those of the part: int64 [answers]."""
        return places


class Pooled(Reading):
    """One vector an example."""

    def vectors(self, features: Features, places: Tensor) -> Tensor:
        return features.pooled


class AtPositions(Reading):
    """One vector for each labelled position."""

    def __init__(self, intervals: Sequence[NDArray[Any]]) -> None:
        """Where they lie, for each example of the part: int64 [L, 2]."""
        self._intervals = intervals
        self._ends = torch.tensor([len(row) for row in intervals]).cumsum(0)

    def vectors(self, features: Features, places: Tensor) -> Tensor:
        return at_positions(features, [self._intervals[place] for place in places.tolist()])

    def answers(self, places: Tensor) -> Tensor:
        ends = self._ends[places].tolist()
        own = [torch.arange(end - len(self._intervals[i]), end) for i, end in zip(places.tolist(), ends, strict=True)]
        return torch.cat(own)


class Tokens(Reading):
    """One vector for each token of the text, [B, L, D]; zeros beyond an example's own."""

    def vectors(self, features: Features, places: Tensor) -> Tensor:
        local, mask = features.local, features.mask
        if local is None:
            raise ValueError("answering spans needs `local` in the encoder's features: one row per token")
        if mask is None:
            return local
        return pad_sequence(list(torch.split(local[mask], mask.sum(1).tolist())), batch_first=True)
