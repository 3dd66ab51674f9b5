"""Metrics of classes against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from harness.metrics import METRICS, accuracy, macro_f1


@pytest.mark.parametrize("classes", [2, 3, 40])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learn(classes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    # 60 examples of up to 40 classes: some classes occur only in predictions, only in targets, or in neither
    targets = generator.integers(0, classes, 60)
    predictions = np.where(generator.random(60) < 0.6, targets, generator.integers(0, classes, 60))
    assert accuracy(predictions, targets) == pytest.approx(reference.accuracy_score(targets, predictions))
    assert macro_f1(predictions, targets) == pytest.approx(reference.f1_score(targets, predictions, average="macro"))


def test_macro_f1_by_hand() -> None:
    # class 0: TP 2, FP 1, FN 0 -> 4/5; class 1: TP 0, FN 1 -> 0
    assert macro_f1(np.array([0, 0, 0]), np.array([0, 0, 1])) == pytest.approx(0.4)


def test_a_metric_is_the_mean_of_its_outcomes_where_it_has_them() -> None:
    generator = np.random.default_rng(0)
    targets, predictions = generator.integers(0, 4, (2, 50))
    outcomes = METRICS["accuracy"].outcomes
    assert METRICS["macro_f1"].outcomes is None
    assert outcomes is not None
    alone = outcomes(predictions, targets)
    assert alone.shape == (50,)
    assert float(np.mean(alone)) == pytest.approx(accuracy(predictions, targets))
    order = generator.permutation(50)
    assert np.array_equal(outcomes(predictions[order], targets[order]), alone[order])


@pytest.mark.parametrize("metric", [accuracy, macro_f1])
def test_unequal_or_empty_vectors_are_refused(metric: object) -> None:
    assert callable(metric)
    for predictions, targets in (([0, 1], [0]), ([], []), ([[0]], [[0]])):
        with pytest.raises(ValueError, match="equally long"):
            metric(np.array(predictions), np.array(targets))
