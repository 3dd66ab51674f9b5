from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.axis import Axis

finite = st.floats(-1e6, 1e6)


@given(st.lists(finite, min_size=1, max_size=20))
def test_every_value_lies_strictly_within_the_axis_around_it(values: list[float]) -> None:
    axis = Axis.around(values)
    assert all(axis.low < value < axis.high for value in values)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20))
def test_logarithmic_places_grow_with_the_logarithm(values: list[float]) -> None:
    axis = Axis.around(values, logarithmic=True)
    for value in values:
        expected = (math.log10(value) - math.log10(axis.low)) / (math.log10(axis.high) - math.log10(axis.low))
        assert axis.fraction(value) == pytest.approx(expected, abs=1e-9)


@given(finite, st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_are_even_and_within_and_about_as_many_as_asked(low: float, span: float, about: int) -> None:
    axis = Axis(low, low + span)
    ticks = axis.ticks(about)
    slack = 1e-6 * span + 1e-9 * abs(low)
    assert 1 <= len(ticks) <= 2 * about + 1
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in ticks)
    gaps = [after - before for before, after in pairwise(ticks)]
    assert all(gap == pytest.approx(gaps[0], rel=1e-3) for gap in gaps)


def test_texts_share_their_decimals() -> None:
    assert [text for _, text in Axis(-0.06, 0.06).labels(4)] == ["−0.050", "−0.025", "0.000", "0.025", "0.050"]


def test_values_that_are_not_finite_do_not_count() -> None:
    assert Axis.around([math.nan, math.inf]) == Axis(0.0, 1.0)
    assert Axis.around([1.0, 3.0, math.nan], margin=0.5) == Axis(0.0, 4.0)


def test_values_beyond_lie_on_the_ends() -> None:
    assert [Axis(0.0, 1.0).fraction(value) for value in (-5.0, 0.25, 7.0)] == [0.0, 0.25, 1.0]
