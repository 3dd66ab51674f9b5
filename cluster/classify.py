"""From exceptions to failure classes. Vendors' exceptions are known by name, so that none has to be imported."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterable
from dataclasses import dataclass

from cluster.job import Failure, JobError

LONGEST_MESSAGE = 300

#: What an allocator says when it raises a plain RuntimeError.
_OUT_OF_MEMORY = ("DefaultCPUAllocator", "CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
#: What communication libraries say on a healthy rank whose partner is gone.
_PEER_GONE = (
    "gloo/",
    "NCCL",
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "recvValue failed",
    "Socket Timeout",
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What went wrong on one rank.

    Attributes:
        message: one line for people.
        traceback: for the log.
        from_peer: it looks like the echo of another rank's failure.
        sound: the process may serve on.
    """

    failure: Failure
    message: str
    traceback: str
    from_peer: bool = False
    sound: bool = True


def fault_of(error: BaseException) -> Fault:
    """Class an exception that a target raised, in the process that ran it."""
    failure = _failure_of(error)
    return Fault(
        failure=failure,
        message=one_line(error),
        traceback="".join(traceback.format_exception(error)),
        from_peer=failure is Failure.CODE and _is_from_peer(error),
        sound=failure is not Failure.OOM,
    )


def loss_of(error: BaseException, who: str) -> Fault:
    """Class what Ray says of a slot that did not answer; `who` names the process."""
    if "OutOfMemoryError" in _names(error):
        failure, message = Failure.OOM, f"{who} was killed because the machine ran out of memory"
    elif "RayTaskError" in _names(error):
        failure, message = Failure.CODE, f"{who} could not take the job: {one_line(error)}"
    else:
        failure, message = Failure.LOST, f"{who} died: its process or its machine is gone"
    return Fault(failure=failure, message=message, traceback=f"{type(error).__name__}: {error}", sound=False)


def cause_of(faults: Iterable[tuple[int, Fault]], world: int) -> Fault:
    """The true cause among the faults of a gang, given as (rank, fault) in the order of their arrival.

    A survivor's communication error never masks the rank that died, hung, or raised first. Where every rank blames
    its peers, they lost each other: that is LOST.
    """
    known = list(faults)
    rank, fault = next(((rank, fault) for rank, fault in known if not fault.from_peer), known[0])
    if world == 1:
        return fault
    failure = Failure.LOST if fault.from_peer else fault.failure
    message = f"the ranks lost each other: {fault.message}" if fault.from_peer else f"rank {rank}: {fault.message}"
    traces = [f"rank {other}:\n{known_fault.traceback}" for other, known_fault in known if known_fault.traceback]
    return Fault(failure=failure, message=message, traceback="\n".join(traces))


def one_line(error: BaseException) -> str:
    """An exception in one line: its type, unless it is ours, and the first line of what it says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else ""
    if not isinstance(error, JobError):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return said if len(said) <= LONGEST_MESSAGE else said[: LONGEST_MESSAGE - 3] + "..."


def _failure_of(error: BaseException) -> Failure:
    if isinstance(error, JobError):
        return error.failure
    cause: BaseException | None = error
    while cause is not None:
        if _is_out_of_memory(cause):
            return Failure.OOM
        cause = cause.__cause__
    return Failure.CODE


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or "OutOfMemoryError" in _names(error):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in _OUT_OF_MEMORY)


def _is_from_peer(error: BaseException) -> bool:
    if isinstance(error, ConnectionError) or type(error).__module__.startswith("torch.distributed"):
        return True
    if {"DistError", "DistBackendError", "DistNetworkError", "DistStoreError"} & _names(error):
        return True
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in _PEER_GONE)


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
