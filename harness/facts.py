"""Records as rows: each record gives at least one, and they are kept in a Parquet index, since a row of a record that
never changes need be made only once.

The index is a cache and is never trusted (`harness.kept_frame`): each row names the file it came from with that file's
size and time of change. What does not agree is read again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from harness import recordfile
from harness.identity import IDENTITY_VERSION, fingerprint
from harness.kept_frame import KeptFrame
from harness.record import Record
from harness.store import Store

#: One row of an index. A change of this schema, or of what a column means, makes older indexes unreadable: bump.
VERSION = 2

SCHEMA: Mapping[str, pl.DataType] = {
    name: kind()
    for name, kind in {
        "file": pl.String,  #: "<name> <size> <time of change>": equal only for equal content
        "kind": pl.String,
        "fingerprint": pl.String,
        "attempt": pl.Int64,
        "status": pl.String,
        "suite": pl.String,
        "cell": pl.String,
        "label": pl.String,
        "method": pl.String,
        "dataset": pl.String,
        "seed": pl.Int64,
        "control": pl.String,
        "started": pl.String,
        "encoder": pl.String,  #: names the encoder's identity, alike for a pretraining and for its evaluations
        "settings": pl.String,  #: of an evaluation: names all that decided it, save the seed
        "task": pl.String,
        "protocol": pl.String,
        "representation": pl.String,
        "primary": pl.Boolean,
        "metric": pl.String,
        "value": pl.Float64,
        "higher_is_better": pl.Boolean,
        "chance": pl.Float64,
        "ceiling": pl.Float64,
        "test_size": pl.Int64,
        "folds": pl.Int64,
        "transductive": pl.Boolean,
        "warnings": pl.Int64,
        "failure": pl.String,
        "message": pl.String,
        "steps": pl.Int64,
        "trained": pl.Boolean,
        "held_out_initial": pl.Float64,
        "held_out_final": pl.Float64,
        "parameter_change": pl.Float64,
        "coupling": pl.String,
        "groups_used": pl.Boolean,
        "seconds": pl.Float64,
        "device_seconds": pl.Float64,
        "examples_per_second": pl.Float64,
        "peak_memory_bytes": pl.Int64,
        "waiting_share": pl.Float64,
    }.items()
}


def facts(store: Store) -> pl.DataFrame:
    """All valid records of the store as rows of `SCHEMA`, from the index as far as it agrees with the records."""
    files = _files(store)
    kept = _kept(store)
    known = kept.load()
    if known is None:
        known = pl.DataFrame(schema=SCHEMA)
    indexed = set(known["file"].unique())
    current = known if indexed <= files.keys() else known.filter(pl.col("file").is_in(list(files)))
    new = [(key, name) for key, name in files.items() if key not in indexed]
    if new:
        rows = [
            {"file": key, **row} for key, name in sorted(new) for record in store.read([name]) for row in _rows(record)
        ]
        current = pl.concat([current, _frame(rows)])
    if current.height != known.height or len(indexed - files.keys()) > 0:
        kept.save(current)
    return current


def _kept(store: Store) -> KeptFrame:
    return KeptFrame(folder=store.root / "index", name="facts", version=f"v{VERSION}.{IDENTITY_VERSION}", schema=SCHEMA)


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame; a value of a wrong type, from a result that harness did not write, becomes null."""
    return pl.DataFrame(
        [pl.Series(name, [row.get(name) for row in rows], dtype=kind, strict=False) for name, kind in SCHEMA.items()]
    )


def _files(store: Store) -> dict[str, str]:
    """Name of each record file by its key in the column `file`."""
    found = {}
    with os.scandir(store.record_folder) as entries:
        for entry in entries:
            if recordfile.parse_name(entry.name) is not None:
                status = entry.stat()
                found[f"{entry.name} {status.st_size} {status.st_mtime_ns}"] = entry.name
    return found


def _rows(record: Record) -> Iterator[dict[str, Any]]:
    result = record.result
    cost = _mapping(result.get("cost"))
    failure = _mapping(record.failure)
    proof = _mapping(result.get("proof"))
    whole = {
        "kind": record.kind,
        "fingerprint": record.fingerprint,
        "attempt": record.attempt,
        "status": record.status,
        "suite": record.suite,
        "cell": record.cell,
        "label": record.label,
        "method": record.method,
        "dataset": record.dataset,
        "seed": record.seed,
        "control": record.control,
        "started": record.started,
        "failure": failure.get("class"),
        "message": failure.get("message"),
        "seconds": cost.get("seconds", record.seconds),
    }
    if record.kind == "pretraining":
        yield {
            **whole,
            "encoder": _encoder(record.identity) or record.fingerprint,
            "steps": result.get("steps"),
            "trained": _trained(result),
            **{name: proof.get(name) for name in ("held_out_initial", "held_out_final", "parameter_change")},
            "coupling": _joined(result.get("coupling")),
            "groups_used": result.get("groups_used"),
            **{name: cost.get(name) for name in ("device_seconds", "examples_per_second", "waiting_share")},
            "peak_memory_bytes": _whole_number(cost.get("peak_memory_bytes")),
        }
        return
    asked = _mapping(record.identity.get("evaluation"))
    warnings = result.get("warnings")
    whole |= {
        "encoder": _encoder(record.identity.get("encoder")),
        "settings": fingerprint("settings", _without_seeds(record.identity)),
        "task": result.get("task", asked.get("task")),
        "protocol": result.get("protocol", asked.get("protocol")),
        "test_size": _whole_number(result.get("test_size")),
        "folds": _whole_number(result.get("folds")),
        "transductive": result.get("transductive"),
        "warnings": len(warnings) if isinstance(warnings, list) else 0,
    }
    scores = result.get("scores")
    listed = scores if record.status == "ok" and isinstance(scores, list) else []
    for score in [_mapping(score) for score in listed] or [{}]:
        yield {
            **whole,
            **{name: score.get(name) for name in ("representation", "primary", "metric", "value", "higher_is_better")},
            "chance": score.get("chance", result.get("chance")),
            "ceiling": score.get("ceiling", result.get("ceiling")),
        }


def _encoder(identity: Any) -> str | None:
    """Fingerprint of a pretraining's identity; None for raw input and untrained twins, which have none.

    Computed here on both sides of the join, so that records older than the fingerprint's version still meet.
    """
    if not isinstance(identity, Mapping) or "initialisation" not in identity:
        return None
    return fingerprint("pretraining", identity)


def _without_seeds(identity: Any) -> Any:
    """An evaluation's identity without its own seed and the encoder's; one of a dataset's split is a setting."""
    if not isinstance(identity, Mapping):
        return identity
    inner = ("encoder", "initialisation")
    return {
        name: _without_seeds(value) if name in inner else value for name, value in identity.items() if name != "seed"
    }


def _trained(result: Mapping[str, Any]) -> bool | None:
    """Did pretraining change the encoder and lower the held-out loss? None where the record does not say."""
    proof = _mapping(result.get("proof"))
    first, last = _number(proof.get("held_out_initial")), _number(proof.get("held_out_final"))
    change = _number(proof.get("parameter_change"))
    if first is None or last is None or change is None:
        return None
    return result.get("steps") != 0 and change > 0 and last < first


def _joined(names: Any) -> str | None:
    return ", ".join(map(str, names)) if isinstance(names, list) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _whole_number(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) else None
