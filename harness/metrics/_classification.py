"""Metrics of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics._metric import Metric


def accuracy(predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    """Share of examples (int64 [N], int64 [N]) whose class is right."""
    return float(np.mean(right(predictions, targets)))


def right(predictions: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.bool_]:
    """Which examples (int64 [N], int64 [N]) are given their own class: bool [N]."""
    _check(predictions, targets)
    hits: NDArray[np.bool_] = predictions == targets
    return hits


def macro_f1(predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    """F1 = 2 TP / (2 TP + FP + FN), averaged over the classes found in predictions or targets (int64 [N] each)."""
    _check(predictions, targets)
    classes, codes = np.unique(np.concatenate([predictions, targets]), return_inverse=True)
    predicted, actual = codes[: len(predictions)], codes[len(predictions) :]
    hits = np.bincount(actual[predicted == actual], minlength=len(classes))
    claimed = np.bincount(predicted, minlength=len(classes)) + np.bincount(actual, minlength=len(classes))
    return float(np.mean(2 * hits / claimed))


def _check(predictions: NDArray[Any], targets: NDArray[Any]) -> None:
    if predictions.ndim != 1 or predictions.shape != targets.shape or not len(targets):
        raise ValueError(f"need two equally long, non-empty vectors, not {predictions.shape} and {targets.shape}")


CLASSIFICATION = (
    Metric("accuracy", higher_is_better=True, compute=accuracy, outcomes=right),
    Metric("macro_f1", higher_is_better=True, compute=macro_f1),
)
