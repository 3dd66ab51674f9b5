"""One attempt at one job on the slots bound for it: from the rendezvous to the true cause of a failure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cluster.classify import Fault, cause_of
from cluster.job import Failure, Gang, Job
from cluster.slot import Report

#: Seconds that the other ranks of a gang have to end by themselves once one failed; then they are killed.
GRACE = 1.0
#: Seconds in which a rank that is not frozen answers.
PATIENCE = 0.5


class Member(Protocol):
    """A slot, as a binding sees it. What it is asked is answered later, by a Report under the reference returned."""

    @property
    def name(self) -> str:
        """For people: which process on which machine."""
        ...

    @property
    def address(self) -> str: ...

    def host(self, world: int) -> Any: ...

    def run(self, target: str, payload: str, gang: Gang) -> Any: ...

    def pulse(self, patience: float) -> str | None:
        """The stack of its main thread, or None: it is frozen."""
        ...

    def kill(self) -> None: ...


class Binding:
    """Ranks 0, 1, ... are `members` in this order. `settle` and `enforce` drive it until nothing is pending."""

    def __init__(self, job: Job, number: int, members: Sequence[Member], hosted: bool, now: float) -> None:
        """
        Args:
            hosted: whether rank 0 has to give a rendezvous first.
            now: seconds, of a monotonic clock.
        """
        self.job = job
        self.number = number
        self.members = tuple(members)
        self.started = now
        self.deadline = now + job.deadline
        self._pending: dict[Any, int] = {}
        self._faults: list[tuple[int, Fault]] = []
        self._ended: set[int] = set()
        self._result = "null"
        self._grace_ends: float | None = None
        self._hosting = hosted and job.ranks > 1
        if self._hosting:
            self._pending[self.members[0].host(job.ranks)] = 0
        else:
            self._launch("")

    @property
    def pending(self) -> Mapping[Any, int]:
        """Reference -> rank, of those that have not answered."""
        return self._pending

    @property
    def fault(self) -> Fault | None:
        """Why the attempt failed, once nothing is pending; None: it succeeded."""
        return cause_of(self._faults, self.job.ranks) if self._faults else None

    @property
    def result(self) -> Any:
        return json.loads(self._result)

    @property
    def lost(self) -> frozenset[int]:
        """Ranks whose process is dead or must not be used again."""
        return frozenset(rank for rank, fault in self._faults if not fault.sound)

    @property
    def next_check(self) -> float:
        """When `enforce` has to be called at the latest."""
        return self.deadline if self._grace_ends is None else self._grace_ends

    def settle(self, reference: Any, report: Report, now: float) -> None:
        """A rank has answered, or its loss was reported."""
        rank = self._pending.pop(reference)
        if report.fault is not None:
            self._blame(rank, report.fault, now)
        elif self._hosting:
            self._hosting = False
            self._launch(json.loads(report.result))
        else:
            self._ended.add(rank)
            if rank == 0:
                self._result = report.result

    def enforce(self, now: float) -> None:
        """Kill what is past its time: the deadline of the job, or the grace after a failure."""
        if self._pending and self._grace_ends is not None and now >= self._grace_ends:
            for rank in tuple(self._pending.values()):
                echo = "blocked on another rank, killed after that one failed"
                self._kill(rank, Fault(failure=Failure.LOST, message=echo, traceback="", from_peer=True, sound=False))
        elif self._pending and self._grace_ends is None and now >= self.deadline:
            self._end_hang(now)

    def _launch(self, rendezvous: str) -> None:
        payload = json.dumps(dict(self.job.payload))
        for rank, member in enumerate(self.members):
            gang = Gang(rank, self.job.ranks, rendezvous)
            self._pending[member.run(self.job.target, payload, gang)] = rank

    def _end_hang(self, now: float) -> None:
        """Kill the rank that hangs and give its partners time to notice.

        Frozen ranks give no sign of life. If all give one, ranks that have not ended while others have are to
        blame; if none has ended, one cannot tell who waits for whom: the last goes first, the others follow unless
        its death sets them free.
        """
        stacks = {rank: self.members[rank].pulse(PATIENCE) for rank in self._pending.values()}
        frozen = [rank for rank, stack in stacks.items() if stack is None]
        guilty = frozen or (list(stacks) if self._ended else [max(stacks)])
        for rank in guilty:
            state = "frozen or busy in compiled code" if rank in frozen else "still running"
            message = f"no result within {self.job.deadline:g} s, {state}; {self.members[rank].name} was killed"
            trace = stacks[rank] or "no sign of life, so no stack\n"
            self._kill(rank, Fault(failure=Failure.HUNG, message=message, traceback=trace, sound=False))
        self._grace_ends = now + GRACE

    def _kill(self, rank: int, fault: Fault) -> None:
        self.members[rank].kill()
        self._pending = {reference: other for reference, other in self._pending.items() if other != rank}
        self._faults.append((rank, fault))

    def _blame(self, rank: int, fault: Fault, now: float) -> None:
        self._faults.append((rank, fault))
        if self._grace_ends is None:
            self._grace_ends = now + GRACE
