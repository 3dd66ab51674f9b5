"""Records made by hand, for the tests of the store and of what reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.identity import canonical
from harness.plan import Cell, DatasetChoice, Evaluation, Initialisation, NotApplicable, Plan, Pretraining
from harness.record import Record

LINEAR = Evaluation(task="class", protocol="linear", protocol_version=1, protocol_config={"l2": [0.01, 1.0]})
PROOF = {"held_out_initial": 2.0, "held_out_final": 1.0, "parameter_change": 0.5}
COST = {
    "seconds": 10.0,
    "device_seconds": 20.0,
    "examples_per_second": 500.0,
    "peak_memory_bytes": 1_000_000,
    "waiting_share": 0.1,
}


def dataset(name: str = "rectangles") -> DatasetChoice:
    return DatasetChoice(name=name, version=1, config={})


def cell(label: str, seed: int, control: str | None = None, on: str = "rectangles", steps: int = 10) -> Cell:
    """A cell with one evaluation; `label` is also what makes its configuration differ."""
    start = Initialisation(method="toy", version=1, config={"of": label}, dataset=dataset(on), seed=seed)
    trained = Pretraining(initialisation=start, training={"steps": steps}, compute={})
    encoder = {None: trained, "untrained": start, "supervised": start}.get(control)
    asked = LINEAR if control in (None, "untrained", "raw") else replace(LINEAR, protocol=control)
    return Cell(label=label, dataset=dataset(on), seed=seed, control=control, encoder=encoder, evaluations=(asked,))


def plan(*cells: Cell, not_applicable: tuple[NotApplicable, ...] = ()) -> Plan:
    return Plan(suite="made", cells=cells, not_applicable=not_applicable, settings={})


def pretraining(of: Cell, **changes: Any) -> Record:
    assert isinstance(of.encoder, Pretraining)
    result = {"steps": 10, "proof": PROOF, "cost": COST}
    return _record(of, of.encoder.fingerprint, kind="pretraining", identity=of.encoder, result=result, **changes)


def evaluation(of: Cell, value: float | None = 0.5, *, metric: str = "accuracy", **changes: Any) -> Record:
    (asked,) = of.evaluations
    judged = {"encoder": of.encoder, "dataset": of.dataset, "seed": of.seed, "evaluation": asked}
    scores = [
        {
            "representation": "z",
            "primary": True,
            "metric": metric,
            "value": value,
            "higher_is_better": metric != "loss",
        },
        {
            "representation": "h",
            "primary": False,
            "metric": metric,
            "value": 0.99,
            "higher_is_better": metric != "loss",
        },
    ]
    result = {"task": "class", "protocol": asked.protocol, "scores": scores, "test_size": 100, "cost": {"seconds": 2.0}}
    fingerprint = of.evaluation_fingerprint(asked)
    return _record(of, fingerprint, **{"kind": "evaluation", "identity": judged, "result": result, **changes})


def failed(record: Record, failure: str = "diverged") -> Record:
    why = {"class": failure, "message": "the loss is nan", "traceback": "..."}
    return replace(record, status="failed", result={}, failure=why)


def _record(of: Cell, fingerprint: str, **changes: Any) -> Record:
    plain: dict[str, Any] = {
        "fingerprint": fingerprint,
        "status": "ok",
        "suite": "made",
        "cell": of.id,
        "label": of.label,
        "method": "toy" if of.encoder is not None else None,
        "dataset": of.dataset.name,
        "seed": of.seed,
        "control": of.control,
        "started": "2026-11-23T20:00:00+00:00",
        "seconds": 1.0,
    }
    fields = plain | changes
    return Record(**{**fields, "identity": canonical(fields["identity"])})
