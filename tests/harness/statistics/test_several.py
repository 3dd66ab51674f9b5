"""Holm against the definition, and the signed-rank test against scipy and by enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics import holm, pairs_needed, signed_rank, smallest_p


def _closed(p: list[float]) -> list[float]:
    """Holm's procedure is the closed test with Bonferroni inside: the largest p of any set that holds the hypothesis
    (Marcus, Peritz and Gabriel 1976)."""
    sets = [subset for size in range(1, len(p) + 1) for subset in itertools.combinations(range(len(p)), size)]
    return [max(min(1.0, len(s) * min(p[i] for i in s)) for s in sets if one in s) for one in range(len(p))]


def test_holm_is_the_closed_bonferroni_test() -> None:
    generator = np.random.default_rng(0)
    for count in range(1, 7):
        p = (generator.random(count) ** 3).tolist()
        assert holm(p) == pytest.approx(_closed(p))
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # the textbook's example
    assert holm([]) == []


def test_holm_counts_the_tests_that_are_not_listed() -> None:
    assert holm([0.01, 0.02], family=10) == pytest.approx([0.1, 0.18])
    assert holm([0.01, 0.02], family=2) == holm([0.01, 0.02])
    with pytest.raises(ValueError, match="no more of them"):
        holm([0.1, 0.2], family=1)
    with pytest.raises(ValueError, match="p values"):
        holm([1.2])


def test_holm_leaves_out_what_was_not_tested() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert math.isnan(adjusted[1])
    assert [adjusted[0], adjusted[2]] == holm([0.01, 0.04])


def test_holm_keeps_the_chance_of_any_false_rejection() -> None:
    p = np.random.default_rng(1).random((4000, 5))
    any_rejected = np.mean([min(holm(row)) <= 0.05 for row in p])
    assert any_rejected == pytest.approx(1 - (1 - 0.01) ** 5, abs=4 * math.sqrt(0.05 * 0.95 / 4000))


@pytest.mark.parametrize("pairs", [1, 5, 12, 40])
def test_signed_rank_equals_scipy(pairs: int) -> None:
    differences = np.random.default_rng(pairs).normal(0.3, 1, pairs)
    expected = stats.wilcoxon(differences, method="exact")
    result = signed_rank(differences)
    assert result.p == pytest.approx(expected.pvalue)
    assert min(result.rank_sum, pairs * (pairs + 1) / 2 - result.rank_sum) == expected.statistic


@pytest.mark.parametrize("differences", [[1, 1, 1, -1, 2, 3], [2, 2, -2, 5, 5, -7, 9], [1, 0, 0, 3, -2], [-4, -4, -4]])
def test_signed_rank_with_ties_is_the_permutation_test(differences: list[float]) -> None:
    kept = np.array([value for value in differences if value], dtype=float)
    ranks = stats.rankdata(np.abs(kept))
    sums = np.array([np.dot(signs, ranks) for signs in itertools.product((0, 1), repeat=len(kept))])
    seen = ranks[kept > 0].sum()
    expected = min(1.0, 2 * min(np.mean(sums <= seen), np.mean(sums >= seen)))
    result = signed_rank(differences)
    assert result.p == pytest.approx(expected)
    assert (result.rank_sum, result.pairs) == (seen, len(kept))


def test_signed_rank_of_nothing() -> None:
    assert signed_rank([0.0, 0.0]) == (0.0, 0, 1.0)
    assert signed_rank([]).p == 1
    with pytest.raises(ValueError, match="leave out"):
        signed_rank([1.0, math.nan])


def test_signed_rank_of_many_pairs_stays_exact() -> None:
    differences = np.random.default_rng(3).normal(0.1, 1, 200)
    assert signed_rank(differences).p == pytest.approx(stats.wilcoxon(differences, method="approx").pvalue, rel=0.05)


@pytest.mark.parametrize("pairs", range(1, 12))
def test_the_power_floor_is_what_the_test_can_reach(pairs: int) -> None:
    assert smallest_p(pairs) == pytest.approx(signed_rank(np.arange(1.0, pairs + 1)).p)


@pytest.mark.parametrize(("comparisons", "pairs"), [(1, 6), (4, 8), (5, 8), (10, 9), (45, 11)])
def test_pairs_needed_is_the_first_number_that_can_be_significant(comparisons: int, pairs: int) -> None:
    assert pairs_needed(0.05, comparisons) == pairs

    def best(count: int) -> float:
        """The adjusted p of a method that wins everywhere, where all other comparisons are lost."""
        return min(holm([signed_rank(np.arange(1.0, count + 1)).p] + [1.0] * (comparisons - 1)))

    assert best(pairs) <= 0.05 < best(pairs - 1)


def test_pairs_needed_at_a_level_that_is_just_reached() -> None:
    assert pairs_needed(2.0**-4) == 5
    assert pairs_needed(0.9) == 2
    with pytest.raises(ValueError, match="level"):
        pairs_needed(0.0)
