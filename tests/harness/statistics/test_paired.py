"""Paired tests against scipy, by exact enumeration, and by simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics import effect_size, mcnemar, paired_examples, paired_t


def test_paired_t_equals_scipy_and_profits_from_pairing() -> None:
    generator = np.random.default_rng(2)
    common = generator.normal(0.8, 0.1, 6)
    first, second = common + 0.02 + generator.normal(0, 0.005, 6), common
    result = paired_t(first.tolist(), second.tolist())
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert result.p == pytest.approx(expected.pvalue)
    assert (result.difference.low, result.difference.high) == pytest.approx((interval.low, interval.high))
    assert result.p < 0.01 < stats.ttest_ind(first, second).pvalue


def test_paired_t_is_antisymmetric() -> None:
    first, second = [0.1, 0.5, 0.4], [0.2, 0.3, 0.1]
    forth, back = paired_t(first, second), paired_t(second, first)
    assert forth.p == back.p
    assert forth.difference.low == pytest.approx(-back.difference.high)


def test_paired_t_keeps_its_level_under_no_difference() -> None:
    draws = np.random.default_rng(3).normal(size=(3000, 2, 5))
    rejected = np.mean([paired_t(a, b).p < 0.05 for a, b in draws.tolist()])
    assert rejected == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 3000))


def test_paired_t_at_the_ends() -> None:
    assert paired_t([1.0, 2.0], [1.0, 2.0]).p == 1
    assert paired_t([2.0, 3.0], [1.0, 2.0]).p == 0
    assert math.isnan(paired_t([1.0], [0.5]).p)
    with pytest.raises(ValueError, match="equal lengths"):
        paired_t([1.0], [1.0, 2.0])


def test_effect_size_is_the_corrected_one_and_unbiased() -> None:
    first, second = [0.84, 0.86, 0.85, 0.88], [0.80, 0.83, 0.80, 0.86]
    differences = np.subtract(first, second)
    raw = differences.mean() / differences.std(ddof=1)
    # Hedges (1981), table 1: c(3) = 0.7236
    assert effect_size(first, second) == pytest.approx(raw * 0.7236, rel=1e-4)
    assert effect_size(second, first) == -effect_size(first, second)
    draws = np.random.default_rng(4).normal(0.8, 1.0, (20_000, 6))
    sizes = np.array([effect_size(draw, np.zeros(6)) for draw in draws])
    assert sizes.mean() == pytest.approx(0.8, abs=4 * sizes.std() / math.sqrt(len(sizes)))


def test_effect_size_says_nothing_of_two_seeds_or_no_spread() -> None:
    assert math.isnan(effect_size([1.0, 2.0], [0.0, 0.5]))
    assert math.isnan(effect_size([1.0, 2.0, 3.0], [0.0, 1.0, 2.0]))


def _answers(gained: int, lost: int, rest: int = 0) -> tuple[list[int], list[int]]:
    return [1] * gained + [0] * lost + [1] * rest, [0] * gained + [1] * lost + [1] * rest


@pytest.mark.parametrize(("gained", "lost"), [(5, 0), (9, 2), (40, 25), (3, 3), (0, 0)])
def test_mcnemar_is_the_binomial_test_of_the_discordant(gained: int, lost: int) -> None:
    first, second = _answers(gained, lost, rest=7)
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_mcnemar_never_exceeds_its_level() -> None:
    for discordant in range(30):
        gained = np.arange(discordant + 1)
        p = np.array([mcnemar(*_answers(int(count), discordant - int(count), 1)) for count in gained])
        chances = stats.binom.pmf(gained, discordant, 0.5)
        for level in (0.01, 0.05, 0.3):
            assert chances[p <= level].sum() <= level + 1e-12


@pytest.mark.parametrize(("first", "second"), [([1, 0], [1]), ([], []), ([0.5, 1], [1, 0])])
def test_mcnemar_refuses_other_answers(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar(first, second)


def test_paired_examples_of_real_outcomes_is_the_paired_t() -> None:
    first, second = np.random.default_rng(5).normal(size=(2, 50))
    assert paired_examples(first, second) == paired_t(first, second)


@pytest.mark.parametrize(("gain", "loss"), [(0.05, 0.05), (0.03, 0.005), (0.2, 0.1), (0.01, 0.0)])
def test_the_interval_of_right_and_wrong_answers_covers(gain: float, loss: float) -> None:
    size = 100
    covered = 0.0
    # exact: over all numbers of discordant examples, so no Monte Carlo error
    for gained, lost in itertools.product(range(45), range(35)):
        chance = stats.multinomial.pmf([gained, lost, size - gained - lost], size, [gain, loss, 1 - gain - loss])
        low, high = paired_examples(*_answers(gained, lost, size - gained - lost)).difference[1:]
        covered += chance * (low <= gain - loss <= high)
    assert 0.94 <= covered <= 1


def test_rows_that_never_differ_are_not_known_to_be_equal() -> None:
    result = paired_examples([1, 1, 0, 1], [1, 1, 0, 1])
    assert result.p == 1
    assert result.difference.low < 0 < result.difference.high
    large = paired_examples(*_answers(0, 0, 1000)).difference
    assert large.high - large.low < 0.02


def test_paired_examples_at_the_ends() -> None:
    assert math.isnan(paired_examples([1], [0]).p)
    difference = paired_examples(*_answers(5, 0)).difference
    assert difference.low < difference.mean == difference.high == 1
    with pytest.raises(ValueError, match="equal"):
        paired_examples([1, 0], [1])
