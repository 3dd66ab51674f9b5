"""Rows of like length together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from methods._sentences import of_like_length


@pytest.mark.parametrize("most", [1, 20, 64, 10_000])
def test_groups_hold_every_row_once_and_no_more_than_has_room(most: int) -> None:
    lengths = np.random.default_rng(0).integers(0, 40, 200).tolist()
    groups = of_like_length(lengths, most)
    order = [row for group in groups for row in group]
    assert sorted(order) == list(range(200))
    assert [lengths[row] for row in order] == sorted(lengths)
    assert all(len(group) * lengths[group[-1]] <= most or len(group) == 1 for group in groups)
    assert of_like_length([], most) == []
    if most == 10_000:
        assert len(groups) == 1


def test_no_group_could_take_the_next_row() -> None:
    lengths = [3, 9, 1, 4, 4, 8, 2]
    groups = of_like_length(lengths, 12)
    for group, after in pairwise(groups):
        assert (len(group) + 1) * lengths[after[0]] > 12
