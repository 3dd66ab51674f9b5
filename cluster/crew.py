"""The slots of a run on Ray: started on demand, kept warm, bound near each other, replaced when dead."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cluster import pulse
from cluster.classify import loss_of
from cluster.job import Gang, Hooks, SlotSize
from cluster.pool import PoolError
from cluster.session import Session, ray
from cluster.slot import Place, Report, Slot

#: Seconds that the warm-up hook may take once a slot has its place.
WARM_UP = 300.0
#: Seconds after which people are told that slots wait for their share of the cluster.
LONG_WAIT = 30.0
#: Slots in a row that may die while they start.
STILLBIRTHS = 3


_log = logging.getLogger(__name__)


class RaySlot:
    """One actor, as `Binding` sees it."""

    def __init__(self, actor: Any, session: Session) -> None:
        self.place: Place | None = None
        self._actor = actor
        self._session = session

    @property
    def name(self) -> str:
        return f"process {self.place.pid} on {self.place.address}" if self.place else "a process not yet placed"

    @property
    def address(self) -> str:
        return self.place.address if self.place else ""

    @property
    def node(self) -> str:
        return self.place.node if self.place else ""

    def ask_place(self) -> Any:
        return self._actor.place.remote()

    def warm(self) -> Any:
        return self._actor.warm.remote()

    def host(self, world: int) -> Any:
        return self._actor.host.remote(self.address, world)

    def run(self, target: str, payload: str, gang: Gang) -> Any:
        return self._actor.run.remote(target, payload, gang)

    def pulse(self, patience: float) -> str | None:
        return pulse.ask(self.place.address, self.place.pulse, patience) if self.place else None

    def kill(self) -> None:
        ray.kill(self._actor)
        if self._session.own and self.place:  # Ray takes 5 s for a stopped process
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.place.pid, signal.SIGKILL)


class Crew:
    """All slots of one pool, each starting, idle or taken."""

    def __init__(self, size: SlotSize, hooks: Hooks, session: Session) -> None:
        options: dict[str, Any] = {"num_cpus": size.cpus, "num_gpus": size.gpus, "max_restarts": 0}
        if session.worker_environment:
            options["runtime_env"] = {"env_vars": dict(session.worker_environment)}
        self._actor = ray.remote(**options, max_task_retries=0)(Slot)
        self._hooks = hooks
        self._session = session
        self._starting: dict[Any, tuple[RaySlot, float | None]] = {}  #: reference -> slot, end of its warm-up
        self._idle: list[RaySlot] = []
        self._taken: list[RaySlot] = []
        self._stillbirths = 0
        self._waits_since: float | None = None

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def size(self) -> int:
        """Slots that are there or on their way."""
        return len(self._starting) + len(self._idle) + len(self._taken)

    @property
    def starting(self) -> Sequence[Any]:
        """References that become ready as slots do."""
        return list(self._starting)

    def grow(self, count: int) -> None:
        for _ in range(count):
            slot = RaySlot(self._actor.remote(self._hooks, self._session.umask), self._session)
            self._starting[slot.ask_place()] = (slot, None)

    def settle(self, reference: Any) -> None:
        """A slot that starts has come one step further, or died.

        Raises:
            PoolError: the warm-up hook raised, or slots keep dying while they start.
        """
        slot, _ = self._starting.pop(reference)
        try:
            answer = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._bury(slot, loss_of(error, slot.name).traceback)
            return
        if isinstance(answer, Place):
            slot.place = answer
            self._starting[slot.warm()] = (slot, time.monotonic() + WARM_UP)
        elif answer.fault is not None:
            slot.kill()
            raise PoolError(
                f"the warm-up {self._hooks.warm!r} failed: {answer.fault.message}\n{answer.fault.traceback}"
            )
        else:
            self._stillbirths = 0
            self._idle.append(slot)

    def enforce(self, now: float) -> None:
        """Give up slots whose warm-up hangs, and tell of a long wait for the first."""
        if not self._starting or self._idle or self._taken:
            self._waits_since = now
        elif self._waits_since is not None and now > self._waits_since + LONG_WAIT:
            self._waits_since = None
            _log.warning("still waiting for a slot: other programs may hold the cluster's CPUs or GPUs")
        for reference, (slot, end) in list(self._starting.items()):
            if end is not None and now > end:
                del self._starting[reference]
                slot.kill()
                self._bury(slot, f"its warm-up took more than {WARM_UP:g} s")

    def take(self, count: int) -> list[RaySlot]:
        """Bind idle slots: on the fullest node that has just enough of them, else on as few nodes as possible."""
        nodes: defaultdict[str, list[RaySlot]] = defaultdict(list)
        for slot in self._idle:
            nodes[slot.node].append(slot)
        enough = [slots for slots in nodes.values() if len(slots) >= count]
        if enough:
            chosen = min(enough, key=len)[:count]
        else:
            chosen = [slot for slots in sorted(nodes.values(), key=len, reverse=True) for slot in slots][:count]
        self._idle = [slot for slot in self._idle if slot not in chosen]
        self._taken.extend(chosen)
        return chosen

    def put_back(self, slot: RaySlot) -> None:
        self._taken.remove(slot)
        self._idle.insert(0, slot)

    def drop(self, slot: RaySlot) -> None:
        """A slot that was taken is dead, or must not be used again."""
        self._taken.remove(slot)
        slot.kill()

    def drop_taken(self) -> None:
        for slot in list(self._taken):
            self.drop(slot)

    def close(self) -> None:
        for slot in [*self._idle, *self._taken, *(slot for slot, _ in self._starting.values())]:
            slot.kill()
        self._idle, self._taken, self._starting = [], [], {}

    def _bury(self, slot: RaySlot, why: str) -> None:
        self._stillbirths += 1
        if self._stillbirths >= STILLBIRTHS:
            raise PoolError(f"{self._stillbirths} slots in a row died while they started; the last, {slot.name}: {why}")


def report_from(reference: Any, slot: RaySlot) -> Report:
    """What a rank answered, or what became of it."""
    try:
        report: Report = ray.get(reference)
    except ray.exceptions.RayError as error:
        return Report(fault=loss_of(error, slot.name))
    return report
