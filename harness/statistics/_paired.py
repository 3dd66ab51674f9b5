"""Two rows over what they have in common: the seeds, or the test examples."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, gammaln, ndtri, stdtr

from harness.statistics._intervals import Interval, Values, t_interval


class Paired(NamedTuple):
    """How much one row beats another over common seeds or common test examples."""

    difference: Interval  #: first minus second
    p: float  #: two-sided, of no difference; NaN below two pairs


def paired_t(first: Values, second: Values, confidence: float = 0.95) -> Paired:
    """Paired t test: position i of both holds the score under seed i (or on test example i).

    Equal differences throughout leave no spread: p is 1 if they are all zero, else 0.
    """
    differences = _differences(first, second)
    interval = t_interval(differences, confidence)
    if len(differences) < 2:
        return Paired(interval, math.nan)
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    if error == 0:
        return Paired(interval, 1.0 if interval.mean == 0 else 0.0)
    return Paired(interval, float(2 * stdtr(len(differences) - 1, -abs(interval.mean) / error)))


def effect_size(first: Values, second: Values) -> float:
    """Standardised mean difference of pairs: Cohen's d_z with Hedges' (1981) exact correction for few pairs.

    Mean over standard deviation of the differences, times Gamma(m/2) / (sqrt(m/2) Gamma((m - 1)/2)) for m = pairs - 1,
    which makes it unbiased where the differences are normal. NaN below three pairs, where
    the uncorrected ratio has no mean, and where the differences do not vary.
    """
    differences = _differences(first, second)
    freedom = len(differences) - 1
    if freedom < 2:
        return math.nan
    spread = float(differences.std(ddof=1))
    if spread == 0:
        return math.nan
    shrink = math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return float(differences.mean()) / spread * shrink


def mcnemar(first: Values, second: Values) -> float:
    """Exact McNemar test (1947): p of no difference between two rows of right (1) and wrong (0) answers.

    Under no difference, who is right where only one of them is falls like a fair coin. Two-sided: twice the smaller
    binomial tail, at most 1; so it is conservative, never more than the level.

    Args:
        first, second: 0 or 1 for the same test examples, [N] each.
    """
    gained, lost = _discordant(first, second)
    return _fair_coin(gained, lost)


def paired_examples(first: Values, second: Values, confidence: float = 0.95) -> Paired:
    """Mean difference over test examples of two fixed rows: [N] outcomes each of the same examples.

    It covers when new examples are drawn and the encoders stay as they are. Real outcomes: Student's t over the
    differences per example. Outcomes that are all 0 or 1: Bonett and Price's (2012) adjusted Wald interval (one
    example more is given to each row where only it is right), which has a width where the rows never differ and covers
    with few differences, where Wald's does not; p from the exact McNemar test. The two may disagree by a hair near
    the level.
    """
    left, right = np.asarray(first), np.asarray(second)
    if not (_binary(left) and _binary(right)):
        return paired_t(left, right, confidence)
    gained, lost = _discordant(left, right)
    size = len(left)
    mean = (gained - lost) / size
    if size < 2:
        return Paired(Interval(mean, math.nan, math.nan), math.nan)
    above, below = (gained + 1) / (size + 2), (lost + 1) / (size + 2)
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt((above + below - (above - below) ** 2) / (size + 2))
    low, high = max(-1.0, above - below - half), min(1.0, above - below + half)
    return Paired(Interval(mean, min(low, mean), max(high, mean)), _fair_coin(gained, lost))


def _differences(first: Values, second: Values) -> NDArray[np.float64]:
    if len(first) != len(second):
        raise ValueError(f"pairs need equal lengths, not {len(first)} and {len(second)}")
    return np.subtract(first, second, dtype=float)


def _binary(values: NDArray[Any]) -> bool:
    return bool(np.all((values == 0) | (values == 1)))


def _discordant(first: Values, second: Values) -> tuple[int, int]:
    """On how many examples only the first, and only the second, is right."""
    left, right = np.asarray(first), np.asarray(second)
    if len(left) != len(right) or not len(left) or not (_binary(left) and _binary(right)):
        raise ValueError(f"need two equally long rows of 0 and 1, not {len(left)} and {len(right)} values")
    return int(np.count_nonzero(left > right)), int(np.count_nonzero(left < right))


def _fair_coin(heads: int, tails: int) -> float:
    return min(1.0, 2 * float(bdtr(min(heads, tails), heads + tails, 0.5)))
