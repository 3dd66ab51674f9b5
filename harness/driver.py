"""Between the scheduler and the store: a lease before each job, a record of each failed attempt, an informed view."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cluster.job import Attempt, Job
from cluster.pool import Claim, Done, Event, Pool, Run, Wait
from harness import provenance
from harness.identity import canonical
from harness.lease import Holder, LeaseKeeper
from harness.plan import Plan
from harness.progress import View
from harness.record import Record
from harness.store import Store
from harness.todo import Todo


class Driver:
    """Drives the jobs of one run. All it knows beyond the store is which leases it holds, and who watches."""

    def __init__(self, plan: Plan, work: Todo, store: Store, view: View) -> None:
        self._plan = plan
        self._work = work
        self._store = store
        self._view = view

    def drive(self, pool: Pool) -> None:
        """Run every job to its outcome."""
        jobs = [task.job for task in self._work.tasks.values()]
        with LeaseKeeper(self._store.lease, Holder.here(run=self._plan.suite)) as leases:
            for outcome in pool.run(jobs, lambda job: self._claim(job, leases), self._watch):
                leases.release(self._work.tasks[outcome.job.id].lease)
                self._view.ended(outcome)

    def _claim(self, job: Job, leases: LeaseKeeper) -> Claim:
        """Hold the lease, and look once more: another run on this store may be at it, or have done it meanwhile."""
        task = self._work.tasks[job.id]
        if not leases.acquire(task.lease):
            return Wait()
        if self._store.finished().issuperset(task.fingerprints):
            return Done(result=None)
        return Run()

    def _watch(self, event: Event) -> None:
        if isinstance(event, Attempt):
            for record in self._failed(event):
                self._store.write(record)
        self._view.event(event)

    def _failed(self, attempt: Attempt) -> Iterator[Record]:
        """What a failed attempt leaves: one record for everything that it should have finished and did not."""
        task = self._work.tasks[attempt.job.id]
        finished = self._store.finished()
        identities = task.identities()
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
                dataset=task.cell.dataset.name,
                seed=task.cell.seed,
                control=task.cell.control,
                identity=canonical(identities[fingerprint]),
                started=(datetime.now(UTC) - timedelta(seconds=attempt.seconds)).isoformat(timespec="seconds"),
                seconds=attempt.seconds,
                hardware=provenance.hardware(),
                versions=provenance.versions(),
                git=provenance.git(),
                failure={
                    "class": attempt.failure.value,
                    "message": attempt.message,
                    "traceback": attempt.traceback,
                    "final": str(not attempt.will_retry).lower(),
                },
            )
