"""What a run in W&B says of a cell, as plain data: made from its records alone, so that it can be made again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.identity import canonical
from harness.plan import Cell, Plan, Pretraining
from harness.record import Record
from harness.report.gallery import SavedPanel, load_panels
from harness.report.mirrored import run_id
from harness.store import Store

#: What W&B's server takes.
_LONGEST_TAG, _LONGEST_NAME = 64, 128


@dataclass(frozen=True, kw_only=True)
class Content:
    """One run.

    Attributes:
        history: (step, values), by step.
        images: by key, shown at the last step.
        tables: by key: (columns, rows), the summary run's.
        notes: Markdown, shown with the run.
    """

    id: str
    name: str
    group: str
    job_type: str
    tags: Sequence[str]
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    history: Sequence[tuple[int, Mapping[str, float]]] = ()
    images: Mapping[str, SavedPanel] = field(default_factory=dict)
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]] = field(default_factory=dict)
    notes: str = ""
    exit_code: int = 0


def cell_run(plan: Plan, cell: Cell, records: Sequence[Record], store: Store) -> Content:
    """The run of a settled cell from all its records.

    The system figures (`cost/...`) are those that the worker measured and left in the record. The process that mirrors
    has a load of its own, which says nothing of the cell, and is not recorded.
    """
    counted = list(_counted(records))
    done = [record for record in counted if record.status == "ok"]
    failures = [record for record in counted if record.failure is not None]
    trained = next((record for record in done if record.kind == "pretraining"), None)
    summary: dict[str, Any] = {"status": "failed" if failures else "ok"}
    for record in done:
        summary |= _of_pretraining(record) if record.kind == "pretraining" else _of_evaluation(record)
    for record in failures:
        summary["failure"] = f"{record.failure['class']}: {record.failure['message']}" if record.failure else ""
    job_type = cell.control or "trained"
    panels = load_panels(store.artifacts(trained.fingerprint) / "gallery") if trained else ()
    return Content(
        id=run_id(plan.suite, cell),
        name=cell.id[:_LONGEST_NAME],
        group=plan.suite,
        job_type=job_type,
        tags=sorted({tag[:_LONGEST_TAG] for tag in (job_type, cell.label, cell.dataset_label)}),
        config=_config(plan, cell, counted),
        summary=summary,
        history=list(_history(trained.result.get("curve", ()))) if trained else (),
        images={f"gallery/{panel.title}": panel for panel in panels},
        exit_code=1 if failures else 0,
    )


def _counted(records: Iterable[Record]) -> Iterator[Record]:
    """Of each fingerprint the attempt that counts: the last one that is ok, else the last."""
    best: dict[str, Record] = {}
    for record in records:
        known = best.get(record.fingerprint)
        if known is None or _weight(record) > _weight(known):
            best[record.fingerprint] = record
    yield from best.values()


def _weight(record: Record) -> tuple[bool, int]:
    return record.status == "ok", record.attempt


def _config(plan: Plan, cell: Cell, records: Sequence[Record]) -> dict[str, Any]:
    start = cell.start
    known: dict[str, Any] = {
        "suite": plan.suite,
        "label": cell.label,
        "method": cell.method,
        "control": cell.control,
        "seed": cell.seed,
        "dataset": {"label": cell.dataset_label, **canonical(cell.dataset)},
        "resources": {"ranks": cell.ranks, "cpus_per_rank": cell.cpus_per_rank, "gpus_per_rank": cell.gpus_per_rank},
        "evaluations": {f"{one.task}/{one.protocol}": canonical(one.protocol_config) for one in cell.evaluations},
        "fingerprints": {record.fingerprint: record.kind for record in records},
    }
    if start is not None:
        known |= {"method_config": canonical(start.config), "method_version": start.version}
        if start.dataset != cell.dataset:
            known["pretrained_on"] = canonical(start.dataset)
    if isinstance(cell.encoder, Pretraining):
        known |= {"training": canonical(cell.encoder.training), "compute": canonical(cell.encoder.compute)}
        known["pretraining"] = cell.encoder.fingerprint
    for record in records[:1]:  # the pretraining, where there is one
        known |= {"hardware": record.hardware, "versions": record.versions, "git": record.git}
        known["started"] = record.started
    return known


def _history(curve: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, float]]]:
    """The learning curve. Where a method has several stages, each has a chart of its own as well: their losses differ
    in meaning."""
    points = [point for point in curve if point.get("loss") is not None]
    staged = len({point["stage"] for point in points}) > 1
    for point in sorted(points, key=lambda point: int(point["step"])):
        row = {"loss": point["loss"], "stage": point["stage"]}
        if staged:
            row[f"loss/stage{point['stage']}"] = point["loss"]
        for kind in ("terms", "monitors"):
            row |= {f"{kind}/{name}": value for name, value in point.get(kind, {}).items() if value is not None}
        yield int(point["step"]), row


def _of_pretraining(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = {name: record.result.get(name) for name in ("steps", "parameters")}
    found["seconds"] = record.seconds
    found |= {f"proof/{name}": value for name, value in record.result.get("proof", {}).items()}
    found |= {f"cost/{name}": value for name, value in record.result.get("cost", {}).items()}
    return {name: value for name, value in found.items() if isinstance(value, (int, float, str))}


def _of_evaluation(record: Record) -> dict[str, Any]:
    """The ranked representation's score under a key without its name, so that methods can be compared; and all."""
    result = record.result
    place = f"{result['task']}/{result['protocol']}"
    found: dict[str, Any] = {
        f"cost/{place}/seconds": record.seconds,
        f"warnings/{place}": len(result.get("warnings", ())),
    }
    for score in result["scores"]:
        if score["value"] is None:
            continue
        found[f"score/{place}/{score['representation']}/{score['metric']}"] = score["value"]
        if score["primary"]:
            found[f"score/{place}/{score['metric']}"] = score["value"]
    return found
