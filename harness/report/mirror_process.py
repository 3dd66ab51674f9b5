"""The process that mirrors one suite from the store to W&B: `python -m harness.report.mirror_process STORE SUITE MODE`.

It reads the records as they appear, until its standard input ends, which is when its driver says so or dies; then it
catches up with what is left, and ends. On SIGTERM it ends after the run at hand. Its one line of standard output is
an `Outcome`; whatever W&B prints goes where standard error goes. It uses time that nobody else wants (nice).

All that it knows lies in the store: a process that is killed at any moment leaves runs that are whole and a ledger
that names them, and the next one goes on from there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from harness.lease import Holder, LeaseKeeper
from harness.plan import Cell, Plan, plan_from_json
from harness.report.mirrored import SUMMARY, Entry, Ledger, Names, due, project_of, state_of, summary_state
from harness.report.wandb_files import HalfWrittenError, NotWrittenError, OfflineRuns
from harness.report.wandb_push import NotPushedError, push
from harness.report.wandb_runs import Content, cell_run
from harness.store import Store

#: Seconds between two looks at the store, and between two pushes where the mode is online.
LOOK_EVERY, PUSH_EVERY = 1.0, 15.0
#: Seconds after which W&B counts as hanging: in its import, and in one run.
IMPORT_PATIENCE, RUN_PATIENCE = 60.0, 30.0
#: Seconds that another mirror of this suite is waited for, once nothing more is to come.
LEASE_PATIENCE = 30.0
#: Runs in a row that W&B fails to write before it is left alone: the cause is not in a run.
ENOUGH = 3


@dataclass(kw_only=True)
class Outcome:
    """What came of it: runs mirrored by this process, runs still due, and what went wrong, in one line."""

    mirrored: int = 0
    left: int = 0
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the driver says: that no more records will come; and that the time is up."""

    closed: threading.Event
    stop: threading.Event

    def listen(self) -> None:
        """Wait for the end of standard input."""
        while os.read(0, 4096):
            pass
        self.closed.set()

    def end(self) -> None:
        self.stop.set()
        self.closed.set()


class Watchdog:
    """Ends the process, after a last word, when W&B hangs: nothing else can end a call that does not come back."""

    def __init__(self, outcome: Outcome, report: int) -> None:
        self._outcome, self._report = outcome, report

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._end, args=(seconds,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self, seconds: float) -> None:
        self._outcome.problem = f"W&B did not answer within {seconds:.0f} s"
        say(self._outcome, self._report)
        leave()


class Mirror:
    """One suite's mirroring."""

    def __init__(self, plan: Plan, store: Store, outcome: Outcome, watchdog: Watchdog) -> None:
        self._plan, self._store, self._outcome, self._watchdog = plan, store, outcome, watchdog
        self._project = project_of(plan)
        self._ledger = Ledger(store, plan.suite)
        self._entries = self._ledger.entries()
        self._runs = OfflineRuns(store, plan.suite)
        self._ready = False
        self._failed: dict[str, str] = {}  # cells that could not be mirrored, and the state in which they were
        self._in_a_row = 0

    def due(self) -> list[Cell]:
        return due(self._plan, Names(self._store), self._entries)

    def mirror(self, cells: list[Cell], stop: threading.Event) -> None:
        """Mirror these cells, one after the other.

        Raises:
            ImportError, OSError: W&B or the store cannot be used; there is no sense in going on.
            NotWrittenError: W&B fails again and again.
        """
        names = Names(self._store)
        for cell in cells:
            if stop.is_set():
                return
            records = names.of(cell)
            state = state_of(self._project, records)
            if self._failed.get(cell.id) == state:
                continue
            try:
                self._put(cell.id, state, cell_run(self._plan, cell, list(self._store.read(records)), self._store))
            except HalfWrittenError:
                raise
            except (NotWrittenError, LookupError, TypeError, ValueError) as error:
                self._failed[cell.id] = state
                self._outcome.problem = f"{cell.id}: {error}"
                self._in_a_row += 1
                if self._in_a_row >= ENOUGH:
                    raise NotWrittenError(self._outcome.problem) from error

    def summarise(self) -> None:
        """Mirror the summary, if it is not that of what is mirrored."""
        known, state = self._entries.get(SUMMARY), summary_state(self._entries, self._plan)
        if not self._entries or (known and known.state == state):
            return
        from harness.report.wandb_summary import summary_run  # here: Polars takes its time

        self._put(SUMMARY, state, summary_run(self._plan, self._store))

    def close(self) -> None:
        if self._ready:
            self._runs.clear()

    def _put(self, cell: str, state: str, content: Content) -> None:
        if not self._ready:
            with self._watchdog.within(IMPORT_PATIENCE):
                self._runs.prepare()
            self._ready = True
        with self._watchdog.within(RUN_PATIENCE):
            folder = self._runs.write(content, self._project)
        entry = Entry(cell=cell, run=content.id, folder=folder, state=state)
        self._ledger.note(entry)
        self._entries[cell] = entry
        self._outcome.mirrored += 1
        self._in_a_row = 0


class Online:
    """Pushes what is mirrored, where the mode is online; after the first failure the mirror is an offline one."""

    def __init__(self, store: Store, plan: Plan, outcome: Outcome, *, wanted: bool) -> None:
        self._store, self._plan, self._outcome, self._wanted = store, plan, outcome, wanted
        self._next = 0.0

    def push(self, stop: threading.Event, *, now: bool = False) -> None:
        if not self._wanted or (time.monotonic() < self._next and not now):
            return
        try:
            push(self._store, [self._plan.suite], project=None, stop=stop)
        except NotPushedError as error:
            self._wanted = False
            self._outcome.problem = f"kept offline: {error}"
        self._next = time.monotonic() + PUSH_EVERY


def follow(mirror: Mirror, online: Online, told: Told) -> None:
    """Mirror what is due, again and again, until nothing more is to come and nothing is left."""
    while not told.stop.is_set():
        last, began = told.closed.is_set(), time.monotonic()
        cells = mirror.due()
        looked = time.monotonic() - began
        mirror.mirror(cells, told.stop)
        if last:
            break
        online.push(told.stop)
        told.closed.wait(max(LOOK_EVERY, 20 * looked))  # of 10,000 cells a look takes a tenth of a second
    if not told.stop.is_set():
        mirror.summarise()
    if not told.stop.is_set():
        online.push(told.stop, now=True)


def say(outcome: Outcome, report: int) -> None:
    with os.fdopen(report, "w", closefd=False) as out:
        json.dump(asdict(outcome), out)
        out.write("\n")


def run(plan: Plan, store: Store, mode: str, outcome: Outcome, watchdog: Watchdog, told: Told) -> None:
    """Mirror a suite; every failure becomes the outcome's problem."""
    try:
        with LeaseKeeper(store.lease, Holder.here(run=f"W&B mirror of {plan.suite}")) as leases:
            if not _acquired(leases, f"wandb-{plan.suite}", told):
                outcome.problem = "another process mirrors this suite"
                return
            mirror = Mirror(plan, store, outcome, watchdog)
            try:
                follow(mirror, Online(store, plan, outcome, wanted=mode == "online"), told)
                mirror.close()
            finally:
                outcome.left = len(mirror.due())
    except Exception as error:  # W&B is never a condition of success, so none of its failures is one of ours
        outcome.problem = _explained(error)


def _acquired(leases: LeaseKeeper, name: str, told: Told) -> bool:
    """Wait for the lease while records are still to come, and a little longer."""
    while not leases.acquire(name):
        if told.closed.is_set():
            end = time.monotonic() + LEASE_PATIENCE
            while not leases.acquire(name):
                if told.stop.wait(0.2) or time.monotonic() > end:
                    return False
            return True
        told.closed.wait(0.5)
    return True


def _explained(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"W&B cannot be imported ({error})"
    text = str(error).splitlines()
    return text[0] if isinstance(error, (NotWrittenError, OSError)) and text else f"{type(error).__name__}: {error}"


def leave() -> NoReturn:
    """End, and with this process the helper that W&B has started, at once: W&B's own farewell could hang, and what is
    mirrored is on disk."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def main() -> None:
    root, suite, mode = sys.argv[1:4]
    told = Told(closed=threading.Event(), stop=threading.Event())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which tells us
    signal.signal(signal.SIGTERM, lambda number, frame: told.end())
    os.nice(10)
    report = os.dup(1)
    os.dup2(2, 1)
    threading.Thread(target=told.listen, name="driver", daemon=True).start()
    store, outcome = Store(Path(root)), Outcome()
    try:
        plan = plan_from_json(store.get_json(store.plan(suite)) or {})
        run(plan, store, mode, outcome, Watchdog(outcome, report), told)
    except ValueError as error:
        outcome.problem = str(error)
    say(outcome, report)
    leave()


if __name__ == "__main__":
    main()
