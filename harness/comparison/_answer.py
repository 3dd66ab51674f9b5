"""What is compared, and what comes out of it: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from harness.statistics import Interval

#: What the claim is about: seeds and test examples as they may fall, seeds alone, test examples alone.
Basis = Literal["both", "seeds", "examples"]
Verdict = Literal["beats", "loses", "undecided", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What rows are judged by.

    Attributes:
        where: the dataset, and the task where that is not plain, as the words name it.
        proportion: whether the metric is a share, so that words give differences in (percentage) points.
    """

    where: str
    metric: str
    higher_is_better: bool
    proportion: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the board.

    Attributes:
        scores: by seed.
        outcomes: by seed, [N] each, of the same test examples in the same order; the scores are their means. None, or
            a seed left out, where an evaluation kept none.
        deterministic: there is no seed that could change it, as for raw input: its one score stands against every seed
            of another row. (One seed of a random row is not that.)
    """

    label: str
    scores: Mapping[int, float]
    outcomes: Mapping[int, NDArray[Any] | None] | None = field(default=None, repr=False)
    deterministic: bool = False


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The answer, in numbers and in words.

    Attributes:
        seeds: how many the rows have in common; 0 where neither depends on one.
        examples: how many test examples were paired; None without outcomes.
        difference: first minus second, in units of the metric.
        gain: how much better the first is, in units of the metric: the difference, or its negative where lower is
            better. None where there is nothing to compare.
        over_seeds, over_examples, over_both: intervals of the gain, None where there is none: had other seeds been
            drawn, for this test set; other test examples, for these encoders; both.
        seed_error, example_error: standard errors behind the first two.
        basis: which of these intervals the verdict rests on.
        p: two-sided, of no difference, on that basis. For one seed or none, of right and wrong answers: exact McNemar.
        p_adjusted: after Holm, over `comparisons`; equal to `p` for one comparison.
        effect_size: mean over standard deviation of the gain per seed, corrected for few (Hedges); None below three.
        verdict: "beats" or "loses" where the interval excludes zero and p_adjusted allows it; "undecided" within the
            noise; "unknown" where the noise is not known, for want of a second seed or of anything in common.
        words: the verdict as a sentence, without a full stop.
    """

    first: str
    second: str
    question: Question
    confidence: float
    seeds: int = 0
    examples: int | None = None
    difference: float | None = None
    gain: float | None = None
    over_seeds: Interval | None = None
    over_examples: Interval | None = None
    over_both: Interval | None = None
    seed_error: float | None = None
    example_error: float | None = None
    basis: Basis | None = None
    p: float | None = None
    p_adjusted: float | None = None
    comparisons: int = 1
    effect_size: float | None = None
    verdict: Verdict = "unknown"
    words: str = ""

    @property
    def interval(self) -> Interval | None:
        """The interval of the gain that the verdict rests on."""
        intervals = {"both": self.over_both, "seeds": self.over_seeds, "examples": self.over_examples}
        return None if self.basis is None else intervals[self.basis]
