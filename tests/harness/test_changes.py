"""A plan beside its records: new, done, partly done, changed (what), failed (why), not applicable (why)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.changes import CellState, State, differences, states
from harness.plan import Cell, Plan, Pretraining
from harness.record import Record
from tests.harness.planning_toys import planned

TEXT = "methods: [coder]\ndatasets: [blobs, words]\nevaluate: {protocols: [linear]}\n"


def record(cell: Cell, kind: Any, fingerprint: str, identity: Any, **rest: Any) -> Record:
    result: dict[str, Any] = {}
    if kind == "evaluation":
        result = {"task": cell.wanted[fingerprint].task, "protocol": cell.wanted[fingerprint].protocol}
    return Record(
        kind=kind,
        fingerprint=fingerprint,
        status=rest.pop("status", "ok"),
        suite="s",
        cell=cell.id,
        label=cell.label,
        method=cell.method,
        dataset=cell.dataset_label,
        seed=cell.seed,
        control=cell.control,
        identity=identity,
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        result=result,
        **rest,
    )


def run(plan: Plan, evaluations: bool = True) -> Iterator[Record]:
    """The records of a run that finished."""
    for cell in plan.cells:
        if isinstance(cell.encoder, Pretraining):
            yield record(cell, "pretraining", cell.encoder.fingerprint, cell.encoder.identity)
        for name, evaluation in cell.wanted.items():
            if evaluations:
                yield record(cell, "evaluation", name, cell.evaluation_identity(evaluation))


def compared(plan: Plan, records: list[Record]) -> dict[str, tuple[State, tuple[str, ...]]]:
    finished = frozenset(item.fingerprint for item in records if item.status == "ok")
    return {item.id: (item.state, item.why) for item in states(plan, finished, records)}


NOT_APPLICABLE = {"coder/words": (State.NOT_APPLICABLE, ("learns from images, not from text",))}


def test_new_and_done(tmp_path: Path) -> None:
    plan = planned(tmp_path, TEXT)
    ids = ["raw/blobs/0", "coder/blobs/0", "coder.untrained/blobs/0"]
    assert compared(plan, []) == {**dict.fromkeys(ids, (State.NEW, ())), **NOT_APPLICABLE}
    assert compared(plan, list(run(plan))) == {**dict.fromkeys(ids, (State.DONE, ())), **NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("change", "trained", "untrained"),
    [
        ("pretrain.steps=3000", ("training.steps 2000 -> 3000",), False),
        ("pretrain.epochs=3", ("training.epochs none -> 3", "training.steps 2000 -> none"), False),
        ("resources.precision=bf16", ("compute.precision fp32 -> bf16",), False),
        ("methods.coder.config.corruption.level=0.1", ("config.corruption.level 0.25 -> 0.1",), True),
        ("resources.deepspeed={a: {b: 1}}", ("compute.deepspeed.a.b unset -> 1",), False),
        ("datasets.blobs.config.size=9", ("dataset.config.size 100 -> 9",), True),
    ],
)
def test_a_changed_setting_is_named(tmp_path: Path, change: str, trained: tuple[str, ...], untrained: bool) -> None:
    records = list(run(planned(tmp_path, TEXT)))
    found = compared(planned(tmp_path, TEXT, sets=[change]), records)
    assert found["coder/blobs/0"] == (State.CHANGED, trained)
    assert found["coder.untrained/blobs/0"] == ((State.CHANGED, trained) if untrained else (State.DONE, ()))


def test_a_changed_protocol_is_named_and_the_pretraining_kept(tmp_path: Path) -> None:
    records = list(run(planned(tmp_path, TEXT)))
    found = compared(planned(tmp_path, TEXT, sets=["evaluate.protocols.linear.config={points: 3}"]), records)
    assert found["coder/blobs/0"] == (State.CHANGED, ("evaluation.protocol_config.points 9 -> 3",))


def test_the_nearest_of_several_runs_is_named(tmp_path: Path) -> None:
    first = planned(tmp_path, TEXT, sets=["pretrain.steps=1", "pretrain.momentum=0.5"])
    second = planned(tmp_path, TEXT, sets=["pretrain.steps=2"])
    found = compared(planned(tmp_path, TEXT, sets=["pretrain.steps=3"]), [*run(first), *run(second)])
    assert found["coder/blobs/0"] == (State.CHANGED, ("training.steps 2 -> 3",))


def test_another_label_seed_or_dataset_is_no_change_but_new(tmp_path: Path) -> None:
    records = list(run(planned(tmp_path, TEXT)))
    found = compared(planned(tmp_path, TEXT, seeds="1"), records)
    assert found["coder/blobs/1"] == (State.NEW, ())
    found = compared(planned(tmp_path, TEXT, sets=["methods.coder={name: coder, as: b, config: {width: 3}}"]), records)
    assert found["b/blobs/0"] == (State.NEW, ())


def test_partly_done_says_what_is_missing(tmp_path: Path) -> None:
    plan = planned(tmp_path, TEXT)
    found = compared(plan, list(run(plan, evaluations=False)))
    assert found["coder/blobs/0"] == (State.PARTLY_DONE, ("missing: hull by linear",))
    more = planned(tmp_path, TEXT, sets=["evaluate.protocols=[linear, ridge]"])
    found = compared(more, list(run(plan)))
    assert found["coder/blobs/0"] == (State.PARTLY_DONE, ("missing: area by ridge",))
    assert found["raw/blobs/0"] == (State.PARTLY_DONE, ("missing: area by ridge",))


def test_failed_says_why_by_the_last_attempt(tmp_path: Path) -> None:
    plan = planned(tmp_path, TEXT)
    cell = plan.cells[1]
    assert isinstance(cell.encoder, Pretraining)
    name, identity = cell.encoder.fingerprint, cell.encoder.identity
    failures = [
        record(
            cell,
            "pretraining",
            name,
            identity,
            status="failed",
            attempt=attempt,
            failure={"class": kind, "message": "m"},
        )
        for attempt, kind in ((2, "diverged"), (1, "lost"))
    ]
    assert compared(plan, failures)["coder/blobs/0"] == (State.FAILED, ("diverged: m (attempt 2)",))
    assert compared(plan, [*failures, *run(plan)])["coder/blobs/0"] == (State.DONE, ()), "a later success counts"
    other = planned(tmp_path, TEXT, sets=["pretrain.steps=3"])
    assert compared(other, failures)["coder/blobs/0"] == (State.NEW, ()), (
        "a failure is no finished work to compare with"
    )


def test_states_follow_the_order_of_the_plan(tmp_path: Path) -> None:
    plan = planned(tmp_path, TEXT, seeds="0-2")
    found = states(plan, frozenset(), [])
    assert [item.id for item in found] == [*[cell.id for cell in plan.cells], "coder/words"]
    assert all(isinstance(item, CellState) for item in found)


def test_differences_are_paths_with_both_values() -> None:
    before = {"encoder": {"initialisation": {"config": {"a": 1, "b": [1]}}}, "same": 1, "gone": 1}
    after = {"encoder": {"initialisation": {"config": {"a": 2, "b": [1, 2]}}}, "same": 1, "new": None}
    assert differences(before, after) == [
        "config.a 1 -> 2",
        "config.b [1] -> [1, 2]",
        "gone 1 -> unset",
        "new unset -> none",
    ]
    assert differences(before, before) == []
