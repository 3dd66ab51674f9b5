"""Scores with their intervals as a forest plot: one strip a row, all strips of a section on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.axis import Axis
from harness.report.page import BoardSection, Interval


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Places of one row's mark and bar in percent of the strip's width; None where there is nothing to draw."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Forest:
    """One section's drawing: a strip for each of its rows, and what lies behind them, in percent."""

    strips: Sequence[Strip]
    ticks: Sequence[tuple[float, str]]
    chance: float | None


def draw_forest(section: BoardSection) -> Forest:
    """Chance is on the axis if the scores come near it; a far chance would squeeze the differences together. So would a
    baseline, which is drawn only where the others leave room."""
    scores = [row.score for row in section.rows if row.score is not None and not row.is_baseline]
    shown = [bound for score in scores for bound in (score.value, score.low, score.high) if bound is not None]
    chance = section.chance
    if chance is not None and shown:
        span = max(shown) - min(shown)
        if not min(shown) - 0.5 * span <= chance <= max(shown) + 0.5 * span:
            chance = None
    axis = Axis.around(shown if chance is None else [*shown, chance], margin=0.06)
    return Forest(
        strips=[_strip(axis, row.score) for row in section.rows],
        ticks=[(_percent(axis, tick), text) for tick, text in axis.labels(4)],
        chance=None if chance is None else _percent(axis, chance),
    )


def _strip(axis: Axis, score: Interval | None) -> Strip:
    if score is None or not axis.low <= score.value <= axis.high:
        return Strip(value=None, low=None, high=None)
    low = None if score.low is None else _percent(axis, score.low)
    high = None if score.high is None else _percent(axis, score.high)
    return Strip(value=_percent(axis, score.value), low=low, high=high)


def _percent(axis: Axis, value: float) -> float:
    return round(100.0 * axis.fraction(value), 2)
