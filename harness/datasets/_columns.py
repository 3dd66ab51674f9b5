"""Columns in memory-mapped files, and the unlabelled source made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods import Column, Spec


class DenseColumn:
    """Rows of one shape: values [N, ...]. Implements `methods.Column`."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def take(self, ids: Tensor) -> Tensor:
        # A copy, always: the mapped pages are read-only, and torch knows no read-only tensor.
        return torch.from_numpy(self._values.take(ids.numpy(), axis=0))

    def row(self, index: int) -> NDArray[Any]:
        return self._values[index]  # type: ignore[no-any-return]

    def lengths(self, ids: Tensor) -> Tensor:
        if self._values.ndim < 2:
            raise ValueError("this column holds one value per example: its rows have no length")
        return torch.full((len(ids),), self._values.shape[1], dtype=torch.int64)

    def windows(self, ids: Tensor, starts: Tensor, length: int) -> Tensor:
        _check_windows(starts, length, self.lengths(ids))
        positions = starts[:, None] + torch.arange(length)
        return torch.from_numpy(self._values[ids[:, None].numpy(), positions.numpy()])


class RaggedColumn:
    """Rows of different length: row i is values[offsets[i]:offsets[i + 1]]. Implements `methods.Column`."""

    def __init__(self, values: NDArray[Any], offsets: NDArray[np.int64]) -> None:
        self._values = values
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def take(self, ids: Tensor) -> Tensor:
        """Raises:
        ValueError: always; rows of different length do not make one tensor.
        """
        raise ValueError("the rows of this column differ in length: read them with row() or windows()")

    def row(self, index: int) -> NDArray[Any]:
        index = range(len(self))[index]
        return self._values[self._offsets[index] : self._offsets[index + 1]]

    def lengths(self, ids: Tensor) -> Tensor:
        index = _positions(ids, len(self))
        return torch.from_numpy(self._offsets[index + 1] - self._offsets[index])

    def windows(self, ids: Tensor, starts: Tensor, length: int) -> Tensor:
        _check_windows(starts, length, self.lengths(ids))
        first = self._offsets[_positions(ids, len(self))] + starts.numpy()
        return torch.from_numpy(self._values.take(first[:, None] + np.arange(length), axis=0))


class UnlabelledSource:
    """The inputs of one split, and nothing else. Implements `methods.Source`.

    Attributes:
        groups_read: whether somebody has asked for the groups: a method that needs them is marked.
    """

    def __init__(self, spec: Spec, columns: Mapping[str, Column], groups: Column | None, size: int) -> None:
        self.spec = spec
        self.columns = columns
        self.groups_read = False
        self._groups = groups
        self._size = size

    @property
    def groups(self) -> Column | None:
        self.groups_read = self._groups is not None
        return self._groups

    def __len__(self) -> int:
        return self._size


class _Rows:
    """Some rows of a column, as a column. Implements `methods.Column`."""

    def __init__(self, column: Column, ids: Tensor) -> None:
        self._column = column
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def take(self, ids: Tensor) -> Tensor:
        return self._column.take(self._ids[ids])

    def row(self, index: int) -> NDArray[Any]:
        return self._column.row(int(self._ids[index]))

    def lengths(self, ids: Tensor) -> Tensor:
        return self._column.lengths(self._ids[ids])

    def windows(self, ids: Tensor, starts: Tensor, length: int) -> Tensor:
        return self._column.windows(self._ids[ids], starts, length)


class Subset:
    """Some examples of a source (ids, int64 [N]), as a source of their own. Implements `methods.Source`."""

    def __init__(self, source: UnlabelledSource, ids: Tensor) -> None:
        self.spec = replace(source.spec, size=len(ids))
        self.columns = {name: _Rows(column, ids) for name, column in source.columns.items()}
        self._source = source
        self._ids = ids

    @property
    def groups(self) -> Column | None:
        whole = self._source.groups
        return None if whole is None else _Rows(whole, self._ids)

    @property
    def groups_read(self) -> bool:
        return self._source.groups_read

    def __len__(self) -> int:
        return len(self._ids)


def _positions(ids: Tensor, size: int) -> NDArray[np.int64]:
    """Indices from 0, negative ones counted from the end, as in a list; IndexError beyond."""
    index: NDArray[np.int64] = np.arange(size).take(ids.numpy()) if len(ids) else np.empty(0, np.int64)
    return index


def _check_windows(starts: Tensor, length: int, lengths: Tensor) -> None:
    wrong = (starts < 0) | (starts + length > lengths)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise ValueError(
            f"window {first} starts at {int(starts[first])} and is {length} long; its row has {int(lengths[first])}"
        )
