"""What is missing becomes jobs; what is done, or failed for good, does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster import Failure
from harness.plan import Pretraining, cell_from_json
from harness.record import Record
from harness.store import Store
from harness.todo import failed_for_good, todo
from tests.harness.made_records import cell, evaluation, failed, plan, pretraining

SETTINGS = {
    "checkpoint": {"seconds": 7.0},
    "deadline": {"pretrain": 100.0, "evaluate": 50.0},
    "retry": {"lost": 3, "diverged": 0},
}
TRAINED, TWIN, RAW = cell("a", 0), cell("a", 0, "untrained"), cell("raw", 0, "raw")
PLAN = replace(plan(RAW, TRAINED, TWIN), settings=SETTINGS)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def final(record: Record, answer: str, **changes: Any) -> Record:
    gone = failed(record)
    assert gone.failure is not None
    return replace(gone, failure={**gone.failure, "final": answer}, **changes)


def jobs(store: Store, *, retry_failed: bool = False) -> list[str]:
    return list(todo(PLAN, store, retry_failed=retry_failed).tasks)


EVERYTHING = [
    "evaluate raw/rectangles/0",
    "pretrain a/rectangles/0",
    "evaluate a/rectangles/0",
    "evaluate a.untrained/rectangles/0",
]


def test_an_empty_store_needs_everything(store: Store) -> None:
    tasks = todo(PLAN, store, retry_failed=False).tasks
    assert list(tasks) == EVERYTHING
    after = {name: set(task.job.after) for name, task in tasks.items() if task.job.after}
    assert after == {"evaluate a/rectangles/0": {"pretrain a/rectangles/0"}}, "controls wait for nobody"


def test_a_job_has_the_settings_of_its_suite_and_a_cell_whole_in_itself(store: Store) -> None:
    tasks = todo(PLAN, store, retry_failed=False).tasks
    train, judge = (tasks[f"{verb} a/rectangles/0"].job for verb in ("pretrain", "evaluate"))
    assert (train.deadline, judge.deadline) == (100.0, 50.0)
    assert train.retries == {Failure.LOST: 3, Failure.DIVERGED: 0}
    assert train.payload["checkpoint_seconds"] == 7.0
    assert Path(train.payload["store"]).is_absolute(), "workers have another working directory"
    assert cell_from_json(train.payload["cell"]) == TRAINED


def test_ranks_are_for_training_alone(store: Store) -> None:
    wide = replace(PLAN, cells=(replace(TRAINED, ranks=4),))
    ranks = {name: task.job.ranks for name, task in todo(wide, store, retry_failed=False).tasks.items()}
    assert ranks == {"pretrain a/rectangles/0": 4, "evaluate a/rectangles/0": 1}


def test_what_is_done_is_left_out(store: Store) -> None:
    store.write(pretraining(TRAINED))
    store.write(evaluation(TWIN))
    tasks = todo(PLAN, store, retry_failed=False).tasks
    assert list(tasks) == ["evaluate raw/rectangles/0", "evaluate a/rectangles/0"]
    assert not tasks["evaluate a/rectangles/0"].job.after, "its encoder is there"
    for each in (TRAINED, RAW):
        store.write(evaluation(each))
    assert jobs(store) == []


def test_an_encoder_that_two_cells_share_is_trained_once(store: Store) -> None:
    other = replace(TRAINED, dataset=replace(TRAINED.dataset, name="convex"))
    assert isinstance(other.encoder, Pretraining)
    tasks = todo(replace(PLAN, cells=(TRAINED, other)), store, retry_failed=False).tasks
    assert [name for name in tasks if name.startswith("pretrain")] == ["pretrain a/rectangles/0"]
    assert tasks["evaluate a/convex/0"].job.after == {"pretrain a/rectangles/0"}
    leases = [task.lease for task in tasks.values()]
    assert len(set(leases)) == len(leases), "one job holds no other's lease"


def test_what_two_labels_have_in_common_is_solved_once(store: Store) -> None:
    other = replace(TWIN, label="b")
    assert other.wanted == TWIN.wanted
    work = todo(replace(PLAN, cells=(*PLAN.cells, other)), store, retry_failed=False)
    assert list(work.tasks) == EVERYTHING
    assert work.given_up == ()


def test_supervised_controls_of_two_budgets_hold_a_lease_each(store: Store) -> None:
    scratch = replace(TWIN, control="supervised")
    (asked,) = scratch.evaluations
    longer = replace(scratch, label="b", evaluations=(replace(asked, protocol_config={"steps": 9}),))
    tasks = todo(replace(PLAN, cells=(scratch, longer)), store, retry_failed=False).tasks
    leases = [task.lease for task in tasks.values()]
    assert len(leases) == len(set(leases)) == 2, "the first to end gives up none but its own"


def test_what_failed_for_good_is_left_alone_until_asked(store: Store) -> None:
    store.write(final(pretraining(TRAINED), "yes"))
    left = todo(PLAN, store, retry_failed=False)
    assert list(left.tasks) == ["evaluate raw/rectangles/0", "evaluate a.untrained/rectangles/0"]
    assert left.given_up == (TRAINED,)
    again = todo(PLAN, store, retry_failed=True)
    assert list(again.tasks) == EVERYTHING
    assert again.given_up == ()


def test_a_failed_evaluation_is_left_alone_too(store: Store) -> None:
    store.write(pretraining(TRAINED))
    store.write(final(evaluation(TRAINED), "yes"))
    left = todo(PLAN, store, retry_failed=False)
    assert "evaluate a/rectangles/0" not in left.tasks
    assert left.given_up == (TRAINED,)


def test_a_failure_that_a_killed_driver_would_have_retried_is_retried(store: Store) -> None:
    store.write(final(pretraining(TRAINED), "no"))
    assert jobs(store) == EVERYTHING


def test_the_last_attempt_decides(store: Store) -> None:
    gone = pretraining(TRAINED)
    store.write(final(gone, "yes"))
    assert failed_for_good(store) == {gone.fingerprint}
    store.write(final(gone, "no", attempt=2))
    assert failed_for_good(store) == frozenset()
    store.write(final(gone, "yes", attempt=3))
    assert failed_for_good(store) == {gone.fingerprint}


def test_a_success_after_a_failure_counts(store: Store) -> None:
    store.write(final(pretraining(TRAINED), "yes"))
    store.write(replace(pretraining(TRAINED), attempt=2))
    left = todo(PLAN, store, retry_failed=False)
    assert "evaluate a/rectangles/0" in left.tasks
    assert not left.given_up


def test_a_task_knows_what_stands_behind_its_fingerprints(store: Store) -> None:
    tasks = todo(PLAN, store, retry_failed=False).tasks
    judge = tasks["evaluate a/rectangles/0"]
    assert judge.verb == "evaluate"
    assert judge.identity(judge.fingerprints[0])["evaluation"]["protocol"] == "linear"
    train = tasks["pretrain a/rectangles/0"]
    assert train.verb == "pretrain"
    assert train.identity(train.fingerprints[0]) == TRAINED.encoder
