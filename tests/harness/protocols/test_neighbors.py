"""The search against a loop over all pairs, with many ties, and across blocks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.protocols import _neighbors
from harness.protocols._neighbors import nearest


def _integers(rows: int, seed: int) -> Tensor:
    """Small whole numbers: products are exact, so ties are ties on every path."""
    return torch.randint(-2, 3, (rows, 3), generator=torch.Generator().manual_seed(seed)).float()


def _by_loop(queries: Tensor, table: Tensor, offsets: Tensor | None, k: int) -> list[list[int]]:
    def similarity(query: Tensor, row: int) -> float:
        return float(query @ table[row]) + (0.0 if offsets is None else float(offsets[row]))

    return [sorted(range(len(table)), key=lambda row: (-similarity(query, row), row))[:k] for query in queries]


@pytest.mark.parametrize("width", [7, 64, 1000], ids=["narrow blocks", "blocks", "one block"])
@pytest.mark.parametrize("distances", [False, True])
@pytest.mark.parametrize("k", [1, 5, 60, 200])
def test_equals_a_loop_over_all_pairs(k: int, distances: bool, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_neighbors, "_WIDTH", width)
    monkeypatch.setattr(_neighbors, "_ROOM", {False: 6 * width})
    queries, table = _integers(20, seed=0), _integers(200, seed=1)
    offsets = -0.5 * table.square().sum(1) if distances else None
    near = nearest(queries, table, offsets, k)
    assert near.row.tolist() == _by_loop(queries, table, offsets, k)
    expected = queries @ table.T + (0 if offsets is None else offsets)
    torch.testing.assert_close(near.similarity, expected.gather(1, near.row))


def test_equal_rows_come_in_the_order_of_the_table() -> None:
    near = nearest(torch.ones(3, 2), torch.ones(500, 2), None, 40)
    assert near.row.tolist() == [list(range(40))] * 3
