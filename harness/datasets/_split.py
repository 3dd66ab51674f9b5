"""One split of a materialised dataset: its unlabelled source, and its labels apart from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets._columns import RaggedColumn, UnlabelledSource
from harness.datasets._dataset import DatasetError
from harness.datasets._writer import Role


class LabelRows(Sequence[NDArray[Any]]):
    """Labels of examples that differ in number, a row an example, read when they are asked for."""

    def __init__(self, column: RaggedColumn, ids: Tensor | None = None) -> None:
        self._column = column
        self._ids = torch.arange(len(column)) if ids is None else ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> LabelRows: ...
    def __getitem__(self, index: int | slice) -> NDArray[Any] | LabelRows:
        if isinstance(index, slice):
            return LabelRows(self._column, self._ids[index])
        return self._column.row(int(self._ids[index]))

    def of(self, ids: Tensor) -> LabelRows:
        """Those of some examples (int64 [M]), in this order."""
        return LabelRows(self._column, self._ids[ids])

    def lengths(self) -> Tensor:
        """How many each example has: int64 [N]."""
        return self._column.lengths(self._ids)


#: Maps the file of a role and a task into memory.
_Map = Callable[[Role, str], NDArray[Any]]


@dataclass(frozen=True)
class Split:
    """One set of examples of one split.

    Attributes:
        source: the unlabelled examples, for methods; it holds no reference to the labels.
    """

    source: UnlabelledSource
    _tasks: frozenset[str]
    _map: _Map

    def labels(self, task: str) -> Tensor:
        """One answer an example: int64 [N] classes, or float64 [N].

        Raises:
            DatasetError: there is no such task, or its file cannot be read.
        """
        return torch.from_numpy(np.array(self._read("labels", task)))

    def rows(self, task: str) -> LabelRows:
        """Labels of other kinds, a row an example; see `Writer.labelled_positions` and `Writer.ragged_labels`.

        Raises:
            DatasetError: there is no such task, or its files cannot be read.
        """
        return LabelRows(RaggedColumn(self._read("labels", task), self._read("label_offsets", task)))

    def intervals(self, task: str) -> LabelRows:
        """Where the labels of positions lie, int64 [L, 2] an example.

        Raises:
            DatasetError: there is no such task, or its files cannot be read.
        """
        return LabelRows(RaggedColumn(self._read("intervals", task), self._read("label_offsets", task)))

    def _read(self, role: Role, task: str) -> NDArray[Any]:
        if task not in self._tasks:
            raise DatasetError(f"there is no task {task!r}; there are {sorted(self._tasks)}")
        return self._map(role, task)
