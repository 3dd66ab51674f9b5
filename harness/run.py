"""The driver of `harness run`: plan -> scheduler -> records -> leaderboard. It holds no state that the store does not."""

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
from cluster.ray_pool import RayPool
from harness.driver import Driver
from harness.failures import UserError
from harness.plan import Plan
from harness.planning import load_plan
from harness.progress import open_view
from harness.results import print_board, write_page
from harness.store import Store
from harness.todo import todo

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
    settings: Sequence[str],
    only: Sequence[str],
    seeds: str | None,
    retry_failed: bool,
    where: Where,
    as_json: bool,
) -> int:
    """Run what `suite` still needs, print the board, say where everything lies. Returns the exit code."""
    plan = load_plan(suite, settings=settings, only=only, seeds=seeds)
    opened = Store.open(store)
    opened.put_plan(plan)
    finished = opened.finished()
    work = todo(plan, str(opened.root), finished, () if retry_failed else opened.hopeless())
    driver = Driver(plan, work, opened)
    try:
        with _terminate_like_interrupt(), open_view(opened, as_json=as_json) as view:
            if work.tasks:
                with _pool(plan, where) as pool:
                    driver.drive(pool, view)
    except KeyboardInterrupt:
        print(f"\nharness: interrupted; finished cells are kept. To go on:\n  {_command()}", file=sys.stderr)
        return INTERRUPTED
    except (ImpossibleRequest, PoolError) as error:
        raise UserError(str(error)) from error
    if not as_json:
        print_board(plan, opened)
        print(f"\nstore   {store}\nreport  {write_page(plan, opened)}")
    return COMPLETE if driver.complete else INCOMPLETE


def _pool(plan: Plan, where: Where) -> Pool:
    size = SlotSize(
        cpus=max((cell.cpus_per_rank for cell in plan.cells), default=1.0),
        gpus=max((cell.gpus_per_rank for cell in plan.cells), default=0.0),
    )
    if where.local:
        return LocalPool(hooks=HOOKS)
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
