"""From a plan and a store to jobs: what is missing, what failed before, what runs after what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster import Failure, Job
from harness.identity import fingerprint
from harness.plan import Cell, Plan, Pretraining, cell_to_json


@dataclass(frozen=True)
class Task:
    """A job of the scheduler, and what it leaves in the store.

    Attributes:
        fingerprints: of the records it will write.
        lease: what it must hold, so that two runs on one store never do the same work at once.
    """

    job: Job
    cell: Cell
    kind: str  #: "pretraining" or "evaluation"
    fingerprints: tuple[str, ...]
    lease: str


@dataclass(frozen=True)
class Todo:
    """What a run has to do.

    Attributes:
        tasks: by job id, in the order of the plan.
        blocked: cells left out because they failed before; `--retry-failed` runs them.
        finished: cells that need nothing.
    """

    tasks: Mapping[str, Task] = field(default_factory=dict)
    blocked: tuple[Cell, ...] = ()
    finished: tuple[Cell, ...] = ()


def todo(plan: Plan, store: str, finished: frozenset[str], failed: Iterable[str]) -> Todo:
    """What `plan` still needs.

    Args:
        store: the folder that workers write to.
        finished: fingerprints that have an ok record.
        failed: fingerprints to leave alone: their last attempt failed for good.
    """
    tasks: dict[str, Task] = {}
    blocked, complete = [], []
    hopeless = frozenset(failed) - finished
    pretraining_jobs: dict[str, str] = {}
    for cell in plan.cells:
        wanted = {cell.evaluation_fingerprint(evaluation): evaluation for evaluation in cell.evaluations}
        missing = [name for name in wanted if name not in finished]
        if not missing:
            complete.append(cell)
            continue
        trained = cell.encoder if isinstance(cell.encoder, Pretraining) else None
        if all(name in hopeless for name in missing) or (trained and trained.fingerprint in hopeless):
            blocked.append(cell)
            continue
        after: frozenset[str] = frozenset()
        if trained and trained.fingerprint not in finished:
            if trained.fingerprint not in pretraining_jobs:
                task = _pretraining(plan, cell, trained, store)
                tasks[task.job.id] = task
                pretraining_jobs[trained.fingerprint] = task.job.id
            after = frozenset({pretraining_jobs[trained.fingerprint]})
        task = _evaluation(plan, cell, [name for name in missing if name not in hopeless], store, after)
        tasks[task.job.id] = task
    return Todo(tasks, tuple(blocked), tuple(complete))


def _pretraining(plan: Plan, cell: Cell, pretraining: Pretraining, store: str) -> Task:
    job = Job(
        id=f"pretrain {cell.id}",
        target="harness.cell:pretrain",
        payload={**_payload(plan, cell, store), "checkpoint_seconds": plan.settings["checkpoint_seconds"]},
        ranks=cell.ranks,
        deadline=plan.settings["pretrain_deadline"],
        retries=_retries(plan),
    )
    return Task(job, cell, "pretraining", (pretraining.fingerprint,), pretraining.fingerprint)


def _evaluation(plan: Plan, cell: Cell, missing: list[str], store: str, after: frozenset[str]) -> Task:
    job = Job(
        id=f"evaluate {cell.id}",
        target="harness.cell:evaluate",
        payload={**_payload(plan, cell, store), "fingerprints": missing},
        after=after,
        deadline=plan.settings["evaluate_deadline"],
        retries=_retries(plan),
    )
    judged = {"encoder": cell.encoder, "dataset": cell.dataset, "seed": cell.seed}
    return Task(job, cell, "evaluation", tuple(missing), fingerprint("judged", judged))


def _payload(plan: Plan, cell: Cell, store: str) -> dict[str, Any]:
    return {"store": store, "suite": plan.suite, "cell": cell_to_json(cell)}


def _retries(plan: Plan) -> dict[Failure, int]:
    return {Failure(name): allowed for name, allowed in plan.settings["retry"].items()}
