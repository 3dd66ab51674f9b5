from __future__ import annotations

from dataclasses import replace

import pytest

from harness.report.forest import draw_forest
from harness.report.page import BoardRow, BoardSection, Interval


def section(*scores: Interval | None, chance: float | None = None) -> BoardSection:
    rows = [BoardRow(label="m", score=score, n=3) for score in scores]
    return BoardSection(dataset="d", task="t", protocol="linear", metric="accuracy", chance=chance, rows=rows)


def test_places_keep_the_proportions_of_the_scores() -> None:
    forest = draw_forest(section(Interval(value=0.5, low=0.4, high=0.6), Interval(value=0.8, low=0.7, high=0.9)))
    first, second = forest.strips
    assert first.low is not None
    assert first.value is not None
    assert first.high is not None
    assert second.value is not None
    assert first.value - first.low == pytest.approx(first.high - first.value, abs=0.02)
    assert second.value - first.value == pytest.approx(3 * (first.value - first.low), abs=0.05)


def test_a_row_without_a_score_or_an_interval_draws_what_there_is() -> None:
    empty, bare = draw_forest(section(None, Interval(value=0.5))).strips
    assert (empty.value, empty.low, empty.high) == (None, None, None)
    assert bare.value is not None
    assert bare.low is None


def test_chance_is_drawn_only_if_the_scores_come_near_it() -> None:
    scores = Interval(value=0.5, low=0.45, high=0.55), Interval(value=0.6, low=0.55, high=0.65)
    assert draw_forest(section(*scores, chance=0.4)).chance is not None
    assert draw_forest(section(*scores, chance=0.1)).chance is None


def test_an_empty_section_has_an_axis() -> None:
    assert len(draw_forest(section()).ticks) > 1


def test_a_baseline_far_off_does_not_squeeze_the_others() -> None:
    near = section(Interval(value=0.8, low=0.7, high=0.9), Interval(value=0.75))
    guess = BoardRow(label="guess", control="guess", score=Interval(value=0.1, low=0.05, high=0.15), n=1)
    forest = draw_forest(replace(near, rows=[*near.rows, guess]))
    assert forest.strips[:2] == draw_forest(near).strips
    assert forest.strips[2].value is None
    close = replace(guess, score=Interval(value=0.72))
    assert draw_forest(replace(near, rows=[*near.rows, close])).strips[2].value is not None
