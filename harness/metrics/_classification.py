"""Metrics of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.metrics._metric import Metric
from harness.metrics._ratio import ratio_outcomes

#: Of each example, or of its positions, one row an example.
Classes: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]


def accuracy(predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    """Share of examples (int64 [N], int64 [N]) whose class is right."""
    return float(np.mean(right(predictions, targets)))


def right(predictions: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.bool_]:
    """Which examples (int64 [N], int64 [N]) are given their own class: bool [N]."""
    _check(predictions, targets)
    hits: NDArray[np.bool_] = predictions == targets
    return hits


def macro_f1(predictions: Classes, targets: Classes) -> float:
    """F1 = 2 TP / (2 TP + FP + FN), averaged over the classes found in predictions or targets (int64 [N], or int64 [L]
    per example, each)."""
    predictions, targets = _flat(predictions), _flat(targets)
    _check(predictions, targets)
    classes, codes = np.unique(np.concatenate([predictions, targets]), return_inverse=True)
    predicted, actual = codes[: len(predictions)], codes[len(predictions) :]
    hits = np.bincount(actual[predicted == actual], minlength=len(classes))
    claimed = np.bincount(predicted, minlength=len(classes)) + np.bincount(actual, minlength=len(classes))
    return float(np.mean(2 * hits / claimed))


def f1(predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    """F1 of class 1 against the other (int64 [N] each); 0 where neither predictions nor targets have it."""
    from sklearn.metrics import f1_score

    _check(predictions, targets)
    return float(f1_score(targets == 1, predictions == 1, zero_division=0.0))


def matthews(predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    """Matthews correlation (int64 [N] each), of two classes (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)); 0
    where the denominator is 0, as it is for one that always gives the same answer."""
    from sklearn.metrics import matthews_corrcoef

    _check(predictions, targets)
    return float(matthews_corrcoef(targets, predictions))


def position_accuracy(predictions: Classes, targets: Classes) -> float:
    """Share of all positions whose class is right (int64 [L] per example)."""
    return accuracy(_flat(predictions), _flat(targets))


def position_outcomes(predictions: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Of each of N examples, what it adds to the accuracy over all positions: float64 [N]."""
    hits = [np.count_nonzero(right(*own)) if len(own[1]) else 0 for own in zip(predictions, targets, strict=True)]
    return ratio_outcomes(np.array(hits), np.array([len(own) for own in targets]))


def _flat(rows: Classes) -> NDArray[Any]:
    """Of all positions, one example after the other."""
    return rows if isinstance(rows, np.ndarray) else np.concatenate([np.asarray(row) for row in rows])


def _check(predictions: NDArray[Any], targets: NDArray[Any]) -> None:
    if predictions.ndim != 1 or predictions.shape != targets.shape or not len(targets):
        raise ValueError(f"need two equally long, non-empty vectors, not {predictions.shape} and {targets.shape}")


CLASSIFICATION = (
    Metric("accuracy", higher_is_better=True, compute=accuracy, outcomes=right),
    Metric("macro_f1", higher_is_better=True, compute=macro_f1),
    Metric("f1", higher_is_better=True, compute=f1),
    Metric("matthews", higher_is_better=True, compute=matthews),
    Metric("position_accuracy", higher_is_better=True, compute=position_accuracy, outcomes=position_outcomes),
)
