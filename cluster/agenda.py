"""Which job next: dependencies, widths, retries. Pure: no clock, no process, no Ray."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from typing import Any

from cluster.job import Attempt, Failure, Job, Outcome

#: Seconds until a job that another run holds is asked for again: first and longest pause.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Agenda:
    """The jobs of one run. Each job taken must be started, deferred or ended before its slots count as free again.

    Order: the widest ready job first, then as given, so that what waits for a job can be placed right behind it. While
    the widest waits for slots, a narrower one may overtake it only if the wide one can still start as soon as some job
    ends that began before the overtaking: so slots do not stand idle without need, and wide jobs are not starved. A job
    that ran out of memory is tried again when nothing else is ready or runs, and alone. Retries go behind their equals.

    Raises:
        ValueError: two jobs of one id, an unknown id in `after`, or a circle of dependencies.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs: dict[str, Job] = {}
        for job in jobs:
            if job.id in self._jobs:
                raise ValueError(f"two jobs are called {job.id!r}: ids must be unique in a run")
            self._jobs[job.id] = job
        self._missing = {job.id: set(job.after) for job in self._jobs.values()}
        self._dependants: defaultdict[str, list[str]] = defaultdict(list)
        for job in self._jobs.values():
            for before in job.after:
                if before not in self._jobs:
                    raise ValueError(f"job {job.id!r} comes after {before!r}, which is not in this run")
                self._dependants[before].append(job.id)
        self._refuse_circles()
        self._order = {name: place for place, name in enumerate(self._jobs)}
        self._ready: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)  # heaps by width
        self._alone: deque[Job] = deque()
        self._deferred: list[tuple[float, int, Job]] = []
        self._pauses: dict[str, float] = {}
        self._deferrals = 0
        self._running: dict[str, Job] = {}
        self._overtakers: set[str] = set()
        self._attempts: defaultdict[str, list[Attempt]] = defaultdict(list)
        self._open = set(self._jobs)
        for job in self._jobs.values():
            if not job.after:
                self._queue(job)

    @property
    def done(self) -> bool:
        """Whether every job has had its outcome."""
        return not self._open

    @property
    def demand(self) -> int:
        """Slots that could be busy now, had we any number: ranks of ready and running jobs."""
        ready = sum(width * len(queue) for width, queue in self._ready.items())
        busy = sum(job.ranks for job in self._running.values())
        return max(ready + busy, max((job.ranks for job in self._alone), default=0))

    def next_wake(self) -> float | None:
        """When the first deferred job may be asked for again."""
        return self._deferred[0][0] if self._deferred else None

    def take(self, idle: int, now: float) -> Job | None:
        """The job that should start on `idle` free slots, or None: wait for one of those that run."""
        while self._deferred and self._deferred[0][0] <= now:
            self._queue(heapq.heappop(self._deferred)[2])
        if any(self._is_solo(job) for job in self._running.values()):
            return None
        widths = sorted((width for width, queue in self._ready.items() if queue), reverse=True)
        if not widths:
            free = self._alone and not self._running and idle >= self._alone[0].ranks
            return self._alone.popleft() if free else None
        widest = widths[0]
        if idle >= widest:
            return self._pop(widest)
        anchors = [job.ranks for job in self._running.values() if job.id not in self._overtakers]
        spare = min(idle, idle + max(anchors, default=0) - widest)
        for width in widths[1:]:
            if width <= spare:
                return self._pop(width)
        return None

    def start(self, job: Job) -> int:
        """The job taken runs now; returns the number of its attempt, from 1."""
        if any(queue and width > job.ranks for width, queue in self._ready.items()):
            self._overtakers.add(job.id)
        else:
            self._overtakers.clear()
        self._running[job.id] = job
        self._pauses.pop(job.id, None)
        return len(self._attempts[job.id]) + 1

    def defer(self, job: Job, now: float) -> None:
        """The job taken cannot be had now; it comes back after a pause that doubles each time."""
        pause = self._pauses.get(job.id, FIRST_PAUSE)
        self._pauses[job.id] = min(2 * pause, LONGEST_PAUSE)
        self._deferrals += 1
        heapq.heappush(self._deferred, (now + pause, self._deferrals, job))

    def succeed(self, job: Job, result: Any, seconds: float) -> Outcome:
        """The job taken or running has its result; those that waited for it may become ready."""
        self._close(job)
        for name in self._dependants[job.id]:
            self._missing[name].discard(job.id)
            if not self._missing[name] and name in self._open:
                self._queue(self._jobs[name])
        attempts = tuple(self._attempts.pop(job.id, ()))
        return Outcome(job=job, status="ok", result=result, attempts=attempts, seconds=seconds)

    def fail(
        self, job: Job, failure: Failure, message: str, traceback: str, seconds: float
    ) -> tuple[Attempt, list[Outcome]]:
        """The running attempt failed. If no retry is left: the outcomes of the job and of all that waited for it."""
        past = self._attempts[job.id]
        spent = Counter(attempt.failure for attempt in past)[failure]
        again = failure is not Failure.CODE and spent < job.retries.get(failure, 0)
        attempt = Attempt(
            job=job,
            number=len(past) + 1,
            failure=failure,
            message=message,
            traceback=traceback,
            seconds=seconds,
            will_retry=again,
        )
        past.append(attempt)
        if again:
            self._running.pop(job.id)
            self._overtakers.discard(job.id)
            self._queue(job)
            return attempt, []
        self._close(job)
        attempts = tuple(self._attempts.pop(job.id))
        outcome = Outcome(job=job, status="failed", attempts=attempts, seconds=seconds)
        return attempt, [outcome, *self._skip_dependants(job)]

    def _queue(self, job: Job) -> None:
        if self._is_solo(job):
            self._alone.append(job)
            return
        retries = len(self._attempts.get(job.id, ()))
        heapq.heappush(self._ready[job.ranks], (self._order[job.id] + retries * len(self._jobs), job.id))

    def _pop(self, width: int) -> Job:
        return self._jobs[heapq.heappop(self._ready[width])[1]]

    def _is_solo(self, job: Job) -> bool:
        return any(attempt.failure is Failure.OOM for attempt in self._attempts.get(job.id, ()))

    def _close(self, job: Job) -> None:
        self._running.pop(job.id, None)
        self._overtakers.discard(job.id)
        self._open.remove(job.id)

    def _skip_dependants(self, job: Job) -> list[Outcome]:
        skipped = []
        names = deque(self._dependants[job.id])
        while names:
            name = names.popleft()
            if name in self._open:
                self._open.remove(name)
                skipped.append(Outcome(job=self._jobs[name], status="skipped"))
                names.extend(self._dependants[name])
        return skipped

    def _refuse_circles(self) -> None:
        missing = {name: len(before) for name, before in self._missing.items()}
        free = deque(name for name, count in missing.items() if not count)
        while free:
            name = free.popleft()
            del missing[name]
            for dependant in self._dependants[name]:
                missing[dependant] -= 1
                if not missing[dependant]:
                    free.append(dependant)
        if missing:
            raise ValueError(f"these jobs wait for each other in a circle: {', '.join(sorted(missing))}")
