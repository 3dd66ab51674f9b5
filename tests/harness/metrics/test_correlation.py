"""Correlations against scipy's, and where those are not defined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.metrics import METRICS


@pytest.mark.parametrize("seed", range(4))
def test_equal_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 6, 70) / 5  # with ties, as similarities of sentences have them
    predictions = np.exp(targets + generator.normal(size=70)).round(1)
    assert METRICS["pearson"].compute(predictions, targets) == pytest.approx(stats.pearsonr(predictions, targets)[0])
    assert METRICS["spearman"].compute(predictions, targets) == pytest.approx(stats.spearmanr(predictions, targets)[0])


def test_spearman_by_hand() -> None:
    # ranks 1 2 3 4 against 1 3 2 4: 1 - 6 (0 + 1 + 1 + 0) / (4 (16 - 1))
    values = np.array([0.1, 0.2, 0.3, 0.4]), np.array([-5.0, 7.0, 6.0, 900.0])
    assert METRICS["spearman"].compute(*values) == pytest.approx(0.8)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_bounds(name: str) -> None:
    metric, values = METRICS[name], np.array([0.0, 1.0, 5.0])
    assert metric.outcomes is None
    assert metric.compute(2 * values - 7, values) == pytest.approx(1)
    assert metric.compute(-values, values) == pytest.approx(-1)
    assert metric.compute(np.full(3, 0.3), values) == 0
    assert metric.compute(values[:1], values[:1]) == 0
    for bad in (np.array([np.nan, 1, 2]), np.array([1.0, np.inf, 2])):
        with pytest.raises(ValueError, match="finite"):
            metric.compute(bad, values)
    for short in (values[:2], values[:0]):
        with pytest.raises(ValueError, match="equally long"):
            metric.compute(short, values)
