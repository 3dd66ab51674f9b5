"""Jobs and their outcomes: names and plain data only, so that they cross processes and machines unharmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Failure(StrEnum):
    """Why an attempt failed; each class has its own retry allowance."""

    LOST = "lost"  #: the process or its machine died
    OOM = "oom"  #: out of memory, on the host or on the device
    HUNG = "hung"  #: past its deadline; killed
    DIVERGED = "diverged"  #: the loss is not finite
    BAD_DATA = "bad_data"  #: the input cannot be used
    CODE = "code"  #: any other exception: a bug, never retried


class JobError(Exception):
    """Raised by a target to class its own failure; any other exception is classed by `classify`."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(failure, message)
        self.failure = failure
        self.message = message

    def __str__(self) -> str:
        return self.message


class Gang(NamedTuple):
    """The place of one rank among those that run a job together."""

    rank: int = 0
    world: int = 1
    rendezvous: str = ""  #: what rank 0's `host` hook returned; "" for a world of one


@dataclass(frozen=True, kw_only=True)
class Job:
    """One unit of work.

    Attributes:
        id: unique in a run, for people to read.
        target: "package.module:function", called as function(payload, gang) on every rank; rank 0's JSON counts.
        payload: JSON.
        ranks: processes that run it together.
        after: ids of jobs that must have succeeded before.
        deadline: seconds an attempt may take.
        retries: further attempts allowed per failure class.
    """

    id: str
    target: str
    payload: Mapping[str, Any]
    ranks: int = 1
    after: frozenset[str] = frozenset()
    deadline: float = 3600.0
    retries: Mapping[Failure, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One failed attempt."""

    job: Job
    number: int  #: from 1
    failure: Failure
    message: str  #: one line for people
    traceback: str  #: for the log; may be empty
    seconds: float
    will_retry: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a job: `result` if it succeeded, else its attempts tell why. Skipped: something in `after` failed."""

    job: Job
    status: str  #: "ok", "failed" or "skipped"
    result: Any = None
    attempts: tuple[Attempt, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SlotSize:
    """What one rank holds."""

    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Dotted names ("package.module:function") that make a slot ready; cluster/ itself knows nothing of learning.

    Attributes:
        warm: called once per process, with no arguments, before its first job.
        host: called on rank 0 of a gang of several as host(address, world); returns the rendezvous string.
        leave: called on every rank with no arguments after a job of several ranks, whether it succeeded or not.
    """

    warm: str = ""
    host: str = ""
    leave: str = ""
