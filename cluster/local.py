"""Jobs in this process, one after the other: no Ray, so that a debugger works and the overhead can be measured."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from cluster.agenda import Agenda
from cluster.capacity import ImpossibleRequest
from cluster.classify import Fault
from cluster.job import Failure, Gang, Hooks, Job, Outcome
from cluster.pool import Claim, Done, Event, PoolError, Run, Started, always, ignore
from cluster.slot import Report, Slot


class LocalPool:
    """See `Pool`. Same agenda, same classification, same outcomes as `RayPool`, for jobs of one rank.

    A deadline interrupts Python code in the main thread by a signal. It cannot interrupt compiled code before that
    returns, does nothing in other threads and where there is no SIGALRM, and spares whoever sits in a debugger. A
    job that kills its process takes this one with it.
    """

    def __init__(self, hooks: Hooks | None = None) -> None:
        self._hooks = hooks or Hooks()
        self._slot: Slot | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._slot = None

    def run(
        self, jobs: Iterable[Job], claim: Callable[[Job], Claim] = always, on_event: Callable[[Event], None] = ignore
    ) -> Iterator[Outcome]:
        jobs = list(jobs)
        for job in jobs:
            if job.ranks > 1:
                raise ImpossibleRequest(f"{job.id} asks for {job.ranks} ranks; --local runs one rank: leave it out")
        return self._outcomes(Agenda(jobs), claim, on_event)

    def _outcomes(
        self, agenda: Agenda, claim: Callable[[Job], Claim], on_event: Callable[[Event], None]
    ) -> Iterator[Outcome]:
        while not agenda.done:
            job = agenda.take(1, time.monotonic())
            if job is None:
                wake = agenda.next_wake()
                time.sleep(max(0.0, wake - time.monotonic()) if wake is not None else 0.0)
                continue
            answer = claim(job)
            if isinstance(answer, Done):
                yield agenda.succeed(job, answer.result, 0.0)
            elif isinstance(answer, Run):
                yield from self._attempt(agenda, job, on_event)
            else:
                agenda.defer(job, time.monotonic())

    def _attempt(self, agenda: Agenda, job: Job, on_event: Callable[[Event], None]) -> list[Outcome]:
        slot = self._ready_slot()
        on_event(Started(job=job, number=agenda.start(job), hosts=("localhost",)))
        started = time.monotonic()
        report = _within(job, lambda: slot.run(job.target, json.dumps(dict(job.payload)), Gang()))
        seconds = time.monotonic() - started
        if report.fault is None:
            return [agenda.succeed(job, json.loads(report.result), seconds)]
        fault = report.fault
        attempt, outcomes = agenda.fail(job, fault.failure, fault.message, fault.traceback, seconds)
        on_event(attempt)
        return outcomes

    def _ready_slot(self) -> Slot:
        if self._slot is None:
            slot = Slot(self._hooks)
            fault = slot.warm().fault
            if fault is not None:
                raise PoolError(f"the warm-up {self._hooks.warm!r} failed: {fault.message}\n{fault.traceback}")
            self._slot = slot
        return self._slot


class _Late(BaseException):
    """Not an Exception, so that no target catches it by accident."""


def _within(job: Job, call: Callable[[], Report]) -> Report:
    """What the job answers within its deadline; LocalPool tells what this cannot do."""
    try:
        with _alarm(job.deadline):
            return call()
    except _Late as late:
        import traceback

        trace = "".join(traceback.format_exception(late))
        message = f"no result within {job.deadline:g} s, still running; interrupted"
        return Report(fault=Fault(failure=Failure.HUNG, message=message, traceback=trace))


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> Any:
        if sys.gettrace() is None:
            raise _Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
