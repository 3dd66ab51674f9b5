"""Metrics of real values: how well predictions follow targets, whatever their scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics._metric import Metric


def pearson(predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    """Linear correlation (float [N] each); 0 where predictions or targets are all the same.

    Raises:
        ValueError: they are not two equally long, non-empty vectors of finite numbers.
    """
    if predictions.ndim != 1 or predictions.shape != targets.shape or not len(targets):
        raise ValueError(f"need two equally long, non-empty vectors, not {predictions.shape} and {targets.shape}")
    if not (np.isfinite(predictions).all() and np.isfinite(targets).all()):
        raise ValueError("predictions and targets must be finite numbers")
    if np.ptp(predictions) == 0 or np.ptp(targets) == 0:
        return 0.0
    return float(np.corrcoef(predictions, targets)[0, 1])


def spearman(predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    """Linear correlation of the ranks, equal values sharing their mean rank; errors and limits as of `pearson`."""
    from scipy.stats import rankdata

    if not (np.isfinite(predictions).all() and np.isfinite(targets).all()):
        raise ValueError("predictions and targets must be finite numbers")
    return pearson(rankdata(predictions), rankdata(targets))


CORRELATION = (
    Metric("pearson", higher_is_better=True, compute=pearson),
    Metric("spearman", higher_is_better=True, compute=spearman),
)
