"""One row alone: its mean with an interval, and its place between chance and ceiling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

#: Numbers in a row, one per seed or example.
Values = Sequence[float] | NDArray[Any]


class Interval(NamedTuple):
    """An estimate and where the true value may lie; the bounds are NaN where nothing can be said."""

    mean: float
    low: float
    high: float


def t_interval(values: Values, confidence: float = 0.95) -> Interval:
    """Mean of independent, roughly normal values (one per seed) with Student's t interval (Student 1908).

    With one value the bounds are NaN: one seed says nothing of the spread.
    """
    sample = np.asarray(values, dtype=float)
    if not len(sample):
        raise ValueError("no values, so no mean")
    mean = float(sample.mean())
    if len(sample) < 2:
        return Interval(mean, math.nan, math.nan)
    return mean_interval(mean, float(sample.std(ddof=1)) / math.sqrt(len(sample)), len(sample), confidence)


def mean_interval(mean: float, error: float, size: int, confidence: float = 0.95) -> Interval:
    """Student's t interval of a mean over `size` independent values, from its standard error."""
    if size < 2 or error < 0:
        raise ValueError(f"need a standard error, at least 0, over two values at least, not {error} over {size}")
    half = float(stdtrit(size - 1, (1 + confidence) / 2)) * error
    return Interval(mean, mean - half, mean + half)


def wilson_interval(share: float, size: int, confidence: float = 0.95) -> Interval:
    """Share of successes among `size` independent test examples, with Wilson's score interval (1927).

    For rows without randomness, where only the choice of test examples is uncertain. The usual
    share +- 1.96 sqrt(share (1 - share) / size) of the papers agrees with it for large sizes, but has no width at
    0 and 1 and covers too little nearby.
    """
    if size < 1 or not 0 <= share <= 1:
        raise ValueError(f"need a share in [0, 1] of at least one example, not {share} of {size}")
    z = float(ndtri((1 + confidence) / 2))
    shrink = 1 / (1 + z**2 / size)
    center = (share + z**2 / (2 * size)) * shrink
    half = z * shrink * math.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    # At the ends the bounds are exactly 0 and 1; rounding must not take them past the share.
    return Interval(share, max(0.0, min(share, center - half)), min(1.0, max(share, center + half)))


def normalised(value: float, chance: float, ceiling: float) -> float:
    """0 at chance, 1 at the ceiling: (value - chance) / (ceiling - chance). Also right where lower is better."""
    if chance == ceiling:
        raise ValueError(f"chance and ceiling are both {chance}, so scores cannot be normalised")
    return (value - chance) / (ceiling - chance)
