"""Metrics of classes against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from harness.metrics import METRICS, accuracy, macro_f1
from harness.metrics._classification import CLASSIFICATION


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


def test_positions_count_alike_whatever_the_length_of_their_example() -> None:
    metric = METRICS["position_accuracy"]
    assert metric.outcomes is not None
    predictions = [np.array([0, 1, 2, 0]), np.array([], int), np.array([1])]
    targets = [np.array([0, 1, 2, 1]), np.array([], int), np.array([0])]
    assert metric.compute(predictions, targets) == pytest.approx(3 / 5)
    outcomes = metric.outcomes(predictions, targets)
    assert outcomes.mean() == pytest.approx(3 / 5)
    assert outcomes[1] == pytest.approx(3 / 5), "an example without positions says nothing"
    assert outcomes[0] == pytest.approx(3 / 5 + (3 - 4 * 3 / 5) * 3 / 5)  # three examples, five positions
    assert macro_f1(predictions, targets) == macro_f1(np.concatenate(predictions), np.concatenate(targets))


def test_the_error_of_positions_is_that_of_leaving_examples_out() -> None:
    """The jackknife knows nothing of ratios; long and short recordings that are equally hard differ by chance alone."""
    metric, generator = METRICS["position_accuracy"], np.random.default_rng(0)
    assert metric.outcomes is not None
    targets = [np.ones(length, int) for length in generator.integers(10, 1500, 100)]
    predictions = [(generator.random(len(own)) < generator.normal(0.7, 0.1)).astype(int) for own in targets]
    outcomes = metric.outcomes(predictions, targets)
    assert outcomes.mean() == pytest.approx(metric.compute(predictions, targets))
    without = [
        metric.compute(predictions[:index] + predictions[index + 1 :], targets[:index] + targets[index + 1 :])
        for index in range(100)
    ]
    jackknife = np.std(without) * 99**0.5
    assert outcomes.std(ddof=1) / 10 == pytest.approx(jackknife, rel=0.1)
    assert metric.outcomes(targets, targets) == pytest.approx(1), "no recording is better for being long"


@pytest.mark.parametrize("seed", range(4))
def test_f1_and_matthews_by_their_definitions(seed: int) -> None:
    generator = np.random.default_rng(seed)
    targets = generator.random(80) < 0.3
    predictions = np.where(generator.random(80) < 0.7, targets, generator.random(80) < 0.5)
    tp, tn = float((predictions & targets).sum()), float((~predictions & ~targets).sum())
    fp, fn = float((predictions & ~targets).sum()), float((~predictions & targets).sum())
    coefficient = (tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    assert METRICS["matthews"].compute(predictions.astype(int), targets.astype(int)) == pytest.approx(coefficient)
    assert METRICS["f1"].compute(predictions.astype(int), targets.astype(int)) == pytest.approx(
        2 * tp / (2 * tp + fp + fn)
    )


def test_f1_and_matthews_of_one_answer_for_all() -> None:
    targets = np.array([0, 1, 1])
    assert METRICS["matthews"].compute(np.ones(3, int), targets) == 0
    assert METRICS["f1"].compute(np.zeros(3, int), targets) == 0
    assert METRICS["f1"].compute(np.zeros(3, int), np.zeros(3, int)) == 0


@pytest.mark.parametrize("metric", [metric.compute for metric in CLASSIFICATION])
def test_unequal_or_empty_vectors_are_refused(metric: object) -> None:
    assert callable(metric)
    for predictions, targets in (([0, 1], [0]), ([], []), ([[0]], [[0]])):
        with pytest.raises(ValueError, match="equally long"):
            metric(np.array(predictions), np.array(targets))
