"""Every metric by its name, whatever it judges."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.metrics import METRICS
from harness.metrics._answers import ANSWERS
from harness.metrics._classification import CLASSIFICATION
from harness.metrics._correlation import CORRELATION

CLASSES = (np.array([0, 1, 2]), np.array([1, 2, 0]))


def _masks() -> tuple[list[Any], list[Any]]:
    right, wrong = np.zeros((2, 8, 20, 20), np.uint8)
    right[:, 2:9, 2:9] = 1
    wrong[:] = right
    wrong[4:, 2:9, 2:9] = 0  # lost on the way
    return [right], [wrong]


def _keypoints() -> tuple[list[Any], list[Any]]:
    right = np.array([[[0, 0, 1], [10, 10, 1]]] * 3, np.float32)
    return [right], [right + 100]


def test_registry_names_match_and_directions_are_right() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        right: Any
        wrong: Any
        if metric in CLASSIFICATION or metric in CORRELATION:
            (right, wrong), truth = CLASSES, CLASSES[0]
        elif metric in ANSWERS:
            right, wrong, truth = ["one", "two"], ["two", "two"], [["one"], ["two", "2"]]
        elif name.startswith("PCK"):
            (truth, wrong) = _keypoints()
            right, wrong = [truth[0][..., :2]], [wrong[0][..., :2]]
        else:
            (right, wrong) = _masks()
            truth = right
        best, worst = metric.compute(right, truth), metric.compute(wrong, truth)
        assert best != worst
        assert (best > worst) is metric.higher_is_better, name


def test_what_a_pck_is_normalised_by_is_told() -> None:
    assert "0.6 x the diagonal" in METRICS["PCK@0.1"].note
