"""Jobs on Ray: warm slots, and gangs of them bound for one job at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from cluster.agenda import Agenda
from cluster.binding import Binding
from cluster.capacity import check, slots_that_fit
from cluster.crew import Crew, RaySlot, report_from
from cluster.job import Hooks, Job, Outcome, SlotSize
from cluster.pool import Claim, Done, Event, Run, Started, always, ignore
from cluster.session import Session, ray

#: Seconds between looks at the clock while nothing happens.
LONGEST_WAIT = 1.0
#: Seconds between looks for new nodes while more slots could be busy.
GROWTH_INTERVAL = 10.0


class RayPool:
    """See `Pool`. Slots are started as jobs ask for them, and stay warm until the pool is left.

    Args:
        size: what one rank holds.
        slots: the most slots to use; None: as many as the cluster holds.
        hooks: make slots ready and let them form gangs.
        address: of a Ray cluster; None: a Ray of our own on this machine.
        session: an open session to use instead, which is left open.
    """

    def __init__(
        self,
        size: SlotSize,
        slots: int | None = None,
        hooks: Hooks | None = None,
        address: str | None = None,
        session: Session | None = None,
    ) -> None:
        self._size = size
        self._limit = slots
        self._hooks = hooks or Hooks()
        self._session = session or Session(address=address)
        self._owns_session = session is None
        self._crew: Crew | None = None
        self._bindings: list[tuple[Binding, list[RaySlot]]] = []
        self._capacity = 0
        self._next_growth = 0.0

    def __enter__(self) -> Self:
        if self._owns_session:
            self._session.__enter__()
        self._crew = Crew(self._size, self._hooks, self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._crew is not None:
                self._crew.close()
        finally:
            self._crew = None
            if self._owns_session:
                self._session.__exit__(kind, error, trace)

    def run(
        self, jobs: Iterable[Job], claim: Callable[[Job], Claim] = always, on_event: Callable[[Event], None] = ignore
    ) -> Iterator[Outcome]:
        if self._crew is None:
            raise RuntimeError("a RayPool runs jobs inside its with-block only")
        jobs = list(jobs)
        nodes = self._session.nodes()
        for job in jobs:
            check(job, self._size, nodes, self._limit)
        return self._outcomes(self._crew, Agenda(jobs), claim, on_event)

    def _outcomes(
        self, crew: Crew, agenda: Agenda, claim: Callable[[Job], Claim], on_event: Callable[[Event], None]
    ) -> Iterator[Outcome]:
        self._next_growth = 0.0
        try:
            ended = self._start_jobs(crew, agenda, claim, on_event)
            while ended or not agenda.done:
                yield from ended
                if agenda.done:
                    return
                self._grow(crew, agenda)
                self._wait(crew, agenda)
                ended = [
                    *self._end_attempts(crew, agenda, on_event),
                    *self._start_jobs(crew, agenda, claim, on_event),
                ]
        finally:
            self._bindings = []
            crew.drop_taken()

    def _start_jobs(
        self, crew: Crew, agenda: Agenda, claim: Callable[[Job], Claim], on_event: Callable[[Event], None]
    ) -> list[Outcome]:
        """Bind idle slots to jobs, as far as they go; the outcomes are of jobs that turned out to be done."""
        ended = []
        while (job := agenda.take(crew.idle, time.monotonic())) is not None:
            answer = claim(job)
            if isinstance(answer, Done):
                ended.append(agenda.succeed(job, answer.result, 0.0))
            elif isinstance(answer, Run):
                number = agenda.start(job)
                slots = crew.take(job.ranks)
                on_event(Started(job=job, number=number, hosts=tuple(slot.address for slot in slots)))
                binding = Binding(job, number, slots, hosted=bool(self._hooks.host), now=time.monotonic())
                self._bindings.append((binding, slots))
            else:
                agenda.defer(job, time.monotonic())
        return ended

    def _end_attempts(self, crew: Crew, agenda: Agenda, on_event: Callable[[Event], None]) -> list[Outcome]:
        """Take leave of attempts that are over: sound slots are idle again, the others are gone."""
        ended: list[Outcome] = []
        over = [entry for entry in self._bindings if not entry[0].pending]
        self._bindings = [entry for entry in self._bindings if entry[0].pending]
        for binding, slots in over:
            for rank, slot in enumerate(slots):
                (crew.drop if rank in binding.lost else crew.put_back)(slot)
            seconds, fault = time.monotonic() - binding.started, binding.fault
            if fault is None:
                ended.append(agenda.succeed(binding.job, binding.result, seconds))
                continue
            attempt, outcomes = agenda.fail(binding.job, fault.failure, fault.message, fault.traceback, seconds)
            on_event(attempt)
            ended.extend(outcomes)
        return ended

    def _grow(self, crew: Crew, agenda: Agenda) -> None:
        """As many slots as could be busy now, and no more than there is room for; nodes may join later."""
        now = time.monotonic()
        if agenda.demand > crew.size and (crew.size < self._capacity or now >= self._next_growth):
            if now >= self._next_growth:
                self._next_growth = now + GROWTH_INTERVAL
                fit = slots_that_fit(self._size, self._session.nodes())
                self._capacity = fit if self._limit is None else min(fit, self._limit)
            crew.grow(max(0, min(agenda.demand, self._capacity) - crew.size))

    def _wait(self, crew: Crew, agenda: Agenda) -> None:
        """Sleep until something happens or some time is up, and pass on what happened."""
        waiting: dict[Any, tuple[Binding, RaySlot] | None] = dict.fromkeys(crew.starting)
        for binding, slots in self._bindings:
            waiting.update({reference: (binding, slots[rank]) for reference, rank in binding.pending.items()})
        now = time.monotonic()
        times = [now + LONGEST_WAIT, *(binding.next_check for binding, _ in self._bindings)]
        if crew.idle and (wake := agenda.next_wake()) is not None:
            times.append(wake)
        pause = max(0.0, min(times) - now)
        if not waiting:
            time.sleep(pause)
            return
        ready = _answered(list(waiting), 1, pause)
        if ready:
            ready = _answered(list(waiting), len(waiting), 0.0)
        for reference in ready:
            entry = waiting[reference]
            if entry is None:
                crew.settle(reference)
            else:
                entry[0].settle(reference, report_from(reference, entry[1]), time.monotonic())
        now = time.monotonic()
        crew.enforce(now)
        for binding, _ in self._bindings:
            binding.enforce(now)


def _answered(references: list[Any], count: int, pause: float) -> list[Any]:
    """References that are ready, once `count` are or the pause is over."""
    try:
        ready: list[Any] = ray.wait(references, num_returns=count, timeout=pause)[0]
    except SystemError as error:  # Ray's way to pass on what a signal handler raised
        if error.__cause__ is None:
            raise
        raise error.__cause__ from None
    return ready
