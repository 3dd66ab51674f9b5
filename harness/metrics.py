"""Metrics of predictions against test labels: pure functions, by name, each with its direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Metric:
    """One way to score a task.

    Attributes:
        compute: of (predictions, targets), both in the form that the task's kind has.
    """

    name: str
    higher_is_better: bool
    compute: Callable[[NDArray[Any], NDArray[Any]], float]


def accuracy(predictions: Labels, targets: Labels) -> float:
    """Share of examples [N] whose predicted class is the true one."""
    _check(predictions, targets)
    return float(np.mean(predictions == targets))


def macro_f1(predictions: Labels, targets: Labels) -> float:
    """F1 of each class that occurs among predictions or targets [N], averaged over those classes."""
    _check(predictions, targets)
    scores = []
    for label in np.union1d(predictions, targets):
        predicted, true = predictions == label, targets == label
        scores.append(2 * np.sum(predicted & true) / (np.sum(predicted) + np.sum(true)))
    return float(np.mean(scores))


def _check(predictions: Labels, targets: Labels) -> None:
    if predictions.shape != targets.shape or not targets.size:
        raise ValueError(f"predictions {predictions.shape} do not match targets {targets.shape}")


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("accuracy", True, accuracy),
    "macro_f1": Metric("macro_f1", True, macro_f1),
}
