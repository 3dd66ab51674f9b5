from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness.datasets._columns import DenseColumn, RaggedColumn

VALUES: NDArray[np.int64] = np.arange(5 * 7 * 2).reshape(5, 7, 2)
ROWS = [np.arange(start, start + length, dtype=np.float32) for start, length in ((0, 3), (10, 0), (20, 5))]


def ragged() -> RaggedColumn:
    return RaggedColumn(np.concatenate(ROWS), np.cumsum([0, *map(len, ROWS)]))


def test_dense_rows_are_the_values_indexed() -> None:
    column, ids = DenseColumn(VALUES), torch.tensor([4, 0, 0, 2])
    assert len(column) == 5
    assert torch.equal(column.take(ids), torch.from_numpy(VALUES)[ids])
    assert np.array_equal(column.row(3), VALUES[3])
    assert column.lengths(ids).tolist() == [7] * 4
    with pytest.raises(IndexError):
        column.take(torch.tensor([5]))


def test_taking_copies_so_that_a_method_cannot_change_the_cache() -> None:
    values = VALUES.copy()
    DenseColumn(values).take(torch.arange(5)).zero_()
    assert np.array_equal(values, VALUES)


def test_dense_windows_are_slices() -> None:
    windows = DenseColumn(VALUES).windows(torch.tensor([1, 3]), torch.tensor([0, 4]), 3)
    assert np.array_equal(windows.numpy(), np.stack([VALUES[1, 0:3], VALUES[3, 4:7]]))


def test_ragged_rows_keep_their_lengths() -> None:
    column = ragged()
    assert len(column) == 3
    for index, row in enumerate(ROWS):
        assert np.array_equal(column.row(index), row)
    assert np.array_equal(column.row(-1), ROWS[-1])
    assert column.lengths(torch.tensor([2, 1, 0, 2])).tolist() == [5, 0, 3, 5]
    assert column.lengths(torch.tensor([], dtype=torch.int64)).tolist() == []
    with pytest.raises(IndexError):
        column.row(3)
    with pytest.raises(IndexError):
        column.lengths(torch.tensor([3]))
    with pytest.raises(ValueError, match="differ in length"):
        column.take(torch.tensor([0]))


def test_ragged_windows_are_slices_and_never_cross_into_the_next_row() -> None:
    column = ragged()
    windows = column.windows(torch.tensor([2, 0]), torch.tensor([3, 1]), 2)
    assert np.array_equal(windows.numpy(), np.stack([ROWS[2][3:5], ROWS[0][1:3]]))
    for start in (2, -1):
        with pytest.raises(ValueError, match="window 0 starts at"):
            column.windows(torch.tensor([0]), torch.tensor([start]), 2)
