"""Two rows of the board, side by side: their difference, what is known of its noise, and what may be claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.comparison._answer import Comparison, Question, Row, Verdict
from harness.comparison._words import sentence
from harness.statistics import Interval, crossed, effect_size, holm, paired_examples, paired_t

#: Scores are means of outcomes but for this, relative to the greatest; where they are not, the outcomes belong to
#: another metric.
_ROUNDING = 1e-5


def compare(first: Row, second: Row, question: Question, *, confidence: float = 0.95, chosen_of: int = 1) -> Comparison:
    """Compare two rows over their common seeds and, where there are outcomes, their common test examples.

    Args:
        chosen_of: among how many rows the first was found to be the best in the same data; p is adjusted for as many
            comparisons. (Unadjusted, the best of 5 methods that are no better than a control would be said to beat it
            in 0.12 of boards, of 10 in 0.19, at five seeds and a level of 0.05.)
    """
    measured = _measured(first, second, question, confidence)
    adjusted = None if measured.p is None else min(1.0, chosen_of * measured.p)
    return _judged(replace(measured, p_adjusted=adjusted, comparisons=chosen_of), first, second)


def best_against_others(rows: Sequence[Row], question: Question, *, confidence: float = 0.95) -> list[Comparison]:
    """Compare the row with the best mean with each other, the better ones first.

    p values are adjusted by Holm over all pairs of the M rows that have scores, not over the M - 1 that are shown:
    which row is the best was seen in the same data. (Adjusted for M - 1 alone, 5 equal methods would give a false claim
    in 0.08 of boards and 10 in 0.11, at five seeds and a level of 0.05; for all pairs it is 0.03 and 0.02.) Intervals
    are not adjusted.
    """
    scored = [row for row in rows if row.scores]
    if not scored:
        return []
    sign = 1 if question.higher_is_better else -1
    scored.sort(key=lambda row: (-sign * _mean(row), row.label))
    best, *others = scored
    others += [row for row in rows if not row.scores]
    family = len(scored) * (len(scored) - 1) // 2
    measured = [_measured(best, other, question, confidence) for other in others]
    adjusted = holm([math.nan if one.p is None else one.p for one in measured], family)
    return [
        _judged(replace(one, p_adjusted=_known(p), comparisons=family), best, other)
        for one, p, other in zip(measured, adjusted, others, strict=True)
    ]


def _mean(row: Row) -> float:
    return math.fsum(row.scores.values()) / len(row.scores)


def _measured(first: Row, second: Row, question: Question, confidence: float) -> Comparison:
    """All numbers of a comparison; the verdict is still open."""
    result = Comparison(first=first.label, second=second.label, question=question, confidence=confidence)
    pairs = _pairs(first, second)
    if not pairs:
        return result
    both_fixed = first.deterministic and second.deterministic
    # Of a difference where less is better, the gain is what the second has more.
    ahead, behind = (0, 1) if question.higher_is_better else (1, 0)
    rows = (first, second)
    left = [rows[ahead].scores[pair[ahead]] for pair in pairs]
    right = [rows[behind].scores[pair[behind]] for pair in pairs]
    over_seeds, p = paired_t(left, right, confidence)
    gain = over_seeds.mean
    several = len(pairs) > 1
    result = replace(
        result,
        seeds=0 if both_fixed else len(pairs),
        difference=gain if question.higher_is_better else -gain,
        gain=gain,
        over_seeds=over_seeds if several else None,
        seed_error=float(np.std(np.subtract(left, right), ddof=1)) / math.sqrt(len(pairs)) if several else None,
        effect_size=_known(effect_size(left, right)),
        basis="seeds" if several else None,
        p=_known(p),
    )
    a, b = (_outcomes(rows[side], [pair[side] for pair in pairs]) for side in (ahead, behind))
    if a is not None and b is not None and a.shape[1] == b.shape[1] > 1:
        result = _with_outcomes(result, a, b, _ROUNDING * max(map(abs, (*left, *right))))
    return replace(result, p_adjusted=result.p)


def _with_outcomes(result: Comparison, first: NDArray[Any], second: NDArray[Any], rounding: float) -> Comparison:
    """What test examples add, if these are the outcomes behind the scores."""
    found = crossed(first, second, result.confidence)
    if abs(found.both.mean - (result.gain or 0.0)) > rounding:
        return result
    several = result.over_seeds is not None
    return replace(
        result,
        examples=first.shape[1],
        over_examples=_bounded(found.examples),
        example_error=_known(found.example_error),
        over_both=_bounded(found.both),
        basis="both" if several else "examples",
        p=_known(found.p if several else paired_examples(first[0], second[0], result.confidence).p),
    )


def _pairs(first: Row, second: Row) -> list[tuple[int, int]]:
    """The seeds to set side by side: those in common, or each against the one score of a row without randomness."""
    ours, theirs = sorted(first.scores), sorted(second.scores)
    if first.deterministic and second.deterministic:
        return list(zip(ours[:1], theirs[:1], strict=False))
    if first.deterministic:
        return [(ours[0], seed) for seed in theirs] if ours else []
    if second.deterministic:
        return [(seed, theirs[0]) for seed in ours] if theirs else []
    return [(seed, seed) for seed in ours if seed in second.scores]


def _outcomes(row: Row, seeds: Sequence[int]) -> NDArray[Any] | None:
    """[seeds, examples], or [1, examples] of a row without randomness; None unless all seeds have as many."""
    wanted = seeds[:1] if row.deterministic else seeds
    found = [(row.outcomes or {}).get(seed) for seed in wanted]
    kept = [values for values in found if values is not None]
    if len(kept) < len(wanted) or len({len(values) for values in kept}) != 1 or not len(kept[0]):
        return None
    return np.stack(kept)


def _judged(result: Comparison, first: Row, second: Row) -> Comparison:
    result = replace(result, verdict=_verdict(result))
    return replace(result, words=sentence(result, first, second))


def _verdict(result: Comparison) -> Verdict:
    interval = result.interval
    if interval is None:
        return "unknown"
    if interval.low <= 0 <= interval.high or (result.p_adjusted or 0.0) > 1 - result.confidence:
        return "undecided"
    if result.seeds == 1:
        return "unknown"
    return "beats" if interval.mean > 0 else "loses"


def _bounded(interval: Interval) -> Interval | None:
    return None if math.isnan(interval.low) else interval


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
