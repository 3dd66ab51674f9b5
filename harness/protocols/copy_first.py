"""The labels of the first frame, for every frame: what following must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.datasets import Task
from harness.protocols._protocol import Needs, Protocol, Solution, View
from methods import Keys, Settings


@dataclass(frozen=True, kw_only=True)
class CopyFirstConfig(Settings):
    """There is nothing to choose."""


class CopyFirst(Protocol):
    """Nothing moves (papers call it identity). No feature is read."""

    name = "copy_first"
    version = 1
    kinds = frozenset({"masks", "keypoints"})
    needs: ClassVar[Needs] = "input"
    modalities = frozenset({"video"})
    Config = CopyFirstConfig
    config: CopyFirstConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """No randomness: `keys` is not used."""
        given = view.test_given or ()
        lengths = view.test.source.columns["video"].lengths(view.test.ids).tolist()
        kept = [labels if task.kind == "masks" else labels[:, :2] for labels in given]
        predictions = [np.repeat(labels[None], length, 0) for labels, length in zip(kept, lengths, strict=True)]
        return Solution(predictions=predictions)
