from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.curves import BOTTOM, LEFT, RIGHT, TOP, draw_curves, thin
from harness.report.page import Curve


def curve(
    points: list[tuple[float, float]], *, dataset: str = "d", label: str = "m", seed: int = 0, stage: int = 0
) -> Curve:
    return Curve(dataset=dataset, label=label, seed=seed, stage=stage, points=points)


def places(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=400), st.integers(4, 60))
def test_thinning_keeps_ends_and_extremes_in_order(losses: list[float], most: int) -> None:
    points = [(float(step), loss) for step, loss in enumerate(losses)]
    kept = thin(points, most)
    assert len(kept) <= max(most, 4)
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert list(kept) == sorted(set(kept))
    assert set(kept) <= set(points)
    assert min(loss for _, loss in kept) == min(losses)
    assert max(loss for _, loss in kept) == max(losses)


def test_a_line_goes_from_corner_to_corner_and_stays_within() -> None:
    (row,) = draw_curves([curve([(0, 3.0), (50, 2.0), (100, 1.0)])])
    drawn = places(row.charts[0].lines[0])
    assert drawn[0][0] == LEFT
    assert drawn[-1][0] == RIGHT
    assert drawn[1][0] == (LEFT + RIGHT) / 2
    assert all(TOP <= y <= BOTTOM for _, y in drawn)
    assert drawn[0][1] < drawn[1][1] < drawn[2][1]  # downwards on the screen: the loss falls
    assert [text for _, text in row.charts[0].x_ticks] == ["0", "100"]


def test_datasets_stay_together_and_stages_are_in_order() -> None:
    points = [(0.0, 1.0), (1.0, 0.5)]
    rows = draw_curves(
        [
            curve(points, dataset="a", label="m", stage=4),
            curve(points, dataset="b", label="m"),
            curve(points, dataset="a", label="n"),
            curve(points, dataset="a", label="m", stage=2),
        ]
    )
    assert [(row.dataset, row.label) for row in rows] == [("a", "m"), ("a", "n"), ("b", "m")]
    assert [(chart.stage, chart.stages) for chart in rows[0].charts] == [(1, 2), (2, 2)]


def test_the_mean_over_seeds_is_drawn_where_the_steps_agree() -> None:
    agree = draw_curves([curve([(0, 1.0), (1, 0.0)], seed=0), curve([(0, 3.0), (1, 2.0)], seed=1)])[0].charts[0]
    low, high = (places(line) for line in agree.lines)
    assert [y for _, y in places(agree.mean)] == [round((a[1] + b[1]) / 2, 1) for a, b in zip(low, high, strict=True)]
    assert (agree.first, agree.last) == (2.0, 1.0)
    differ = draw_curves([curve([(0, 1.0), (1, 0.0)], seed=0), curve([(0, 3.0), (2, 2.0)], seed=1)])[0].charts[0]
    assert differ.mean == ""


def test_a_loss_that_is_not_finite_is_named_and_left_out() -> None:
    (row,) = draw_curves([curve([(0, 1.0), (1, math.nan), (2, 0.5)], seed=7), curve([(0, math.inf)], stage=1)])
    (chart,) = row.charts
    assert list(chart.diverged) == [7]
    assert len(places(chart.lines[0])) == 2


def test_hundreds_of_cells_stay_small() -> None:
    points = [(float(step), 1.0 / (1 + step)) for step in range(200)]
    rows = draw_curves([curve(points, label=f"m{index}", seed=seed) for index in range(100) for seed in range(5)])
    assert sum(len(line) for row in rows for chart in row.charts for line in chart.lines) < 700_000


def test_what_was_watched_is_drawn_beside_the_loss() -> None:
    points = [(0.0, 2.0), (1.0, 1.0)]
    watched = [replace(curve(points, seed=seed), quantity="spread") for seed in (0, 1)]
    (row,) = draw_curves([*watched, curve(points, seed=0), curve(points, seed=1)])
    assert [chart.quantity for chart in row.charts] == ["loss", "spread"]
    assert [len(chart.lines) for chart in row.charts] == [2, 2]


def test_members_of_one_quantity_share_an_axis_each_a_mean_over_seeds() -> None:
    ends = {"1": 0.9, "2": 0.5}
    curves = [
        replace(curve([(0, 0.1), (1, end + shift)], seed=seed), quantity="accuracy", member=member)
        for member, end in ends.items()
        for seed, shift in enumerate((-0.1, 0.1))
    ]
    (chart,) = draw_curves(curves)[0].charts
    assert chart.members == ("1", "2")
    assert (len(chart.lines), chart.mean) == (2, "")
    assert (chart.first, chart.last) == (pytest.approx(0.9), pytest.approx(0.5))
    assert places(chart.lines[0])[0] == places(chart.lines[1])[0]
    assert places(chart.lines[0])[1][1] < places(chart.lines[1])[1][1]
