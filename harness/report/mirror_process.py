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
from harness.plan import Plan, plan_from_json
from harness.report.mirroring import Mirror, Outcome
from harness.report.wandb_files import NotWrittenError
from harness.report.wandb_push import NotPushedError, push
from harness.store import Store

#: Seconds between two looks at the store, and between two pushes where the mode is online.
LOOK_EVERY, PUSH_EVERY = 1.0, 15.0
#: Seconds that another mirror of this suite is waited for, once nothing more is to come.
LEASE_PATIENCE = 30.0


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
            mirror = Mirror(plan, store, outcome, watchdog.within)
            acquired = _acquired(leases, mirror, told)
            if acquired is False:
                outcome.problem = "another process mirrors this suite"
            if not acquired:
                return
            try:
                follow(mirror, Online(store, plan, outcome, wanted=mode == "online"), told)
                mirror.close()
            finally:
                outcome.left = len(mirror.due())
    except Exception as error:  # W&B is never a condition of success, so none of its failures is one of ours
        outcome.problem = _explained(error)


def _acquired(leases: LeaseKeeper, mirror: Mirror, told: Told) -> bool | None:
    """Wait for the lease while records are still to come, and a little longer. None: it is not needed any more,
    because the process that has it has mirrored all of ours, too."""
    end: float | None = None
    while not leases.acquire(f"wandb-{mirror.suite}"):
        if told.closed.is_set():
            end = end or time.monotonic() + LEASE_PATIENCE
            mirror.read_ledger()
            if not mirror.due():
                return None
            if told.stop.wait(0.5) or time.monotonic() > end:
                return False
        told.closed.wait(0.5)
    mirror.read_ledger()
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
    except Exception as error:  # a plan that this version cannot read
        outcome.problem = _explained(error)
    say(outcome, report)
    leave()


if __name__ == "__main__":
    main()
