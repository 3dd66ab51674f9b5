from __future__ import annotations

import errno

import pytest

from cluster import Failure, JobError
from cluster.classify import Fault, cause_of, fault_of, loss_of, one_line


class OutOfMemoryError(RuntimeError):
    """As torch and Ray call theirs."""


class ActorDiedError(Exception):
    pass


def fault(failure: Failure, message: str, from_peer: bool = False) -> Fault:
    return Fault(failure=failure, message=message, traceback="", from_peer=from_peer)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("x"), Failure.CODE),
        (MemoryError(), Failure.OOM),
        (OutOfMemoryError("CUDA"), Failure.OOM),
        (OSError(errno.ENOMEM, "no memory"), Failure.OOM),
        (OSError(errno.ENOENT, "no file"), Failure.CODE),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), Failure.OOM),
        (JobError(Failure.DIVERGED, "nan"), Failure.DIVERGED),
        (SystemExit(3), Failure.CODE),
    ],
)
def test_exceptions_of_a_target(error: BaseException, failure: Failure) -> None:
    assert fault_of(error).failure is failure


def test_out_of_memory_is_found_behind_the_error_that_it_caused() -> None:
    try:
        try:
            raise MemoryError
        except MemoryError as inner:
            raise RuntimeError("loader failed") from inner
    except RuntimeError as outer:
        found = fault_of(outer)
    assert found.failure is Failure.OOM
    assert not found.sound, "a process that ran out of memory must not serve on"
    assert "MemoryError" in found.traceback


def test_what_ray_says() -> None:
    assert loss_of(ActorDiedError("gone"), "process 1").failure is Failure.LOST
    assert loss_of(OutOfMemoryError("monitor"), "process 1").failure is Failure.OOM


def test_a_message_is_one_short_line() -> None:
    assert one_line(ValueError("\n\nbad value\nand a long story")) == "ValueError: bad value"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(JobError(Failure.BAD_DATA, "no images in x: check path")) == "no images in x: check path"
    assert len(one_line(ValueError("x" * 10_000))) <= 300


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("Connection reset by peer"),
        RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"),
        RuntimeError("NCCL communicator was aborted"),
    ],
)
def test_a_survivor_never_masks_the_cause(error: Exception) -> None:
    echo = fault_of(error)
    died = loss_of(ActorDiedError("gone"), "process 1")
    assert echo.from_peer
    for faults in ([(0, echo), (1, died)], [(1, died), (0, echo)]):
        cause = cause_of(faults, world=2)
        assert cause.failure is Failure.LOST
        assert cause.message.startswith("rank 1: process 1 died")
    cause = cause_of([(0, echo), (1, fault(Failure.CODE, "ValueError: x"))], world=2)
    assert (cause.failure, cause.message) == (Failure.CODE, "rank 1: ValueError: x")


def test_ranks_that_blame_each_other_were_lost() -> None:
    echo = fault(Failure.CODE, "closed by peer", from_peer=True)
    assert cause_of([(0, echo), (1, echo)], world=2).failure is Failure.LOST


def test_a_lone_job_with_a_connection_error_has_a_bug() -> None:
    assert cause_of([(0, fault_of(ConnectionResetError("x")))], world=1).failure is Failure.CODE


def test_torch_names_are_still_as_we_know_them() -> None:
    torch = pytest.importorskip("torch")
    assert fault_of(torch.cuda.OutOfMemoryError("x")).failure is Failure.OOM
    assert fault_of(torch.distributed.DistBackendError("x")).from_peer


def test_ray_names_are_still_as_we_know_them() -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    assert loss_of(exceptions.OutOfMemoryError("x"), "p").failure is Failure.OOM
    assert loss_of(exceptions.ActorDiedError(), "p").failure is Failure.LOST
