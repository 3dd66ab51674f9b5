"""What every choice on val goes by: the task's own metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.datasets import Task
from harness.metrics import METRICS


def quality(task: Task, predictions: Any, targets: Any) -> float:
    """The task's metric of val (in the form that `Metric.compute` takes); of two, the greater is better."""
    return _sign(task) * METRICS[task.metric].compute(predictions, targets)


def told(task: Task, qualities: Iterable[float]) -> dict[str, list[float]]:
    """Qualities as a record tells them: the metric's own values under its name."""
    return {f"val_{task.metric}": [_sign(task) * value for value in qualities]}


def _sign(task: Task) -> int:
    return 1 if METRICS[task.metric].higher_is_better else -1
