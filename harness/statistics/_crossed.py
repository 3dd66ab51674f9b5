"""Two rows over the same seeds and the same test examples at once: both may turn out otherwise next time."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from harness.statistics._intervals import Interval, t_interval
from harness.statistics._paired import paired_examples


class Crossed(NamedTuple):
    """The difference between two rows, first minus second, with three intervals that answer three questions.

    seeds: would other seeds agree, on these test examples?
    examples: would other test examples agree, with these encoders?
    both: would other seeds agree on other test examples? What a claim about methods needs.
    p: two-sided, of no difference, when seeds and examples are both drawn: where `both` just touches zero. NaN with
        one seed.
    seed_error, example_error: standard errors behind `seeds` and `examples`; NaN where there is one seed or example.
    """

    seeds: Interval
    examples: Interval
    both: Interval
    p: float
    seed_error: float
    example_error: float


def crossed(first: NDArray[Any], second: NDArray[Any], confidence: float = 0.95) -> Crossed:
    """Compare outcomes per seed and test example.

    Model of the differences d[s, e]: mean + seed effect + example effect + rest (two-way random effects, no
    replication; Searle, Casella and McCulloch 1992, chapter 4). With mean squares A (seeds), B (examples) and E (rest)
    of S seeds and N examples, the variance of the mean is (A + B - E) / (S N); adding A and B without taking away E
    would count the rest twice, as the pigeonhole bootstrap does (Owen 2007).

    The half width of `both` adds, in squares, that of seeds, t(S - 1) sqrt(A / (S N)), and that of what examples add
    to it, t(N - 1) sqrt(max(B - E, 0) / (S N)): Cochran's idea of giving each part its own degrees of freedom. It never
    lies inside `seeds`. Satterthwaite's single degrees of freedom are shorter, but cover too little with two seeds when
    A happens to be small: 0.93 for 0.95 in simulation. Here coverage is 0.95 to 0.99: above, with few seeds whose
    noise is small, since t(S - 1) is paid for it all the same (tests/harness/statistics/test_crossed.py).

    Args:
        first, second: [seeds, examples]; row i of both is the same seed, column j the same test example. A row without
            randomness is [1, examples] and stands against every seed of the other.

    Raises:
        ValueError: shapes that do not fit.
    """
    left, right = np.asarray(first), np.asarray(second)
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1] or not left.size or not right.size:
        raise ValueError(f"need outcomes [seeds, examples] of the same examples, not {left.shape} and {right.shape}")
    if len(left) != len(right) and 1 not in (len(left), len(right)):
        raise ValueError(f"need the same seeds, or one row without randomness, not {len(left)} and {len(right)} seeds")
    if len(left) == len(right) == 1:
        return _one_seed(left[0], right[0], confidence)
    differences = _subtract(left, right)
    seeds, size = differences.shape
    by_seed, by_example = differences.mean(axis=1), differences.mean(axis=0)
    over_seeds = t_interval(by_seed, confidence)
    over_examples = t_interval(by_example, confidence)
    mean = over_seeds.mean
    seed_variance = float(by_seed.var(ddof=1)) / seeds  # A / (S N)
    if size < 2:
        nothing = Interval(mean, math.nan, math.nan)
        return Crossed(over_seeds, nothing, nothing, math.nan, math.sqrt(seed_variance), math.nan)
    example_variance = float(by_example.var(ddof=1)) / size  # B / (S N)
    total = float(differences.var()) * seeds * size
    squares = total - seeds * size * ((seeds - 1) * seed_variance + (size - 1) * example_variance)
    rest = max(squares, 0.0) / ((seeds - 1) * (size - 1)) / (seeds * size)  # E / (S N)
    added = max(example_variance - rest, 0.0)
    half = _half((1 - confidence) / 2, seed_variance, seeds - 1, added, size - 1)
    return Crossed(
        seeds=over_seeds,
        examples=over_examples,
        both=Interval(mean, mean - half, mean + half),
        p=_p(mean, seed_variance, seeds - 1, added, size - 1),
        seed_error=math.sqrt(seed_variance),
        example_error=math.sqrt(example_variance),
    )


def _one_seed(first: NDArray[Any], second: NDArray[Any], confidence: float) -> Crossed:
    over_examples = paired_examples(first, second, confidence).difference
    nothing = Interval(over_examples.mean, math.nan, math.nan)
    differences = np.subtract(first, second, dtype=float)
    error = float(differences.std(ddof=1)) / math.sqrt(len(first)) if len(first) > 1 else math.nan
    return Crossed(nothing, over_examples, nothing, math.nan, math.nan, error)


def _subtract(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Differences per seed and example. Those of right and wrong answers fit into bytes, which is several times as
    fast for large test sets."""
    answers = all(one.dtype in (np.uint8, np.bool_) and one.max() <= 1 for one in (first, second))
    differences: NDArray[Any] = np.subtract(first, second, dtype=np.int8 if answers else float, casting="unsafe")
    return differences


def _half(tail: float, one: float, one_freedom: int, other: float, other_freedom: int) -> float:
    """Half the width of an interval that leaves out `tail` on each side, whose variance has two parts, each with its
    own degrees of freedom."""
    parts = ((one, one_freedom), (other, other_freedom))
    # Far out the quantile is infinite, and infinity times no variance is not a number.
    return math.sqrt(sum(float(stdtrit(freedom, tail)) ** 2 * part for part, freedom in parts if part > 0))


def _p(mean: float, one: float, one_freedom: int, other: float, other_freedom: int) -> float:
    """Two-sided p: one minus the confidence at which the interval just touches zero."""
    if one + other == 0:
        return 1.0 if mean == 0 else 0.0
    # Between the p values that the fewer and the more degrees of freedom would give to the whole variance.
    ratio = -abs(mean) / math.sqrt(one + other)
    few, many = sorted((one_freedom, other_freedom))
    low, high = max(2 * float(stdtr(many, ratio)), 1e-300), max(2 * float(stdtr(few, ratio)), 1e-300)
    for _ in range(60):
        if high <= low * (1 + 1e-9):
            break
        middle = math.sqrt(low * high)
        if _half(middle / 2, one, one_freedom, other, other_freedom) > abs(mean):
            low = middle
        else:
            high = middle
    return min(1.0, high)
