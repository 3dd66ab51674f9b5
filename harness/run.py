"""`harness run`: plan -> scheduler -> records -> leaderboard. No state is held that the store does not have."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from cluster import Hooks, SlotSize
from cluster.capacity import ImpossibleRequest
from cluster.local import LocalPool
from cluster.pool import Pool, PoolError
from harness.console import print_board
from harness.datasets import DatasetError
from harness.datasets.cache import is_cached, open_dataset
from harness.driver import Driver
from harness.failures import UserError
from harness.live import choose_view
from harness.plan import DatasetChoice, Plan, plan_to_json
from harness.planning import plan_suite
from harness.report.mirror import Mirror, start_mirror
from harness.results import board_of, write_page
from harness.store import Store
from harness.todo import Todo, todo
from harness.watched import Watched

COMPLETE, INCOMPLETE, INTERRUPTED = 0, 1, 130
HOOKS = Hooks(warm="harness.engine:warm", host="harness.engine:host", leave="harness.engine:leave")


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where the jobs of a run go: this process, a Ray of our own, or a cluster that is up."""

    local: bool = False
    address: str | None = None
    slots: int | None = None


def run_suite(
    suite: str,
    *,
    store: Path,
    sets: Sequence[str],
    only: Sequence[str],
    seeds: str | None,
    retry_failed: bool,
    where: Where,
    json_lines: bool,
) -> int:
    """Run what `suite` still needs, print the board, say where everything lies. Returns the exit code."""
    plan = plan_suite(suite, sets=sets, seeds=seeds, only=only)
    opened = Store.open(store)
    work = todo(plan, opened, retry_failed=retry_failed)
    try:
        with _terminate_like_interrupt():
            _prepare(work, quiet=json_lines)
            _keep(plan, work, opened)
            with start_mirror(plan, opened, work=bool(work.tasks)) as mirror:
                _drive(plan, work, opened, where, json_lines)
                mirror.close()
                complete = _conclude(plan, work, opened, quiet=json_lines)
                _tell_of(mirror, quiet=json_lines)
    except KeyboardInterrupt:
        print(f"\nharness: interrupted; what is finished is kept. To go on:\n  {_command()}", file=sys.stderr)
        return INTERRUPTED
    except (ImpossibleRequest, PoolError) as error:
        raise UserError(str(error)) from error
    return COMPLETE if complete else INCOMPLETE


def _prepare(work: Todo, *, quiet: bool) -> None:
    """Write the datasets that this machine lacks, before anything starts: bad data is refused here.

    Raises:
        UserError: a dataset cannot be used.
    """
    for choice in _datasets(work):
        try:
            if not is_cached(choice) and not quiet:
                where = "".join(f" in {place}" for place in choice.location.values())
                print(f"preparing the dataset {choice.name}{where}", flush=True)
            open_dataset(choice)
        except DatasetError as error:
            raise UserError(str(error)) from error


def _datasets(work: Todo) -> Sequence[DatasetChoice]:
    """Every dataset that some task pretrains on or is judged on, once."""
    found: dict[str, DatasetChoice] = {}
    for task in work.tasks.values():
        start = task.cell.start
        for choice in (task.cell.dataset, *([start.dataset] if start else [])):
            found[choice.text] = choice
    return list(found.values())


def _keep(plan: Plan, work: Todo, store: Store) -> None:
    """The plan, for `status` and the mirror."""
    if work.tasks or not store.plan(plan.suite).exists():
        store.put_json(store.plan(plan.suite), plan_to_json(plan))


def _drive(plan: Plan, work: Todo, store: Store, where: Where, json_lines: bool) -> None:
    if not json_lines:
        jobs = f"{len(work.tasks)} job{'s' * (len(work.tasks) != 1)} to do" if work.tasks else "nothing to do"
        print(f"{plan.suite}: {len(plan.cells)} cells, {jobs}{'' if where.local or not work.tasks else '; Ray starts'}")
        sys.stdout.flush()
    if not work.tasks:
        return
    view = choose_view(store.root / "progress", sys.stdout, json_lines=json_lines)
    with _pool(plan, where) as pool, Watched(view) as watched:
        Driver(plan, work, store, watched).drive(pool)


def _conclude(plan: Plan, work: Todo, store: Store, *, quiet: bool) -> bool:
    """Show the board; returns whether every cell of the plan has its scores."""
    board = board_of(store, plan)
    page = store.root / "report.html"
    if work.tasks or not page.exists():
        write_page(store, plan, board)
    if not quiet:
        print_board(board)
        for cell in work.given_up:
            print(f"failed before, left alone: {cell.id} (harness logs {cell.id}; run again with --retry-failed)")
        print(f"store   {store.root}\nreport  {page}")
    finished = store.finished()
    return all(finished.issuperset(cell.wanted) for cell in plan.cells)


def _tell_of(mirror: Mirror, *, quiet: bool) -> None:
    """Where the runs of W&B are; or why not, in a line, since nothing depends on it."""
    place, trouble = mirror.conclude()
    if place and not quiet:
        print(place)
    if trouble:
        print(f"harness: {trouble}", file=sys.stderr)


def _pool(plan: Plan, where: Where) -> Pool:
    if where.local:
        return LocalPool(HOOKS)
    size = SlotSize(
        cpus=max(cell.cpus_per_rank for cell in plan.cells), gpus=max(cell.gpus_per_rank for cell in plan.cells)
    )
    from cluster.ray_pool import RayPool  # here, so that a finished suite and --local do without Ray

    return RayPool(size, where.slots, HOOKS, address=where.address)


@contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    """A cluster's SIGTERM ends a run as cleanly as a person's Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
