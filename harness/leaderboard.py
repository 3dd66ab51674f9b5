"""From the tidy table to the board: who is best on each dataset and task, by how much, how surely, at what cost.

There is one row per label and control within each (dataset, task, protocol, metric), under the ranked representation
alone. Trained methods are ranked there and nowhere wider; controls stand beside them unranked. Controls that are solved
in a way of their own (supervised, baselines) stand beside every protocol of their task.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from harness.plan import RAW, UNTRAINED, NotApplicable, Plan, Pretraining
from harness.statistics import normalised, paired_t, t_interval, wilson_interval

#: Metrics that are the share of test examples answered rightly: their test-sample interval is binomial.
PROPORTIONS = frozenset({"accuracy"})

PROBLEM = ("dataset", "task", "protocol")
GROUP = (*PROBLEM, "metric")

#: The columns of a board.
#:
#: rank: among trained methods that have a value; null for controls. A run that did not train counts as failed.
#: value, low, high: mean over seeds with its t interval (interval "seeds"); for deterministic rows and single runs the
#: one value with a binomial interval over the test examples ("test sample"); or no interval ("none").
#: seeds, failed, skipped, missing: seeds that count; whose evaluation failed; whose pretraining failed, so that there
#: was nothing to evaluate; that the plan has and the store has not. Those sum to `planned`.
#: delta, delta_low, delta_high: over the untrained twin, paired by seed, in units of the metric.
#: The costs are means over seeds; device_seconds is their sum.
#: held_out_initial, held_out_final, parameter_change: proof of training, means over seeds.
#: coupling, groups_used, folds, transductive: see `harness.table.SCHEMA`.
#: flags: what a reader must not overlook.
SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(GROUP, pl.String()),
    "higher_is_better": pl.Boolean(),
    "rank": pl.Int64(),
    "method": pl.String(),
    "control": pl.String(),
    "representation": pl.String(),
    **dict.fromkeys(("value", "low", "high"), pl.Float64()),
    "interval": pl.String(),
    **dict.fromkeys(("planned", "seeds", "failed", "skipped", "missing"), pl.Int64()),
    **dict.fromkeys(("delta", "delta_low", "delta_high", "normalised"), pl.Float64()),
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
_MARKS = ("coupling", "groups_used", "folds", "transductive")

#: What a plan expects: which evaluation answers for which seed of which row.
EXPECTED: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("method", "control", "dataset", "task", "protocol", "fingerprint", "encoder"), pl.String()),
    "seed": pl.Int64(),
}


NOT_APPLICABLE = "not applicable"
DID_NOT_TRAIN = "did not train"


@dataclass(frozen=True, kw_only=True)
class Board:
    """A leaderboard: its rows (`SCHEMA`, best first within each group), and the pairs that were left out, and why."""

    rows: pl.DataFrame
    not_applicable: tuple[NotApplicable, ...] = ()
    confidence: float = 0.95

    def whole(self) -> pl.DataFrame:
        """The rows, and one for each pair that was left out, whose flag tells why: for formats that are one table."""
        left_out = [
            {"dataset": pair.dataset, "method": pair.label, "flags": [f"{NOT_APPLICABLE}: {pair.reason}"]}
            for pair in self.not_applicable
        ]
        return pl.concat([self.rows, pl.DataFrame(left_out, schema=SCHEMA)])


def leaderboard(table: pl.DataFrame, plan: Plan | None = None, *, confidence: float = 0.95) -> Board:
    """The board of a tidy table (`harness.table.tidy`).

    Args:
        plan: only its evaluations count, under its labels, and what it lacks is counted as missing; without a plan
            the board shows all that the store holds.
    """
    wanted = _beside_every_protocol(_found(table) if plan is None else expected(plan))
    seeds = _per_seed(table, wanted)
    groups: dict[tuple[str | None, ...], list[dict[str, Any]]] = {}
    for row in seeds.iter_rows(named=True):
        groups.setdefault(tuple(row[name] for name in GROUP), []).append(row)
    rows = [row for _, group in sorted(groups.items(), key=_by_name) for row in _rows(group, confidence)]
    return Board(
        rows=pl.DataFrame(rows, schema=SCHEMA),
        not_applicable=plan.not_applicable if plan is not None else (),
        confidence=confidence,
    )


def expected(plan: Plan) -> pl.DataFrame:
    """One row of `EXPECTED` per evaluation of the plan."""
    rows = [
        {
            "method": cell.label,
            "control": cell.control,
            "dataset": cell.dataset_label,
            "task": evaluation.task,
            "protocol": evaluation.protocol,
            "fingerprint": fingerprint,
            "encoder": cell.encoder.fingerprint if isinstance(cell.encoder, Pretraining) else None,
            "seed": cell.seed,
        }
        for cell in plan.cells
        for fingerprint, evaluation in cell.wanted.items()
    ]
    return pl.DataFrame(rows, schema=EXPECTED)


def _found(table: pl.DataFrame) -> pl.DataFrame:
    """What to expect without a plan: the latest evaluation of each seed of each row, and, for each pretraining that
    failed, one of each task and protocol of its dataset."""
    columns = (*EXPECTED, "started")
    evaluations = table.filter(pl.col("task").is_not_null()).select(columns).unique()
    failed = table.filter(pl.col("task").is_null()).select(columns).drop("task", "protocol")
    skipped = failed.join(evaluations.select(PROBLEM).unique(), on="dataset", how="left")
    skipped = skipped.with_columns(fingerprint=pl.lit(None, pl.String)).select(columns)
    run = ("method", "control", "dataset", "task", "protocol", "seed")
    return pl.concat([evaluations, skipped]).sort("started").unique(run, keep="last").select(list(EXPECTED))


def _beside_every_protocol(wanted: pl.DataFrame) -> pl.DataFrame:
    """Controls that are solved in a way of their own, repeated under each protocol by which their task is judged."""
    own_way = pl.col("control").is_in([RAW, UNTRAINED]).not_().fill_null(False)
    judged = wanted.filter(~own_way)
    controls = wanted.filter(own_way).drop("protocol").join(judged.select(PROBLEM).unique(), on=["dataset", "task"])
    return pl.concat([judged, controls.select(judged.columns)])


def _per_seed(table: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """One row per expected evaluation and metric, with `state`: ok, failed, skipped or missing."""
    ranked = table.filter(pl.col("primary") | (pl.col("status") == "failed") | pl.col("metric").is_null())
    measured = ranked.filter(pl.col("task").is_not_null()).drop(
        "suite", "cell", "method", "dataset", "seed", "control", "task", "protocol", "encoder"
    )
    lost = table.filter(pl.col("task").is_null()).select("encoder", lost=pl.col("failure").fill_null("unknown"))
    joined = wanted.join(measured, on="fingerprint", how="left").join(lost.unique("encoder"), on="encoder", how="left")
    trained = pl.col("trained").ne_missing(False)
    state = (
        pl.when(pl.col("status").eq("ok") & pl.col("value").is_not_null() & trained)
        .then(pl.lit("ok"))
        .when(pl.col("status").is_not_null())
        .then(pl.lit("failed"))
        .when(pl.col("lost").is_not_null())
        .then(pl.lit("skipped"))
        .otherwise(pl.lit("missing"))
    )
    cause = pl.when(trained).then(pl.coalesce("failure", "lost")).otherwise(pl.lit("did_not_train"))
    states = joined.with_columns(state=state, failure=cause)
    # What failed has no metric of its own: it belongs to each of those by which its task is judged.
    judged = states.filter(pl.col("metric").is_not_null())
    metrics = judged.select(*GROUP, "higher_is_better").unique(subset=GROUP)
    without = states.filter(pl.col("metric").is_null()).drop("metric", "higher_is_better")
    return pl.concat([judged, without.join(metrics, on=PROBLEM, how="left")], how="diagonal")


def _rows(group: Sequence[Mapping[str, Any]], confidence: float) -> list[dict[str, Any]]:
    """The board's rows of one (dataset, task, protocol, metric)."""
    runs: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for run in group:
        runs.setdefault((run["method"], run["control"]), []).append(run)
    rows = [
        _row(mine, runs.get((method, UNTRAINED), []) if control is None else [], confidence)
        for (method, control), mine in runs.items()
    ]
    sign = -1.0 if any(run["higher_is_better"] is False for run in group) else 1.0
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
WITHIN_NOISE = "beats its untrained twin by less than the noise over seeds"


def _row(mine: Sequence[Mapping[str, Any]], twins: Sequence[Mapping[str, Any]], confidence: float) -> dict[str, Any]:
    counted = [run for run in mine if run["state"] == "ok"]
    first = (counted or mine)[0]
    row: dict[str, Any] = {name: first[name] for name in (*GROUP, "higher_is_better", "method", "control")}
    row |= {"rank": None, "planned": len(mine), "seeds": len(counted)}
    row |= {state: sum(run["state"] == state for run in mine) for state in ("failed", "skipped", "missing")}
    row |= {"representation": first["representation"], "test_size": first["test_size"]}
    row |= _score(counted, confidence)
    row |= _advantage(counted, twins, confidence)
    row |= {name: _mean(counted, name) for name in (*_COSTS, *_PROOF)}
    row |= {name: first[name] for name in _MARKS}
    device = [run["device_seconds"] for run in counted if run["device_seconds"] is not None]
    row["device_seconds"] = math.fsum(device) if device else None
    row["peak_memory_bytes"] = max((run["peak_memory_bytes"] or 0 for run in counted), default=0) or None
    row["flags"] = _flags(row, mine)
    return row


def _score(runs: Sequence[Mapping[str, Any]], confidence: float) -> dict[str, Any]:
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
    return score


def _advantage(
    runs: Sequence[Mapping[str, Any]], twins: Sequence[Mapping[str, Any]], confidence: float
) -> dict[str, float | None]:
    """Mean difference to the untrained twin over the seeds that both have; the interval from two such seeds on."""
    untrained = {twin["seed"]: twin["value"] for twin in twins if twin["state"] == "ok"}
    both = [run for run in runs if run["seed"] in untrained]
    if not both:
        return {"delta": None, "delta_low": None, "delta_high": None}
    trained = [run["value"] for run in both]
    mean, low, high = paired_t(trained, [untrained[run["seed"]] for run in both], confidence).difference
    return {
        "delta": mean,
        "delta_low": None if math.isnan(low) else low,
        "delta_high": None if math.isnan(high) else high,
    }


def _flags(row: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must not overlook, the gravest first."""
    flags = []
    if any(run["failure"] == "did_not_train" for run in runs):
        flags.append(DID_NOT_TRAIN)
    if row["delta"] is not None:
        sign = -1.0 if row["higher_is_better"] is False else 1.0
        worst = row["delta_low"] if sign > 0 else row["delta_high"]
        if sign * row["delta"] <= 0:
            flags.append(NOT_BETTER)
        elif worst is not None and sign * worst <= 0:
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
