"""What the driver does between the scheduler and the store, with a pool that follows a script."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from cluster import Attempt, Failure, Job, Outcome
from cluster.pool import Claim, Done, Event, Run, Started, Wait
from harness import progress
from harness.driver import Driver
from harness.lease import Holder
from harness.live import View
from harness.store import Store
from harness.todo import Todo, todo
from harness.watched import Watched
from tests.harness.made_records import evaluation, pretraining
from tests.harness.test_todo import PLAN, TRAINED

Script = Callable[[Callable[[Job], Claim], Callable[[Event], None]], Iterator[Outcome]]
RIVAL = replace(Holder.here(run="rival"), machine="another machine")


class Seen(View):
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[progress.Event] = []

    def take(self, event: progress.Event) -> None:
        self.events.append(event)

    def poll(self) -> None:
        return None


class Scripted:
    """A pool whose jobs do what the test says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def run(
        self, jobs: Iterable[Job], claim: Callable[[Job], Claim], on_event: Callable[[Event], None]
    ) -> Iterator[Outcome]:
        return self._script(claim, on_event)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


@pytest.fixture
def work(store: Store) -> Todo:
    return todo(replace(PLAN, cells=(TRAINED,)), store, retry_failed=False)


def drive(store: Store, work: Todo, script: Script) -> list[progress.Event]:
    seen = Seen()
    Driver(PLAN, work, store, Watched(seen)).drive(Scripted(script))
    return seen.events


def jobs(work: Todo) -> tuple[Job, Job]:
    train, judge = (task.job for task in work.tasks.values())
    return train, judge


def test_a_lease_is_held_while_a_job_runs_and_no_longer(store: Store, work: Todo) -> None:
    train, _ = jobs(work)
    lease = work.tasks[train.id].lease

    def script(claim: Callable[[Job], Claim], tell: Callable[[Event], None]) -> Iterator[Outcome]:
        assert claim(train) == Run()
        holder = store.holder(lease)
        assert holder is not None
        assert holder.run == PLAN.suite
        assert store.lease(lease, RIVAL) is None
        assert claim(train) == Run(), "a retry keeps it"
        yield Outcome(job=train, status="ok")
        assert store.holder(lease) is None

    drive(store, work, script)


def test_leases_are_given_back_when_a_run_is_interrupted(store: Store, work: Todo) -> None:
    train, _ = jobs(work)

    def script(claim: Callable[[Job], Claim], tell: Callable[[Event], None]) -> Iterator[Outcome]:
        claim(train)
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        drive(store, work, script)
    assert store.holder(work.tasks[train.id].lease) is None


def test_what_another_run_holds_is_waited_for_and_what_it_did_is_not_done_again(store: Store, work: Todo) -> None:
    train, _ = jobs(work)
    held = store.lease(work.tasks[train.id].lease, RIVAL)
    assert held is not None

    def script(claim: Callable[[Job], Claim], tell: Callable[[Event], None]) -> Iterator[Outcome]:
        assert claim(train) == Wait()
        store.write(pretraining(TRAINED))
        held.release()
        assert claim(train) == Done(result=None)
        yield Outcome(job=train, status="ok")

    drive(store, work, script)
    assert store.attempts(work.tasks[train.id].fingerprints[0]) == 1


def test_a_failed_attempt_leaves_a_record_and_a_log(store: Store, work: Todo) -> None:
    train, _ = jobs(work)

    def attempt(number: int, *, again: bool) -> Attempt:
        return Attempt(
            job=train,
            number=number,
            failure=Failure.LOST,
            message="process 7 died",
            traceback="Traceback: here",
            seconds=3.0,
            will_retry=again,
        )

    def script(claim: Callable[[Job], Claim], tell: Callable[[Event], None]) -> Iterator[Outcome]:
        claim(train)
        tell(Started(job=train, number=1, hosts=("here",)))
        tell(attempt(1, again=True))
        tell(Started(job=train, number=2, hosts=("here",)))
        tell(attempt(2, again=False))
        yield Outcome(job=train, status="failed")

    events = drive(store, work, script)
    records = sorted(store.records(), key=lambda record: record.attempt)
    assert [(each.kind, each.attempt, each.status, each.cell) for each in records] == [
        ("pretraining", 1, "failed", TRAINED.id),
        ("pretraining", 2, "failed", TRAINED.id),
    ]
    expected = {"class": "lost", "message": "process 7 died", "traceback": "Traceback: here"}
    assert [each.failure for each in records] == [{**expected, "final": "no"}, {**expected, "final": "yes"}]
    assert records[0].seconds == 3.0
    assert records[0].identity["training"] == {"steps": 10}
    log = store.log(TRAINED.id).read_text()
    assert log.count("Traceback: here") == 2
    assert "pretrain, attempt 2: lost: process 7 died" in log
    assert [(each.kind, each.attempt) for each in events if each.stage == "pretrain"] == [
        ("queued", 1),
        ("started", 1),
        ("retried", 1),
        ("started", 2),
        ("failed", 2),
    ]
    assert not todo(PLAN, store, retry_failed=True).given_up


def test_what_an_attempt_finished_before_it_failed_is_no_failure(store: Store, work: Todo) -> None:
    _, judge = jobs(work)

    def script(claim: Callable[[Job], Claim], tell: Callable[[Event], None]) -> Iterator[Outcome]:
        store.write(evaluation(TRAINED))
        tell(
            Attempt(
                job=judge,
                number=1,
                failure=Failure.HUNG,
                message="late",
                traceback="",
                seconds=1.0,
                will_retry=True,
            )
        )
        yield Outcome(job=judge, status="ok")

    drive(store, work, script)
    assert [record.status for record in store.records()] == ["ok"]


def test_the_view_hears_of_everything(store: Store, work: Todo) -> None:
    train, judge = jobs(work)

    def script(claim: Callable[[Job], Claim], tell: Callable[[Event], None]) -> Iterator[Outcome]:
        yield Outcome(job=train, status="failed")
        yield Outcome(job=judge, status="skipped")

    events = drive(store, work, script)
    assert [(each.kind, each.stage) for each in events] == [
        ("queued", "pretrain"),
        ("queued", "evaluate"),
        ("skipped", "evaluate"),
    ]
    assert {each.job for each in events} == {TRAINED.id}
    assert events[-1].message == "its pretraining failed"
