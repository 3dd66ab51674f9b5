"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Metric:
    """One number that judges predictions.

    Attributes:
        name: as tasks and tables write it.
        higher_is_better: its direction.
        compute: from predictions and targets of the same examples, in the form that the kind of task has: arrays, or
            sequences of rows.
        outcomes: one number per example, float or bool [N] with `compute` as their mean; None where the metric is no
            mean over examples. Paired tests over test examples need it. Where the metric is a mean over units of
            which examples hold several (objects, joints, positions), see `ratio_outcomes`.
        note: what a reader of its number must know where definitions differ.
    """

    name: str
    higher_is_better: bool
    compute: Callable[[Any, Any], float]
    outcomes: Callable[[Any, Any], NDArray[Any]] | None = None
    note: str = ""
