"""Methods across datasets: who wins on how many, and whether that many can tell anything."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.statistics import holm, pairs_needed, signed_rank, smallest_p


@dataclass(frozen=True, kw_only=True)
class Across:
    """Two methods over the datasets that both have.

    Attributes:
        first, second: the first is ahead on as many datasets as the second, or on more.
        datasets, ahead, behind: how many both have; on how many the first is better, and worse.
        p, p_adjusted: exact signed-rank test, two-sided, and after Holm over `comparisons` pairs of methods; None where
            `underpowered`.
        needed: datasets from which on a method that wins on all of them would be significant after Holm.
        verdict: "beats", "undecided", or "underpowered": fewer datasets than `needed`.
        words: the verdict as a sentence, without a full stop.
    """

    first: str
    second: str
    datasets: int
    ahead: int
    behind: int
    p: float | None
    p_adjusted: float | None
    comparisons: int
    needed: int
    verdict: Literal["beats", "undecided", "underpowered"]
    words: str


def across_datasets(
    scores: Mapping[str, Mapping[str, float]], *, higher_is_better: bool = True, alpha: float = 0.05
) -> list[Across]:
    """Every pair of methods that share a dataset, in the order of the methods: Wilcoxon's signed-rank test over
    datasets (Demsar 2006) with Holm's correction over all these pairs.

    Only where enough datasets exist for significance at all: with n of them no two-sided p is below 2^(1 - n).

    Args:
        scores: mean score by method and dataset. The test ranks the differences, so they must be in one meaning: of one
            metric, or normalised between chance and ceiling (which are better when higher, whatever the metric).
    """
    pairs = {}
    for first, second in itertools.combinations(scores, 2):
        common = [dataset for dataset in scores[first] if dataset in scores[second]]
        if common:
            sign = 1.0 if higher_is_better else -1.0
            gains = [sign * (scores[first][dataset] - scores[second][dataset]) for dataset in common]
            ahead, behind = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
            order = (first, second) if ahead >= behind else (second, first)
            pairs[order] = gains if ahead >= behind else [-gain for gain in gains]
    enough = {pair: len(pairs) * smallest_p(len(gains)) <= alpha for pair, gains in pairs.items()}
    p_values = [signed_rank(gains).p if enough[pair] else math.nan for pair, gains in pairs.items()]
    adjusted = holm(p_values, len(pairs))
    needed = pairs_needed(alpha, max(1, len(pairs)))
    return [
        _across(*pair, gains, p, corrected, len(pairs), needed, alpha)
        for (pair, gains), p, corrected in zip(pairs.items(), p_values, adjusted, strict=True)
    ]


def _across(
    first: str, second: str, gains: list[float], p: float, adjusted: float, comparisons: int, needed: int, alpha: float
) -> Across:
    ahead, behind, count = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains), len(gains)
    tested = not math.isnan(p)
    verdict: Literal["beats", "undecided", "underpowered"] = "undecided" if tested else "underpowered"
    datasets = f"{count} dataset{'s' * (count != 1)}"
    after = f" after Holm over {comparisons} comparisons" if comparisons > 1 else ""
    if not tested:
        words = (
            f"underpowered: {first} is ahead of {second} on {ahead} of {datasets}, and it would take {needed} for any "
            f"difference to be significant at {alpha:g}{after}"
        )
    elif adjusted <= alpha and ahead > behind:
        verdict = "beats"
        words = f"{first} beats {second} across {datasets}: ahead on {ahead}, p = {adjusted:.2g}{after}"
    else:
        stands = f"{first} is ahead on {ahead} and behind on {behind}, p = {adjusted:.2g}{after}"
        words = f"{first} and {second} cannot be told apart across {datasets}: {stands}"
    return Across(
        first=first,
        second=second,
        datasets=count,
        ahead=ahead,
        behind=behind,
        p=p if tested else None,
        p_adjusted=adjusted if tested else None,
        comparisons=comparisons,
        needed=needed,
        verdict=verdict,
        words=words,
    )
