"""Rank intervals: what they cover, what they do with ties, and that only the generator is random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.statistics import RankInterval, rank_intervals


def _table(generator: np.random.Generator, gap: float, seeds: int, methods: int = 4) -> NDArray[np.float64]:
    """Scores [methods, seeds]: the first is truly the best by `gap` standard deviations of seed noise, and so on."""
    return -gap * np.arange(methods)[:, None] + generator.normal(size=(methods, seeds))


def test_equal_generators_give_equal_intervals_and_others_do_not() -> None:
    table = _table(np.random.default_rng(0), 0.3, 6, methods=12)

    def drawn(seed: int) -> list[RankInterval]:
        return rank_intervals(table, np.random.default_rng(seed), resamples=50)

    assert drawn(1) == drawn(1)
    assert any(drawn(1) != drawn(seed) for seed in (2, 3, 4))


@pytest.mark.parametrize(("seeds", "gap", "least"), [(3, 1.0, 0.98), (5, 0.3, 0.94), (10, 0.3, 0.96)])
def test_true_ranks_are_covered(seeds: int, gap: float, least: float) -> None:
    generator = np.random.default_rng(2)
    runs = 600
    covered = np.zeros(4)
    for _ in range(runs):
        intervals = rank_intervals(_table(generator, gap, seeds), generator, resamples=300)
        covered += [one.low <= true <= one.high for true, one in enumerate(intervals, 1) if one.low and one.high]
    assert (covered / runs).min() >= least


def test_seeds_are_resampled_together() -> None:
    """What a seed does to all methods alike says nothing of their ranks."""
    table, common = _table(np.random.default_rng(3), 0.5, 8), np.random.default_rng(4).normal(0, 10, (1, 8))
    assert rank_intervals(table + common, np.random.default_rng(5)) == rank_intervals(table, np.random.default_rng(5))


def test_more_seeds_make_ranks_surer() -> None:
    def width(seeds: int) -> float:
        generator = np.random.default_rng(4)
        tables = [_table(generator, 0.7, seeds) for _ in range(30)]
        return float(
            np.mean([i.high - i.low for t in tables for i in rank_intervals(t, generator) if i.low and i.high])
        )

    assert width(4) > width(16) > width(64)


def test_ties_share_a_rank_and_span_it() -> None:
    table = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.0, 0.0, 0.0]])
    equal = np.array([[0.7, 0.8, 0.9]] * 2 + [[0.1, 0.2, 0.1]])
    generator = np.random.default_rng(5)
    assert [one.rank for one in rank_intervals(table, generator)] == [1, 1, 3]
    assert rank_intervals(equal, generator) == [RankInterval(1, 1, 2), RankInterval(1, 1, 2), RankInterval(3, 3, 3)]


def test_lower_may_be_better() -> None:
    table = _table(np.random.default_rng(6), 5.0, 6)
    falling = rank_intervals(-table, np.random.default_rng(7), higher_is_better=False)
    assert falling == rank_intervals(table, np.random.default_rng(7))
    assert [one.rank for one in falling] == [1, 2, 3, 4]


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_give_a_rank_without_an_interval(seeds: int) -> None:
    assert rank_intervals(np.array([[0.1] * seeds, [0.2] * seeds]), np.random.default_rng(8)) == [
        RankInterval(2, None, None),
        RankInterval(1, None, None),
    ]


def test_few_test_examples_widen_what_seeds_alone_call_sure() -> None:
    generator = np.random.default_rng(9)
    # Equal seeds, so no seed noise at all; the methods differ on few examples.
    right = generator.random((3, 1, 40)) < np.array([0.8, 0.7, 0.6])[:, None, None]
    outcomes = np.repeat(right, 4, axis=1).astype(np.uint8)
    scores = outcomes.mean(axis=2)
    alone = rank_intervals(scores, generator)
    assert all(one.low == one.high == one.rank for one in alone)
    wider = rank_intervals(scores, generator, outcomes=outcomes)
    assert sum(one.high - one.low for one in wider if one.low and one.high) > 0


def test_true_ranks_are_covered_when_examples_are_drawn_too() -> None:
    generator = np.random.default_rng(10)
    runs, gap, size, seeds = 400, 0.25, 50, 5
    covered, without = np.zeros(4), np.zeros(4)
    for _ in range(runs):
        # example effects differ by method, which seeds cannot tell
        outcomes = _table(generator, gap, size)[:, None] + 0.1 * generator.normal(size=(4, seeds, size))
        scores = outcomes.mean(axis=2)
        for counts, extra in ((covered, outcomes), (without, None)):
            intervals = rank_intervals(scores, generator, outcomes=extra, resamples=300)
            counts += [one.low <= true <= one.high for true, one in enumerate(intervals, 1) if one.low and one.high]
    assert (covered / runs).min() >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / runs)
    assert (without / runs).min() < 0.9


@pytest.mark.parametrize("scores", [np.zeros(3), np.array([[0.1, math.nan]]), np.zeros((0, 2))])
def test_scores_that_are_no_table_are_refused(scores: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="methods x seeds"):
        rank_intervals(scores, np.random.default_rng(0))


def test_outcomes_of_other_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="methods, seeds, examples"):
        rank_intervals(np.zeros((2, 3)), np.random.default_rng(0), outcomes=np.zeros((2, 2, 5)))
