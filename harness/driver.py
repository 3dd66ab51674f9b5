"""Between the scheduler and the store: a lease before each job, a record of each failed attempt, an informed view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cluster.job import Attempt, Job, Outcome
from cluster.pool import Claim, Done, Event, Pool, Run, Wait
from harness import progress, provenance
from harness.identity import canonical
from harness.lease import Holder, LeaseKeeper
from harness.plan import Plan
from harness.progress import EventKind
from harness.record import Record
from harness.store import Store
from harness.todo import Task, Todo
from harness.watched import Watched


class Driver:
    """Drives the jobs of one run. All it knows beyond the store is which leases it holds, and who watches."""

    def __init__(self, plan: Plan, work: Todo, store: Store, view: Watched) -> None:
        self._plan = plan
        self._work = work
        self._store = store
        self._view = view

    def drive(self, pool: Pool) -> None:
        """Run every job to its outcome."""
        tasks = self._work.tasks
        for task in tasks.values():
            self._tell("queued", task)
        with LeaseKeeper(self._store.lease, Holder.here(run=self._plan.suite)) as leases:
            jobs = [task.job for task in tasks.values()]
            for outcome in pool.run(jobs, lambda job: self._claim(job, leases), self._watch):
                leases.release(tasks[outcome.job.id].lease)
                self._end(outcome)

    def _claim(self, job: Job, leases: LeaseKeeper) -> Claim:
        """Hold the lease, and look once more: another run on this store may be at it, or have done it meanwhile."""
        task = self._work.tasks[job.id]
        if not leases.acquire(task.lease):
            return Wait()
        if self._store.finished().issuperset(task.fingerprints):
            return Done(result=None)
        return Run()

    def _watch(self, event: Event) -> None:
        task = self._work.tasks[event.job.id]
        if isinstance(event, Attempt):
            for record in self._failed(task, event):
                self._store.write(record)
            self._append_to_log(task, event)
            kind: EventKind = "retried" if event.will_retry else "failed"
            self._tell(kind, task, event.number, event.seconds, f"{event.failure.value}: {event.message}")
        else:
            self._tell("started", task, event.number)

    def _end(self, outcome: Outcome) -> None:
        task = self._work.tasks[outcome.job.id]
        if outcome.status == "ok":
            self._tell("finished", task, seconds=outcome.seconds)
        elif outcome.status == "skipped":
            self._tell("skipped", task, message="its pretraining failed")

    def _tell(self, kind: EventKind, task: Task, attempt: int = 1, seconds: float = 0.0, message: str = "") -> None:
        self._view.take(
            progress.Event(
                kind=kind,
                job=task.cell.id,
                stage=task.verb,
                fingerprint=task.lease,
                attempt=attempt,
                seconds=seconds,
                message=message,
            )
        )

    def _append_to_log(self, task: Task, attempt: Attempt) -> None:
        with self._store.log(task.cell.id).open("a") as log:
            when = datetime.now(UTC).isoformat(timespec="seconds")
            print(f"{when} {task.verb}, attempt {attempt.number}: {attempt.failure.value}: {attempt.message}", file=log)
            print(attempt.traceback, file=log)

    def _failed(self, task: Task, attempt: Attempt) -> Iterator[Record]:
        """What a failed attempt leaves: a record for each thing that it should have finished and did not."""
        finished = self._store.finished()
        for fingerprint in task.fingerprints:
            if fingerprint in finished:
                continue
            yield Record(
                kind=task.kind,
                fingerprint=fingerprint,
                attempt=self._store.attempts(fingerprint) + 1,
                status="failed",
                suite=self._plan.suite,
                cell=task.cell.id,
                label=task.cell.label,
                method=task.cell.method,
                dataset=task.cell.dataset_label,
                seed=task.cell.seed,
                control=task.cell.control,
                identity=canonical(task.identity(fingerprint)),
                started=(datetime.now(UTC) - timedelta(seconds=attempt.seconds)).isoformat(timespec="seconds"),
                seconds=attempt.seconds,
                hardware=provenance.hardware(),
                versions=provenance.versions(),
                git=provenance.git(),
                failure={
                    "class": attempt.failure.value,
                    "message": attempt.message,
                    "traceback": attempt.traceback,
                    "final": "no" if attempt.will_retry else "yes",
                },
            )
