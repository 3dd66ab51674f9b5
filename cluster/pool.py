"""What a pool is: the interface that `RayPool` and its in-process twin `LocalPool` share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from cluster.job import Attempt, Job, Outcome


@dataclass(frozen=True, kw_only=True)
class Run:
    """Claimed: run it now."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Somebody else is at it: ask again later; other jobs go on meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """It has been done already: this is its result, and nothing runs."""

    result: Any


Claim = Run | Wait | Done


@dataclass(frozen=True, kw_only=True)
class Started:
    """An attempt begins."""

    job: Job
    number: int  #: from 1
    hosts: tuple[str, ...]  #: address per rank


#: What happens before a job's outcome: an attempt starts, or an attempt failed.
Event = Started | Attempt


def always(job: Job) -> Claim:
    """The claim of a run that shares its jobs with nobody."""
    return Run()


def ignore(event: Event) -> None:
    """For those who wait for outcomes only."""


class PoolError(RuntimeError):
    """No job can run at all: no slot became ready, or the cluster cannot be reached."""


class Pool(Protocol):
    """Runs jobs; a context manager, whose exit ends whatever still runs.

    `run` checks all jobs before any starts and raises `ImpossibleRequest` (capacity.py) or ValueError (ids that are
    twice there, unknown in `after`, or in a circle). It then yields exactly one outcome per job, as jobs end. `claim`
    is asked before each attempt, retries included; `on_event` is told of attempts. Both are called between the
    caller's own steps, in the caller's thread.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(
        self, jobs: Iterable[Job], claim: Callable[[Job], Claim] = always, on_event: Callable[[Event], None] = ignore
    ) -> Iterator[Outcome]: ...
