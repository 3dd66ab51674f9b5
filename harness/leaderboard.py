"""From the tidy table to the board: who is best on each dataset and task, by how much, how surely, at what cost.

There is one row per label and control within each (dataset, task, protocol, metric), under the ranked representation
alone. Trained methods are ranked there and nowhere wider; controls stand beside them unranked. Controls that are solved
in a way of their own (supervised, baselines) stand beside every protocol of their task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from harness.comparison import Comparison, Question, across_datasets
from harness.plan import NotApplicable, Plan
from harness.standing import GROUP, standing
from harness.statistics import mean_interval, normalised, t_interval, wilson_interval
from harness.verdicts import Key, OutcomesOf, Runs, Verdicts, bounds, verdicts

#: Metrics that are the share of test examples answered rightly: their test-sample interval is binomial.
PROPORTIONS = frozenset({"accuracy"})

#: The columns of a board.
#:
#: rank: among trained methods that have a value; null for controls. A run that did not train counts as failed.
#: rank_low, rank_high: the ranks that it may have, by bootstrap over seeds and test examples; null below three seeds.
#: value, low, high: mean over seeds with its t interval (interval "seeds"); for deterministic rows and single runs the
#: one value with an interval over the test examples ("test sample"), binomial for a share of them; or none ("none").
#: seeds, failed, skipped, missing: seeds that count; whose evaluation failed; whose pretraining failed, so that there
#: was nothing to evaluate; that the plan has and the store has not. Those sum to `planned`.
#: seed_error, example_error: standard errors of the mean over seeds, and over test examples: two kinds of noise.
#: delta, delta_low, delta_high: over the untrained twin, paired by seed and test example, in units of the metric.
#: behind, behind_low, behind_high: how much better the best trained method is, in units of the metric; p: after Holm;
#: effect_size: Hedges' g of the paired seeds; basis: what the interval is over (both seeds and examples, seeds, or
#: examples); verdict: of the best method on this row: beats, loses, undecided or unknown; words: as a sentence. Null
#: where nothing is compared: for the best method itself, untrained twins, and other methods' supervised controls.
#: The costs are means over seeds; device_seconds is their sum.
#: held_out_initial, held_out_final, parameter_change: proof of training, means over seeds.
#: coupling, groups_used, folds, transductive: see `harness.table.SCHEMA`.
#: flags: what a reader must not overlook.
SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(GROUP, pl.String()),
    "higher_is_better": pl.Boolean(),
    **dict.fromkeys(("rank", "rank_low", "rank_high"), pl.Int64()),
    "method": pl.String(),
    "control": pl.String(),
    "representation": pl.String(),
    **dict.fromkeys(("value", "low", "high"), pl.Float64()),
    "interval": pl.String(),
    **dict.fromkeys(("seed_error", "example_error"), pl.Float64()),
    **dict.fromkeys(("planned", "seeds", "failed", "skipped", "missing"), pl.Int64()),
    **dict.fromkeys(("delta", "delta_low", "delta_high"), pl.Float64()),
    **dict.fromkeys(("chance", "ceiling", "normalised"), pl.Float64()),
    **dict.fromkeys(("behind", "behind_low", "behind_high", "p", "effect_size"), pl.Float64()),
    **dict.fromkeys(("basis", "verdict", "words"), pl.String()),
    "test_size": pl.Int64(),
    **dict.fromkeys(("pretrain_seconds", "evaluate_seconds", "device_seconds", "examples_per_second"), pl.Float64()),
    "peak_memory_bytes": pl.Int64(),
    "waiting_share": pl.Float64(),
    **dict.fromkeys(("held_out_initial", "held_out_final", "parameter_change"), pl.Float64()),
    "coupling": pl.String(),
    "groups_used": pl.Boolean(),
    "folds": pl.Int64(),
    "transductive": pl.Boolean(),
    "flags": pl.List(pl.String()),
}

_COSTS = ("pretrain_seconds", "evaluate_seconds", "examples_per_second", "waiting_share")
_PROOF = ("held_out_initial", "held_out_final", "parameter_change")
_OF_COMPARISON = ("behind", "behind_low", "behind_high", "p", "effect_size", "basis", "verdict", "words")
_MARKS = ("chance", "ceiling", "coupling", "groups_used", "folds", "transductive")

NOT_APPLICABLE = "not applicable"
DID_NOT_TRAIN = "did not train"


@dataclass(frozen=True, kw_only=True)
class Board:
    """A leaderboard.

    Attributes:
        rows: as in `SCHEMA`, best first within each group.
        across: what methods show over several datasets, in sentences.
        not_applicable: the pairs that were left out, and why.
    """

    rows: pl.DataFrame
    across: tuple[str, ...] = ()
    not_applicable: tuple[NotApplicable, ...] = ()
    confidence: float = 0.95

    def groups(self) -> Iterator[list[dict[str, Any]]]:
        """The rows of each dataset, task, protocol and metric."""
        for _, group in self.rows.group_by(GROUP, maintain_order=True):
            yield group.to_dicts()

    def whole(self) -> pl.DataFrame:
        """The rows, and one for each pair that was left out, whose flag tells why: for formats that are one table."""
        left_out = [
            {"dataset": pair.dataset, "method": pair.label, "flags": [f"{NOT_APPLICABLE}: {pair.reason}"]}
            for pair in self.not_applicable
        ]
        return pl.concat([self.rows, pl.DataFrame(left_out, schema=SCHEMA)])


def leaderboard(
    table: pl.DataFrame,
    plan: Plan | None = None,
    *,
    outcomes: Callable[[Iterable[tuple[str, str]]], OutcomesOf] | None = None,
    confidence: float = 0.95,
) -> Board:
    """The board of a tidy table (`harness.table.tidy`).

    Args:
        plan: only its evaluations count, under its labels, and what it lacks is counted as missing; without a plan
            the board shows all that the store holds.
        outcomes: finds the outcomes of many (fingerprint, representation) at once; without it comparisons are over
            seeds alone.
    """
    runs = standing(table, plan)
    groups: dict[tuple[str | None, ...], list[dict[str, Any]]] = {}
    for row in runs.iter_rows(named=True):
        groups.setdefault(tuple(row[name] for name in GROUP), []).append(row)
    counted = runs.filter(pl.col("state") == "ok").select("fingerprint", "representation").unique()
    outcomes_of = outcomes(counted.iter_rows()) if outcomes is not None else _no_outcomes
    tasks = {dataset: len({task for other, task, *_ in groups if other == dataset}) for dataset, *_ in groups}
    rows = [
        row
        for (dataset, task, *_), group in sorted(groups.items(), key=_by_name)
        for row in _rows(group, f"{dataset} ({task})" if tasks[dataset] > 1 else f"{dataset}", outcomes_of, confidence)
    ]
    return Board(
        rows=pl.DataFrame(rows, schema=SCHEMA),
        across=tuple(_across(rows)),
        not_applicable=plan.not_applicable if plan is not None else (),
        confidence=confidence,
    )


def _no_outcomes(fingerprint: str, representation: str) -> None:
    return None


def _rows(
    group: Sequence[Mapping[str, Any]], where: str, outcomes: OutcomesOf, confidence: float
) -> list[dict[str, Any]]:
    """The board's rows of one (dataset, task, protocol, metric)."""
    runs: dict[Key, list[Mapping[str, Any]]] = {}
    for run in group:
        runs.setdefault((run["method"], run["control"]), []).append(run)
    counted: Runs = {key: [run for run in mine if run["state"] == "ok"] for key, mine in runs.items()}
    higher = not any(run["higher_is_better"] is False for run in group)
    metric = group[0]["metric"]
    question = Question(where=where, metric=metric, higher_is_better=higher, proportion=metric in PROPORTIONS)
    found = verdicts(counted, question, outcomes, confidence)
    rows = [_row(key, mine, counted[key], found, confidence) for key, mine in runs.items()]
    sign = 1.0 if higher else -1.0
    rows.sort(
        key=lambda row: (row["value"] is None, -sign * (row["value"] or 0.0), row["method"], row["control"] or "")
    )
    _rank(row for row in rows if row["control"] is None and row["value"] is not None)
    return rows


def _rank(rows: Iterable[dict[str, Any]]) -> None:
    """Number rows that are sorted best first; equal values share a rank."""
    before: dict[str, Any] | None = None
    for place, row in enumerate(rows, start=1):
        tied = before is not None and before["value"] == row["value"]
        row["rank"] = before["rank"] if before is not None and tied else place
        before = row


NOT_BETTER = "does not beat its untrained twin"
WITHIN_NOISE = "beats its untrained twin by less than the noise"
MIXED = "seeds of different settings; name a suite to keep them apart"


def _row(
    key: Key,
    mine: Sequence[Mapping[str, Any]],
    counted: Sequence[Mapping[str, Any]],
    found: Verdicts,
    confidence: float,
) -> dict[str, Any]:
    first = (counted or mine)[0]
    row: dict[str, Any] = {name: first[name] for name in (*GROUP, "higher_is_better", "method", "control")}
    row |= {"rank": None, "planned": len(mine), "seeds": len(counted)}
    row["rank_low"], row["rank_high"] = found.ranks.get(key, (None, None))
    row |= {state: sum(run["state"] == state for run in mine) for state in ("failed", "skipped", "missing")}
    row |= {"representation": first["representation"], "test_size": first["test_size"]}
    row["seed_error"], row["example_error"] = found.errors.get(key, (None, None))
    row |= _score(counted, row["example_error"], confidence)
    row |= _advantage(found.over_twin.get(key))
    row |= _behind(found.behind.get(key))
    row |= {name: _mean(counted, name) for name in (*_COSTS, *_PROOF)}
    row |= {name: first[name] for name in _MARKS}
    device = [run["device_seconds"] for run in counted if run["device_seconds"] is not None]
    row["device_seconds"] = math.fsum(device) if device else None
    row["peak_memory_bytes"] = max((run["peak_memory_bytes"] or 0 for run in counted), default=0) or None
    row["flags"] = _flags(row, mine, found.over_twin.get(key))
    return row


def _score(runs: Sequence[Mapping[str, Any]], example_error: float | None, confidence: float) -> dict[str, Any]:
    if not runs:
        return {"value": None, "low": None, "high": None, "interval": "none", "normalised": None}
    values = [run["value"] for run in runs]
    mean = math.fsum(values) / len(values)
    chance, ceiling = runs[0]["chance"], runs[0]["ceiling"]
    scaled = normalised(mean, chance, ceiling) if None not in (chance, ceiling) and chance != ceiling else None
    score = {"value": mean, "low": None, "high": None, "interval": "none", "normalised": scaled}
    if len(values) > 1:
        _, low, high = t_interval(values, confidence)
        return score | {"low": low, "high": high, "interval": "seeds"}
    size = runs[0]["test_size"]
    if size and runs[0]["metric"] in PROPORTIONS:
        _, low, high = wilson_interval(mean, size, confidence)
        return score | {"low": low, "high": high, "interval": "test sample"}
    if size and example_error is not None:
        _, low, high = mean_interval(mean, example_error, size, confidence)
        return score | {"low": low, "high": high, "interval": "test sample"}
    return score


def _advantage(over_twin: Comparison | None) -> dict[str, float | None]:
    """Over the untrained twin."""
    interval = bounds(over_twin) if over_twin else None
    return {
        "delta": over_twin.difference if over_twin else None,
        "delta_low": interval.low if interval else None,
        "delta_high": interval.high if interval else None,
    }


def _behind(one: Comparison | None) -> dict[str, Any]:
    """The best method against this row."""
    if one is None:
        return dict.fromkeys(_OF_COMPARISON)
    interval = bounds(one)
    low, high = (interval.low, interval.high) if interval else (None, None)
    values = (one.difference, low, high, one.p_adjusted, one.effect_size, one.basis, one.verdict, one.words)
    return dict(zip(_OF_COMPARISON, values, strict=True))


def _across(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What trained methods show over several datasets, for each protocol and metric: normalised scores, of several
    tasks with one metric their mean."""
    tables: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        if row["control"] is None and row["normalised"] is not None:
            table = tables.setdefault((row["protocol"], row["metric"]), {})
            table.setdefault(row["method"], {}).setdefault(row["dataset"], []).append(row["normalised"])
    for (protocol, metric), table in tables.items():
        scores = {
            method: {dataset: math.fsum(values) / len(values) for dataset, values in found.items()}
            for method, found in table.items()
        }
        if len({dataset for found in scores.values() for dataset in found}) > 1:
            for one in across_datasets(scores):
                yield f"{protocol}, {metric}: {one.words}"


def _flags(row: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], over_twin: Comparison | None) -> list[str]:
    """What a reader must not overlook, the gravest first."""
    flags = []
    if any(run["failure"] == "did_not_train" for run in runs):
        flags.append(DID_NOT_TRAIN)
    if len({run["settings"] for run in runs if run["state"] == "ok"}) > 1:
        flags.append(MIXED)
    if over_twin is not None and over_twin.gain is not None:
        if over_twin.gain <= 0:
            flags.append(NOT_BETTER)
        elif over_twin.verdict == "undecided":
            flags.append(WITHIN_NOISE)
    for state, text in (("failed", "failed"), ("skipped", "skipped, since pretraining failed")):
        if row[state]:
            causes = sorted({run["failure"] for run in runs if run["state"] == state and run["failure"]})
            why = f" ({', '.join(causes)})".replace("_", " ") if causes else ""
            flags.append(f"{row[state]} of {row['planned']} {text}{why}")
    if row["missing"]:
        flags.append(f"{row['missing']} of {row['planned']} missing")
    if warned := sum(1 for run in runs if run["state"] == "ok" and run["warnings"]):
        flags.append(f"warnings in {warned} of {row['seeds']} records")
    return flags


def _mean(runs: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [run[name] for run in runs if run[name] is not None]
    return math.fsum(values) / len(values) if values else None


def _by_name(item: tuple[tuple[str | None, ...], Any]) -> tuple[str, ...]:
    return tuple(part or "" for part in item[0])
