from __future__ import annotations

from typing import Literal

import pytest

from harness.schedule import learning_rate
from methods import Training


def rates(schedule: Literal["constant", "linear", "cosine"], warmup: int, steps: int) -> list[float]:
    training = Training(
        batch_size=1, optimizer="sgd", learning_rate=2.0, schedule=schedule, warmup_steps=warmup, steps=steps
    )
    return [learning_rate(training, step, steps) for step in range(steps)]


def test_warm_up_rises_linearly_from_above_zero_to_the_peak() -> None:
    assert rates("constant", 4, 8) == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0]


def test_linear_ends_one_update_above_zero() -> None:
    assert rates("linear", 0, 4) == [2.0, 1.5, 1.0, 0.5]


def test_cosine_is_at_half_the_peak_half_way() -> None:
    found = rates("cosine", 2, 12)
    assert found[2] == 2.0
    assert found[7] == pytest.approx(1.0)
    assert found[2:] == sorted(found[2:], reverse=True)
    assert found[-1] > 0


def test_warm_up_longer_than_the_stage_never_reaches_the_peak() -> None:
    assert max(rates("cosine", 10, 4)) == pytest.approx(0.8)
