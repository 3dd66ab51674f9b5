"""From a plan and a store to jobs: what is missing, what failed before, what runs after what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cluster import Failure, Job
from harness.identity import fingerprint
from harness.plan import SUPERVISED, Cell, Plan, Pretraining, cell_to_json
from harness.record import Kind
from harness.store import Store


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job of the scheduler, and what it leaves in the store.

    Attributes:
        fingerprints: of the records that it will write.
        lease: what it must hold, so that two runs on one store never do the same work at once; its progress file
            bears the same name.
    """

    job: Job
    cell: Cell
    kind: Kind
    fingerprints: tuple[str, ...]
    lease: str

    @property
    def verb(self) -> Literal["pretrain", "evaluate"]:
        return "pretrain" if self.kind == "pretraining" else "evaluate"

    def identity(self, fingerprint: str) -> Any:
        """What stands behind one of its fingerprints."""
        if self.kind == "pretraining":
            return self.cell.encoder
        return self.cell.evaluation_identity(self.cell.wanted[fingerprint])


@dataclass(frozen=True, kw_only=True)
class Todo:
    """What a run has to do: tasks by job id, in the order of the plan; and the cells that it leaves alone."""

    tasks: Mapping[str, Task]
    given_up: tuple[Cell, ...]  #: failed for good before; `--retry-failed` runs them


def todo(plan: Plan, store: Store, *, retry_failed: bool) -> Todo:
    """What `plan` still needs of `store`. What several cells share, a pretraining or an evaluation, is done once."""
    finished = store.finished()
    hopeless = frozenset() if retry_failed else failed_for_good(store) - finished
    tasks: dict[str, Task] = {}
    given_up = []
    trained_by: dict[str, str] = {}  # pretraining fingerprint -> job id
    judged: set[str] = set()  # evaluation fingerprints that some task will write
    for cell in plan.cells:
        missing = [name for name in cell.wanted if name not in finished]
        open_ = [name for name in missing if name not in hopeless]
        encoder = cell.encoder if isinstance(cell.encoder, Pretraining) else None
        if not missing:
            continue
        if not open_ or (encoder and encoder.fingerprint in hopeless):
            given_up.append(cell)
            continue
        open_ = [name for name in open_ if name not in judged]
        if not open_:
            continue
        judged.update(open_)
        after: frozenset[str] = frozenset()
        if encoder and encoder.fingerprint not in finished:
            if encoder.fingerprint not in trained_by:
                task = _pretraining(plan, cell, encoder, store)
                tasks[task.job.id] = task
                trained_by[encoder.fingerprint] = task.job.id
            after = frozenset({trained_by[encoder.fingerprint]})
        task = _evaluation(plan, cell, tuple(open_), store, after)
        tasks[task.job.id] = task
    return Todo(tasks=tasks, given_up=tuple(given_up))


def failed_for_good(store: Store) -> frozenset[str]:
    """Fingerprints whose last attempt failed with no retry left. An attempt that a killed driver would have retried is
    not among them."""
    last: dict[str, tuple[int, bool]] = {}
    for record in store.read(name for name in store.record_names() if name.endswith(".failed.json")):
        final = record.failure is not None and record.failure.get("final") != "no"
        last[record.fingerprint] = max(last.get(record.fingerprint, (0, False)), (record.attempt, final))
    return frozenset(name for name, (_, final) in last.items() if final)


def _pretraining(plan: Plan, cell: Cell, encoder: Pretraining, store: Store) -> Task:
    job = Job(
        id=f"pretrain {cell.id}",
        target="harness.cell:pretrain",
        payload={**_payload(plan, cell, store), "checkpoint_seconds": plan.settings["checkpoint"]["seconds"]},
        ranks=cell.ranks,
        deadline=plan.settings["deadline"]["pretrain"],
        retries=_retries(plan),
    )
    name = encoder.fingerprint
    return Task(job=job, cell=cell, kind="pretraining", fingerprints=(name,), lease=name)


def _evaluation(plan: Plan, cell: Cell, missing: tuple[str, ...], store: Store, after: Iterable[str]) -> Task:
    lease = _lease(cell)
    job = Job(
        id=f"evaluate {cell.id}",
        target="harness.cell:evaluate",
        payload={**_payload(plan, cell, store), "fingerprints": list(missing), "lease": lease},
        after=frozenset(after),
        deadline=plan.settings["deadline"]["evaluate"],
        retries=_retries(plan),
    )
    return Task(job=job, cell=cell, kind="evaluation", fingerprints=missing, lease=lease)


def _lease(cell: Cell) -> str:
    """Names the evaluations of one encoder."""
    work: dict[str, Any] = {
        "encoder": cell.encoder,
        "dataset": cell.dataset,
        "seed": cell.seed,
        "control": cell.control,
    }
    if cell.control == SUPERVISED:  # one untrained state, trained on labels at the budgets of several pretrainings
        work["budgets"] = sorted(cell.wanted)
    return fingerprint("evaluations", work)


def _payload(plan: Plan, cell: Cell, store: Store) -> dict[str, Any]:
    return {"store": str(store.root.resolve()), "suite": plan.suite, "cell": cell_to_json(cell)}


def _retries(plan: Plan) -> dict[Failure, int]:
    return {Failure(name): allowed for name, allowed in plan.settings["retry"].items()}
