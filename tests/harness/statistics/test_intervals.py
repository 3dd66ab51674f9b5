"""Intervals against scipy, against published values, and by simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics import normalised, t_interval, wilson_interval


def _covers(low: float, truth: float, high: float) -> bool:
    return low <= truth <= high


def test_t_interval_equals_scipy() -> None:
    sample = np.random.default_rng(0).normal(3, 2, 7)
    interval = t_interval(sample.tolist(), 0.9)
    expected = stats.t.interval(0.9, 6, loc=sample.mean(), scale=stats.sem(sample))
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert interval.mean == pytest.approx(sample.mean())


@pytest.mark.parametrize("seeds", [2, 5])
def test_t_interval_covers_95_percent(seeds: int) -> None:
    samples = np.random.default_rng(1).normal(0.7, 0.1, (4000, seeds))
    covered = np.mean([_covers(i.low, 0.7, i.high) for i in map(t_interval, samples.tolist())])
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


def test_one_seed_has_a_mean_and_no_interval() -> None:
    interval = t_interval([0.5])
    assert interval.mean == 0.5
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    with pytest.raises(ValueError, match="no values"):
        t_interval([])


@pytest.mark.parametrize(("successes", "size"), [(0, 10), (1, 10), (50, 100), (100, 100), (9716, 10000)])
def test_wilson_equals_scipy(successes: int, size: int) -> None:
    interval = wilson_interval(successes / size, size)
    expected = stats.binomtest(successes, size).proportion_ci(0.95, method="wilson")
    assert interval.low == pytest.approx(expected.low, abs=1e-12)
    assert interval.high == pytest.approx(expected.high, abs=1e-12)


def test_wilson_agrees_with_the_papers_for_large_sizes() -> None:
    # Vincent 2010, table 3: 2.84 +- .15 % on 50,000 examples (1.96 sqrt(p (1 - p) / n))
    interval = wilson_interval(0.0284, 50_000)
    assert (interval.high - interval.low) / 2 == pytest.approx(0.0015, abs=5e-5)


@pytest.mark.parametrize("truth", [0.02, 0.5, 0.9])
def test_wilson_covers_about_95_percent(truth: float) -> None:
    size = 200
    # exact coverage: sum over outcomes, so no Monte Carlo error; Wilson's oscillates around its nominal value
    outcomes = np.arange(size + 1)
    intervals = [wilson_interval(count / size, size) for count in outcomes]
    inside = np.array([_covers(i.low, truth, i.high) for i in intervals])
    assert stats.binom.pmf(outcomes, size, truth)[inside].sum() == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("share", "size"), [(-0.1, 5), (1.1, 5), (0.5, 0)])
def test_wilson_refuses_what_is_no_share(share: float, size: int) -> None:
    with pytest.raises(ValueError, match="share"):
        wilson_interval(share, size)


def test_normalised_scores() -> None:
    assert normalised(0.1, 0.1, 1.0) == 0
    assert normalised(1.0, 0.1, 1.0) == 1
    assert normalised(0.05, 0.1, 1.0) < 0
    assert normalised(2.0, 10.0, 0.0) == pytest.approx(0.8)  # an error, where lower is better
    with pytest.raises(ValueError, match="chance and ceiling"):
        normalised(0.5, 1.0, 1.0)
