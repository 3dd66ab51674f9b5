"""The tidy table of a store: one row per cell x task x protocol x representation x metric."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from harness.facts import SCHEMA as FACTS
from harness.facts import facts
from harness.store import Store

#: Columns that a row takes from the pretraining behind it: (here, in the pretraining's facts).
_OF_PRETRAINING = {
    "pretrain_seconds": "seconds",
    "device_seconds": "device_seconds",
    "examples_per_second": "examples_per_second",
    "peak_memory_bytes": "peak_memory_bytes",
    "waiting_share": "waiting_share",
    "steps": "steps",
    "trained": "trained",
    "held_out_initial": "held_out_initial",
    "held_out_final": "held_out_final",
    "parameter_change": "parameter_change",
    "coupling": "coupling",
    "groups_used": "groups_used",
}

#: The columns, always all of them and always of these types.
#:
#: method: the label that the suite gives it ("as:"); an untrained row keeps its method's, raw input is "raw".
#: algorithm: the name of the method in methods/; null for raw input.
#: control: null for a trained encoder, else "raw", "untrained", "supervised" or a baseline's name.
#: status: "ok" or "failed". A failed row has a null value; one whose pretraining failed has a null task, too.
#: settings: alike for evaluations that differ in nothing but their seed.
#: fingerprint: of the evaluation, or of the pretraining in a row without a task. encoder: of the pretraining.
#: warnings: how many there are in the record. failure, message: class and text of a failure.
#: evaluate_seconds, pretrain_seconds, device_seconds, examples_per_second, peak_memory_bytes, waiting_share: cost.
#: trained: whether pretraining lowered the held-out pretext loss from held_out_initial to held_out_final and changed
#: the weights (parameter_change: |end - start| / |start|); null where that is not known or not meant.
#: coupling: what tied examples of a batch together in pretraining ("" for nothing); groups_used: whether it was given
#: opaque groups. folds: over how many parts the task was cross-validated, 0 with a split; transductive: whether
#: pretraining saw the tested examples, unlabelled.
SCHEMA: Mapping[str, pl.DataType] = {
    "suite": pl.String(),
    "cell": pl.String(),
    "method": pl.String(),
    "algorithm": pl.String(),
    "dataset": pl.String(),
    "seed": pl.Int64(),
    "control": pl.String(),
    "status": pl.String(),
    **{
        name: FACTS[name]
        for name in (
            *("task", "protocol", "representation", "primary", "metric", "value", "higher_is_better"),
            *("chance", "ceiling", "test_size", "folds", "transductive", "warnings", "failure", "message"),
            *("fingerprint", "encoder", "settings", "attempt", "started"),
        )
    },
    "evaluate_seconds": pl.Float64(),
    **{here: FACTS[there] for here, there in _OF_PRETRAINING.items()},
}


def tidy(store: Store) -> pl.DataFrame:
    """The tidy table, sorted; columns as in `SCHEMA`.

    Of each fingerprint only the latest ok attempt counts; the latest failed one does where none is ok.
    """
    latest = _latest(facts(store))
    pretrainings = latest.filter(pl.col("kind") == "pretraining")
    evaluations = latest.filter(pl.col("kind") == "evaluation").with_columns(evaluate_seconds="seconds")
    done = pretrainings.filter(pl.col("status") == "ok")
    costs = (
        done.sort("started")
        .unique("encoder", keep="last")
        .select(
            "encoder", pretraining="fingerprint", **{here: pl.col(there) for here, there in _OF_PRETRAINING.items()}
        )
    )
    scored = (
        evaluations.drop(*(name for name in _OF_PRETRAINING if name in FACTS))
        .join(costs, on="encoder", how="left")
        .with_columns(encoder=pl.coalesce("pretraining", "encoder"))
    )
    failed = pretrainings.filter(pl.col("status") == "failed")
    failed = failed.with_columns(encoder="fingerprint", pretrain_seconds="seconds")
    rows = pl.concat([scored.drop("seconds"), failed.drop("seconds")], how="diagonal")
    return (
        rows.rename({"method": "algorithm"})
        .rename({"label": "method"})
        .select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
        .sort("dataset", "task", "protocol", "metric", "method", "control", "seed", "representation", "fingerprint")
    )


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the one attempt that counts for each fingerprint."""
    ok = pl.col("status") == "ok"
    # An ok attempt outweighs every failed one; two writers may even have ended one attempt differently.
    weight = pl.when(ok).then(pl.col("attempt") + 1_000_000_000).otherwise(pl.col("attempt"))
    return rows.filter(weight == weight.max().over("kind", "fingerprint"))
