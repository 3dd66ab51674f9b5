"""Several comparisons at once, and comparisons over several datasets."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from harness.statistics._intervals import Values


def holm(p_values: Values, family: int | None = None) -> list[float]:
    """Adjusted p values of Holm's step-down procedure (1979), in the order given.

    Rejecting those at most alpha keeps the chance of any false rejection at most alpha, however the tests depend on
    each other. NaN stays NaN and is not counted as a test.

    Args:
        family: how many tests there were, where not all of them are listed: comparing the best of M rows with the
            others is looking at all M (M - 1) / 2 pairs, since which one is best was seen in the same data.
    """
    given = np.asarray(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(given))
    count = len(tested) if family is None else family
    if count < len(tested) or np.any((given[tested] < 0) | (given[tested] > 1)):
        raise ValueError(f"need p values in [0, 1], no more of them than {count}, not {list(p_values)}")
    order = tested[np.argsort(given[tested], kind="stable")]
    adjusted = given.copy()
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * (count - np.arange(len(order)))))
    return [float(p) for p in adjusted]


class SignedRank(NamedTuple):
    """Outcome of Wilcoxon's signed-rank test."""

    rank_sum: float  #: sum of the ranks of positive differences, of pairs (pairs + 1) / 2 in all
    pairs: int  #: pairs that differ
    p: float  #: two-sided, exact; 1 where no pair differs


def signed_rank(differences: Values) -> SignedRank:
    """Wilcoxon's signed-rank test (1945), exact at any number of pairs: one difference per dataset (Demsar 2006).

    Ranks are those of the absolute differences, so these must be in one meaning across datasets. Equal ones share
    their mean rank; zeros are left out. The distribution under no difference is that of random signs on the ranks at
    hand, so ties need no correction.
    """
    given = np.asarray(differences, dtype=float)
    if np.any(np.isnan(given)):
        raise ValueError("differences must be numbers; leave out datasets that one of the two lacks")
    kept = given[given != 0]
    if not len(kept):
        return SignedRank(0.0, 0, 1.0)
    _, place, counts = np.unique(np.abs(kept), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(counts) - counts + 1)[place]  # twice the mean rank: whole numbers, ties or not
    chances = np.zeros(int(doubled.sum()) + 1)  # of each doubled rank sum
    chances[0] = 1.0
    for rank in doubled:
        chances[rank:] += chances[:-rank].copy()
        chances /= 2
    reached = int(doubled[kept > 0].sum())
    tail = min(float(chances[: reached + 1].sum()), float(chances[reached:].sum()))
    return SignedRank(reached / 2, len(kept), min(1.0, 2 * tail))


def smallest_p(pairs: int) -> float:
    """The smallest two-sided p that the signed-rank test can give: all of `pairs` differences have one sign."""
    return min(1.0, 2.0 ** (1 - pairs))


def pairs_needed(alpha: float = 0.05, comparisons: int = 1) -> int:
    """Pairs (datasets) from which on the signed-rank test can be significant at all, after Holm over `comparisons`.

    With fewer, even a winner on every dataset is not: 6 for one comparison at 0.05, 8 for five. That is a floor, not
    the number that a small advantage takes.
    """
    if not 0 < alpha < 1 or comparisons < 1:
        raise ValueError(f"need a level between 0 and 1 and a comparison, not {alpha} and {comparisons}")
    pairs = max(1, math.floor(1 + math.log2(comparisons / alpha)) - 1)
    while comparisons * smallest_p(pairs) > alpha:
        pairs += 1
    return pairs
