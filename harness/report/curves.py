"""Learning curves as drawings: one small chart for each dataset, method and stage, its seeds over one another, and one
for each quantity that the method had watched.

Losses of different methods, and of different stages of one method, have different units: they never share an axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.report.axis import Axis
from harness.report.page import Curve

Points = Sequence[tuple[float, float]]

#: Points drawn per curve; a chart is 260 units wide, so more would not be seen, and hundreds of cells stay small.
_DRAWN_POINTS = 96
#: The plot's edges within the 260 x 130 drawing; the rest is for the numbers.
LEFT, RIGHT, TOP, BOTTOM = 38.0, 254.0, 8.0, 110.0
#: A loss that falls further than this is drawn on a logarithmic axis, or its end would look flat.
_LOGARITHMIC_FROM = 30.0


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One drawing, in its own 260 x 130 coordinates.

    Attributes:
        stage: its place, from 1, among the `stages` of the method.
        quantity: "loss", or what else was watched.
        members: of a quantity with several, the first and the last.
        lines: for each seed the `points` of a polyline; where there are members, for each of these, the seeds' mean.
        mean: the seeds' mean in the same form; "" unless there are several with the same steps, or where there are
            members.
        first, last: values that the drawing begins and ends with; of members the values at the end, of the first member
            and of the last.
        x_ticks, y_ticks: (place, text).
        diverged: seeds whose loss was somewhere not finite; such points are left out.
    """

    stage: int
    stages: int
    quantity: str
    members: Sequence[str]
    lines: Sequence[str]
    mean: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    first: float
    last: float
    steps: float
    diverged: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class ChartRow:
    """All stages of one method on one dataset."""

    dataset: str
    label: str
    charts: Sequence[Chart]


def draw_curves(curves: Iterable[Curve]) -> list[ChartRow]:
    """Charts by dataset and label in the order of their first curve, stages in order."""
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        groups.setdefault((curve.dataset, curve.label), []).append(curve)
    datasets = list(dict.fromkeys(dataset for dataset, _ in groups))
    ordered = sorted(groups, key=lambda key: datasets.index(key[0]))  # stable: labels keep their order
    return [ChartRow(dataset=key[0], label=key[1], charts=_draw_stages(groups[key])) for key in ordered]


def _draw_stages(curves: Sequence[Curve]) -> list[Chart]:
    """Losses of all stages, then what else was watched in them."""
    stages = sorted({curve.stage for curve in curves})
    quantities = list(dict.fromkeys(["loss", *(curve.quantity for curve in curves)]))
    ordered = sorted(curves, key=lambda curve: (quantities.index(curve.quantity), curve.stage))
    charts = (
        _draw(stages.index(stage) + 1, len(stages), list(group))
        for (_, stage), group in groupby(ordered, key=lambda curve: (curve.quantity, curve.stage))
    )
    return [chart for chart in charts if chart is not None]


def _draw(stage: int, stages: int, curves: Sequence[Curve]) -> Chart | None:
    members = list(dict.fromkeys(curve.member for curve in curves))
    by_seed = sorted(curves, key=lambda curve: curve.seed)
    seeds = {member: [_finite(curve) for curve in by_seed if curve.member == member] for member in members}
    means = {member: _mean(some) for member, some in seeds.items()}
    first = members[0]
    lines = seeds[first] if len(members) == 1 else [means[member] or seeds[member][0] for member in members]
    lines = [points for points in lines if points]
    if not lines:
        return None
    drawn = [thin(points, _DRAWN_POINTS) for points in lines]
    values = sorted(value for points in drawn for _, value in points)
    wide = curves[0].quantity == "loss" and values[0] > 0 and values[-1] / values[0] > _LOGARITHMIC_FROM
    y_axis = Axis.around(values, logarithmic=wide)
    steps = [step for points in drawn for step, _ in points]
    x_axis = Axis(min(steps), max(steps)) if min(steps) < max(steps) else Axis.around(steps)

    def place(points: Points) -> str:
        return " ".join(f"{_x(x_axis, step):.1f},{_y(y_axis, value):.1f}" for step, value in points)

    mean = means[first] if len(members) == 1 else []
    shown = mean or lines[0]
    ends = (x_axis.low, x_axis.high) if len(shown) > 1 else (shown[0][0],)
    return Chart(
        stage=stage,
        stages=stages,
        quantity=curves[0].quantity,
        members=(members[0], members[-1]) if len(members) > 1 else (),
        lines=[place(points) for points in drawn],
        mean=place(thin(mean, _DRAWN_POINTS)) if mean else "",
        x_ticks=[(_x(x_axis, step), f"{step:,.0f}") for step in ends],
        y_ticks=[(_y(y_axis, value), text) for value, text in y_axis.labels(3)],
        first=lines[0][-1][1] if len(members) > 1 else shown[0][1],
        last=lines[-1][-1][1] if len(members) > 1 else shown[-1][1],
        steps=max(steps),
        diverged=[curve.seed for curve in by_seed if len(_finite(curve)) < len(curve.points)],
    )


def _finite(curve: Curve) -> Points:
    return [(step, value) for step, value in curve.points if math.isfinite(value)]


def _x(axis: Axis, step: float) -> float:
    return LEFT + (RIGHT - LEFT) * axis.fraction(step)


def _y(axis: Axis, loss: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * axis.fraction(loss)


def _mean(curves: Sequence[Points]) -> Points:
    """Mean over seeds, if there are several and all were logged at the same steps; else nothing."""
    steps = [step for step, _ in curves[0]]
    if len(curves) < 2 or any([step for step, _ in points] != steps for points in curves):
        return []
    return [(step, sum(points[i][1] for points in curves) / len(curves)) for i, step in enumerate(steps)]


def thin(points: Points, most: int) -> Points:
    """At most `most` (>= 4) of the points: the ends, and in each bin between them the lowest and the highest, so that
    a spike is never hidden."""
    if len(points) <= most:
        return points
    inner, bins = points[1:-1], (most - 2) // 2
    kept = [points[0]]
    for index in range(bins):
        members = inner[len(inner) * index // bins : len(inner) * (index + 1) // bins]
        extremes = {min(members, key=lambda point: point[1]), max(members, key=lambda point: point[1])}
        kept.extend(sorted(extremes))
    return [*kept, points[-1]]
