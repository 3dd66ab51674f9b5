"""What examples of different size add to a mean over all their units."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics import METRICS
from harness.metrics._ratio import ratio_outcomes


def test_the_mean_is_that_over_all_units() -> None:
    generator = np.random.default_rng(0)
    units = generator.integers(0, 9, (20, 3))
    sums = units * generator.random((20, 3))
    assert ratio_outcomes(sums, units).mean(0) == pytest.approx(sums.sum(0) / units.sum(0))


def test_no_example_is_better_for_holding_more() -> None:
    units = np.array([1, 5, 50])
    assert ratio_outcomes(units * 0.5, units) == pytest.approx([0.5] * 3)


@pytest.mark.parametrize("name", ["J", "F", "J&F", "PCK@0.1", "position_accuracy"])
def test_answers_that_are_all_right_do_not_differ(name: str) -> None:
    outcomes = METRICS[name].outcomes
    assert outcomes is not None
    if name.startswith("PCK"):
        truth = [np.ones((frames, 2, 3), np.float32) for frames in (3, 9)]
        for rows in truth:
            rows[:, 1, :2] = 5
        answers = [rows[..., :2] for rows in truth]
    elif name == "position_accuracy":
        answers = truth = [np.zeros(length, np.int64) for length in (3, 9)]
    else:
        few, many = np.zeros((2, 4, 24, 24), np.uint8)
        few[:, 2:8, 2:8] = many[:, 2:8, 2:8] = 1
        many[:, 12:20, 2:8], many[:, 12:20, 12:20] = 2, 3
        answers = truth = [few, many]
    assert outcomes(answers, truth) == pytest.approx([1.0, 1.0])
