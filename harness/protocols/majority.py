"""The most frequent class of train, whatever the example: what every encoder must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from harness.datasets import Task
from harness.protocols._protocol import Needs, Protocol, Solution, View
from methods import Keys, Settings


@dataclass(frozen=True, kw_only=True)
class MajorityConfig(Settings):
    """There is nothing to choose."""


class Majority(Protocol):
    """Always the most frequent class of train, of equally frequent ones the lower. No feature is read."""

    name = "majority"
    version = 1
    kinds = frozenset({"class", "position", "pair"})
    needs_classes = True
    needs: ClassVar[Needs] = "input"
    Config = MajorityConfig
    config: MajorityConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """No randomness: `keys` is not used."""
        counts = torch.bincount(view.train_targets.cpu(), minlength=len(task.classes)).tolist()
        winner = counts.index(max(counts))
        selection = {"rule": "most frequent class of train, then the lower", "train_counts": counts, "winner": winner}
        return Solution(predictions=np.full(len(view.test), winner, dtype=np.int64), selection=selection)
