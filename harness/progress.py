"""How far a run is: what the driver reports, what workers write to their progress files, and the time that is left.

Plain state, no drawing; `live.py` shows it. One thread: the driver's loop calls everything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

EventKind = Literal["queued", "started", "finished", "failed", "retried", "skipped"]

#: What ends a job, in the order in which summaries name them.
ENDS: tuple[EventKind, ...] = ("finished", "failed", "skipped")


@dataclass(frozen=True, kw_only=True)
class Event:
    """What the driver reports of one job.

    Attributes:
        job: the cell that it works for, such as "sdae/rectangles/0".
        stage: what is done there, such as "pretrain" or "evaluate"; once per cell. Jobs of one stage are alike in cost.
        fingerprint: names the progress file; "" where there is none.
        attempt: from 1.
        seconds: how long the attempt or the job took, where it ended.
        message: one line, why it failed or was skipped.
    """

    kind: EventKind
    job: str
    stage: str
    fingerprint: str = ""
    attempt: int = 1
    seconds: float = 0.0
    message: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Unique in the run."""
        return self.job, self.stage


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a worker last wrote of itself; None where it wrote nothing of the kind."""

    cell: str = ""
    phase: str = ""
    step: float | None = None
    steps: float | None = None
    loss: float | None = None
    steps_per_second: float | None = None

    @property
    def fraction(self) -> float | None:
        """Part of the steps that is done."""
        if self.step is None or not self.steps or self.steps < 0:
            return None
        return min(1.0, max(0.0, self.step / self.steps))


def read_snapshots(folder: Path, fingerprints: Iterable[str]) -> dict[str, Snapshot]:
    """The progress files that can be read; torn, alien and missing ones are left out, never an error."""
    return {name: snapshot for name in fingerprints if (snapshot := _read(folder / f"{name}.json")) is not None}


def _read(path: Path) -> Snapshot | None:
    try:
        written = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(written, dict):
        return None
    return Snapshot(
        cell=_text(written, "cell"),
        phase=_text(written, "phase"),
        step=_finite(written, "step"),
        steps=_finite(written, "steps"),
        loss=_finite(written, "loss"),
        steps_per_second=_finite(written, "steps_per_second"),
    )


def _text(written: Mapping[str, Any], name: str) -> str:
    value = written.get(name)
    return value if isinstance(value, str) else ""


def _finite(written: Mapping[str, Any], name: str) -> float | None:
    value = written.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@dataclass
class Running:
    """A job at work."""

    event: Event
    since: float
    snapshot: Snapshot = field(default_factory=Snapshot)


class Progress:
    """The run so far. Times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, now: float) -> None:
        self.began = now
        self.running: dict[tuple[str, str], Running] = {}
        self.ended: dict[EventKind, int] = dict.fromkeys(ENDS, 0)
        self.retried = 0
        self._waiting: dict[tuple[str, str], Event] = {}
        self._durations: dict[tuple[str, str], list[float]] = {}
        self._busiest = 0

    @property
    def waiting(self) -> int:
        """Jobs that are queued, or queued again, and not at work."""
        return len(self._waiting)

    @property
    def total(self) -> int:
        return sum(self.ended.values()) + len(self.running) + len(self._waiting)

    def take(self, event: Event, now: float) -> None:
        """Note an event. The order of events does not matter for the count: each moves its job to where it says."""
        self._waiting.pop(event.key, None)
        self.running.pop(event.key, None)
        if event.kind == "started":
            self.running[event.key] = Running(event=event, since=now)
            self._busiest = max(self._busiest, len(self.running))
        elif event.kind in ENDS:
            self.ended[event.kind] += 1
            if event.kind == "finished":
                self._durations.setdefault(_likeness(event), []).append(event.seconds)
        else:
            self.retried += event.kind == "retried"
            self._waiting[event.key] = event

    def refresh(self, folder: Path) -> None:
        """Read the progress files of the jobs at work."""
        jobs = {job.event.fingerprint: job for job in self.running.values() if job.event.fingerprint}
        for fingerprint, snapshot in read_snapshots(folder, jobs).items():
            jobs[fingerprint].snapshot = snapshot

    def seconds_left(self, now: float) -> float | None:
        """An estimate, or None while nothing is known of some kind of job that is still to do.

        A job is expected to take as long as the finished ones of its stage and cell but for the seed; else of its
        stage; else as long as those at work will take if they go on as now. The sum is divided by the most jobs seen
        at work at once, and is never less than what the longest one at work still needs.
        """
        if not self.running and not self._waiting:
            return 0.0
        at_work, waiting = [], 0.0
        for job in self.running.values():
            whole = _whole(job, now) or self._expected(job.event, now)
            if whole is None:
                return None
            at_work.append(max(0.0, whole - (now - job.since)))
        for event in self._waiting.values():
            expected = self._expected(event, now)
            if expected is None:
                return None
            waiting += expected
        return max((sum(at_work) + waiting) / max(1, self._busiest), max(at_work, default=0.0))

    def _expected(self, event: Event, now: float) -> float | None:
        """Seconds that a whole job like this one takes."""
        alike = self._durations.get(_likeness(event))
        if not alike:
            alike = [seconds for key, values in self._durations.items() if key[0] == event.stage for seconds in values]
        if not alike:
            alike = list(self._extrapolated(event.stage, now))
        return fmean(alike) if alike else None

    def _extrapolated(self, stage: str, now: float) -> Iterator[float]:
        for job in self.running.values():
            if job.event.stage == stage and (seconds := _whole(job, now)):
                yield seconds


def _whole(job: Running, now: float) -> float:
    """Seconds that a job at work takes in all, from its steps so far; 0 while too few are done to tell."""
    fraction = job.snapshot.fraction
    return (now - job.since) / fraction if fraction is not None and fraction >= 0.02 else 0.0


def _likeness(event: Event) -> tuple[str, str]:
    return event.stage, event.job.rpartition("/")[0]
