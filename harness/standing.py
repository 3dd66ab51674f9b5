"""Which evaluations a board is made of, and how each of them stands: ok, failed, skipped or missing.

Failed: its evaluation did, or what it evaluates did not train. Skipped: its pretraining failed, so that there was
nothing to evaluate. Missing: the plan has it and the store has not.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from harness.plan import SUPERVISED, Plan, Pretraining

PROBLEM = ("dataset", "task", "protocol")
GROUP = (*PROBLEM, "metric")

#: What a plan expects: which evaluation answers for which seed of which row.
EXPECTED: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("method", "control", "dataset", "task", "protocol", "fingerprint", "encoder"), pl.String()),
    "seed": pl.Int64(),
}


def standing(table: pl.DataFrame, plan: Plan | None) -> pl.DataFrame:
    """One row per expected evaluation and metric of the ranked representation: its columns of the tidy table, and
    `state`: ok, failed, skipped or missing.

    Args:
        table: as `harness.table.tidy` gives it.
        plan: only its evaluations count, under its labels; without one, all that the store holds.
    """
    return _per_seed(table, _beside_every_protocol(_found(table) if plan is None else expected(plan)))


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
    own_way = (pl.col("control") == SUPERVISED) | (pl.col("control") == pl.col("protocol"))
    own_way = own_way.fill_null(False)
    judged = wanted.filter(~own_way)
    ways = judged.select(PROBLEM).unique()
    # Alone on a board, as after `--only`, they stand under the name of their own way.
    controls = wanted.filter(own_way).join(ways, on=["dataset", "task"], how="left", suffix="_judged")
    controls = controls.with_columns(protocol=pl.coalesce("protocol_judged", "protocol"))
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
