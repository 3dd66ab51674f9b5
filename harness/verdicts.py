"""What the rows of one group of the board say of each other: who beats whom, and which ranks may be had.

The best trained method stands against every other one, against the controls that need no method, and against its own
supervised control; each trained method stands against its own untrained twin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.comparison import Comparison, Question, Row, best_against_others, compare
from harness.plan import SUPERVISED, UNTRAINED
from harness.statistics import Interval, rank_intervals

#: Outcomes of an evaluation's test examples under a representation, or None: `harness.outcomes.Outcomes.of`.
OutcomesOf = Callable[[str, str], NDArray[Any] | None]

#: A row of the board: label and control.
Key = tuple[str, str | None]
Runs = Mapping[Key, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Verdicts:
    """Of one group.

    Attributes:
        best: the trained method with the best mean; None where none has a score.
        behind: the best one against each other row, in the best one's favour where the gain is above zero.
        over_twin: each trained method against its untrained twin.
        ranks: lowest and highest rank of each trained method; left out where seeds are too few.
        errors: standard errors of each row's mean, over seeds and over test examples; None where not known.
    """

    best: Key | None
    behind: Mapping[Key, Comparison]
    over_twin: Mapping[Key, Comparison]
    ranks: Mapping[Key, tuple[int, int]]
    errors: Mapping[Key, tuple[float | None, float | None]]


def shown_name(label: str, control: str | None) -> str:
    """As boards name a row: "sdae", "sdae (untrained)", "raw"."""
    return label if control is None or control == label else f"{label} ({control})"


def verdicts(runs: Runs, question: Question, outcomes: OutcomesOf, confidence: float) -> Verdicts:
    """Compare the rows of a group.

    Args:
        runs: of each row, the runs that count.
        outcomes: per test example, where evaluations kept them.
    """
    rows = {key: _row(key, mine, outcomes) for key, mine in runs.items() if mine}
    trained = {key: row for key, row in rows.items() if key[1] is None}
    keys = {row.label: key for key, row in rows.items()}
    found = best_against_others(list(trained.values()), question, confidence=confidence)
    best = _best(trained, question)
    behind = {keys[one.second]: one for one in found}
    if best is not None:
        for key, row in rows.items():
            if key[0] == key[1] or key == (best[0], SUPERVISED):
                behind[key] = compare(rows[best], row, question, confidence=confidence, chosen_of=len(trained))
    twins = {key: rows[key[0], UNTRAINED] for key in trained if (key[0], UNTRAINED) in rows}
    return Verdicts(
        best=best,
        behind=behind,
        over_twin={key: compare(rows[key], twin, question, confidence=confidence) for key, twin in twins.items()},
        ranks=dict(_ranks(trained, question, confidence)),
        errors={key: _errors(row) for key, row in rows.items()},
    )


def bounds(one: Comparison) -> Interval | None:
    """The interval that a verdict rests on, of the difference first minus second in units of the metric; from one seed
    there is none, since it says nothing of other seeds."""
    interval = None if one.seeds == 1 else one.interval
    if interval is None or one.question.higher_is_better:
        return interval
    return Interval(-interval.mean, -interval.high, -interval.low)


def _row(key: Key, runs: Sequence[Mapping[str, Any]], outcomes: OutcomesOf) -> Row:
    label, control = key
    return Row(
        label=shown_name(label, control),
        scores={run["seed"]: run["value"] for run in runs},
        outcomes={run["seed"]: outcomes(run["fingerprint"], run["representation"]) for run in runs},
        deterministic=control == label,
    )


def _best(trained: Mapping[Key, Row], question: Question) -> Key | None:
    """As `best_against_others` chooses it."""
    sign = -1 if question.higher_is_better else 1
    means = {key: math.fsum(row.scores.values()) / len(row.scores) for key, row in trained.items()}
    return min(means, key=lambda key: (sign * means[key], key[0]), default=None)


def _ranks(trained: Mapping[Key, Row], question: Question, confidence: float) -> Iterator[tuple[Key, tuple[int, int]]]:
    """Over the seeds that all have, and over test examples where all have outcomes of the same ones."""
    common = sorted(set.intersection(*(set(row.scores) for row in trained.values()))) if trained else []
    if len(trained) < 2 or not common:
        return
    scores = np.array([[row.scores[seed] for seed in common] for row in trained.values()])
    kept = [[(row.outcomes or {}).get(seed) for seed in common] for row in trained.values()]
    lengths = {-1 if values is None else len(values) for row in kept for values in row}
    whole = np.array(kept) if len(lengths) == 1 and lengths != {-1} else None
    found = rank_intervals(
        scores,
        np.random.default_rng(0),
        higher_is_better=question.higher_is_better,
        outcomes=whole,
        confidence=confidence,
    )
    for key, one in zip(trained, found, strict=True):
        if one.low is not None and one.high is not None:
            yield key, (one.low, one.high)


def _errors(row: Row) -> tuple[float | None, float | None]:
    """Of the mean: how far other seeds would move it, and how far other test examples would."""
    scores = list(row.scores.values())
    over_seeds = float(np.std(scores, ddof=1)) / len(scores) ** 0.5 if len(scores) > 1 else None
    kept = [values for values in (row.outcomes or {}).values() if values is not None]
    if len(kept) < len(scores) or len({len(values) for values in kept}) != 1 or len(kept[0]) < 2:
        return over_seeds, None
    by_example = np.mean(kept, axis=0)
    return over_seeds, float(np.std(by_example, ddof=1)) / len(by_example) ** 0.5
