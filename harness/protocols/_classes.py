"""The classes that train has: only they can be learned, whatever the task names."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.datasets import Task


class SeenClasses:
    """The classes with examples in train, numbered without gaps in the order of the task.

    Attributes:
        indices: int64 [K], ascending; their places in `task.classes`.
        train: int64 [N]; train's targets in the numbering without gaps.

    Raises:
        ValueError: train holds a single class.
    """

    def __init__(self, task: Task, train_targets: Tensor, device: torch.device) -> None:
        self._task = task
        self.indices, self.train = torch.unique(train_targets.to(device), return_inverse=True)
        if len(self.indices) < 2:
            raise ValueError(f"task {task.name!r}: train holds a single class, so there is nothing to separate")

    def __len__(self) -> int:
        return len(self.indices)

    def known(self, targets: Tensor) -> Tensor:
        """Which of val's targets (int64 [M]) are of a class that train has: bool [M].

        Raises:
            ValueError: none is, so that nothing can be chosen by them.
        """
        known = torch.isin(targets.to(self.indices.device), self.indices)
        if not known.any():
            raise ValueError(
                f"task {self._task.name!r}: no example of val has a class that train has; nothing can be chosen by it"
            )
        return known

    def compact(self, targets: Tensor) -> Tensor:
        """Targets in the numbering without gaps, each of a known class: int64 [M] -> int64 [M]."""
        return torch.searchsorted(self.indices, targets.to(self.indices.device))

    def warnings(self) -> list[str]:
        """What the reader must know of the others."""
        classes = self._task.classes
        missing = sorted(set(range(len(classes))) - set(self.indices.tolist()))
        if not missing:
            return []
        named = ", ".join(classes[index] for index in missing[:5]) + (", ..." if len(missing) > 5 else "")
        return [f"{len(missing)} of {len(classes)} classes never occur in train and are never predicted: {named}"]
