"""Binding a warm process to its gang: the hooks that cluster/ calls by name, and `join` for the job itself."""

from __future__ import annotations

import gc
import importlib.util
import os
import socket
import sys
from datetime import timedelta

import psutil
import torch
from torch import distributed
from torch._C._distributed_c10d import HashStore, PrefixStore, Store, TCPStore

from cluster import Failure, Gang, JobError

#: How long a rank waits for its partners: longer than writing a large checkpoint, shorter than a person's patience.
TIMEOUT = timedelta(seconds=180)

_store: Store | None = None  # rank 0's, from `host` to `leave`
_joined: tuple[Gang, str] | None = None


def warm() -> None:
    """Once per process, before its first job: the imports, and one toy engine, whose lazy imports cost about a second.

    Afterwards everything alive is frozen out of garbage collection, which every DeepSpeed engine triggers when it
    closes: 0.2 s over the 400,000 objects that imports make, next to nothing over the rest.
    """
    torch.set_num_threads(_threads(os.environ.get("OMP_NUM_THREADS", "")))
    if importlib.util.find_spec("deepspeed") is not None:
        from harness.engine._deepspeed import warm_up

        join(Gang(), "cuda" if torch.cuda.is_available() else "cpu", deepspeed=True)
        warm_up()
        leave()
    gc.collect()
    gc.freeze()


def _threads(said: str) -> int:
    """What OMP_NUM_THREADS says; one where it says nothing that can be understood. OpenMP takes lists, "4,2", too."""
    first = said.split(",")[0].strip()
    return max(int(first), 1) if first.isdecimal() else 1


def host(address: str, world: int) -> str:
    """On rank 0: opens the gang's meeting point on a free port. Returns "address:port"."""
    global _store
    leave()
    store = TCPStore(address, 0, world, is_master=True, timeout=TIMEOUT, wait_for_workers=False)
    _store = store
    return f"{address}:{store.port}"


def join(gang: Gang, device: str, *, deepspeed: bool) -> None:
    """Makes this process the rank of `gang`; does nothing if it already is. A rank alone needs a group only for
    DeepSpeed.

    Raises:
        JobError: the partners did not meet in time, or there is no CUDA device where one was asked for.
    """
    global _joined
    if device == "cuda" and not torch.cuda.is_available():
        raise JobError(Failure.CODE, "gpus_per_rank > 0, but torch sees no CUDA device in this process")
    backend = "nccl" if device == "cuda" else "gloo"
    if gang.world == 1 and not deepspeed:
        if distributed.is_initialized() and world_size() > 1:
            leave()
        return
    if _joined != (gang, backend):
        _enter(gang, backend)
        _joined = (gang, backend)
    if deepspeed:
        from harness.engine._deepspeed import adopt_group

        adopt_group(gang.rank, gang.world, backend, device, TIMEOUT)


def _enter(gang: Gang, backend: str) -> None:
    global _store
    store = _store
    if gang.world == 1:
        leave()
        store = HashStore()
    elif gang.rank > 0 or store is None:
        leave()
        address, _, port = gang.rendezvous.rpartition(":")
        try:
            leads = gang.rank == 0  # without `host`, as under a launcher of one's own, rank 0 opens the named port
            store = TCPStore(address, int(port), gang.world, leads, TIMEOUT, wait_for_workers=False)
        except (RuntimeError, ValueError) as error:
            message = f"rank {gang.rank} cannot reach rank 0 at {gang.rendezvous!r}: {error}"
            raise JobError(Failure.LOST, message) from error
    if gang.world > 1:
        os.environ["GLOO_SOCKET_IFNAME"] = _interface(gang.rendezvous)
    distributed.init_process_group(
        backend, store=PrefixStore("gang", store), rank=gang.rank, world_size=gang.world, timeout=TIMEOUT
    )
    _store = store


def leave() -> None:
    """Dissolves the gang on this rank, whether its job succeeded or not. The process stays warm for another."""
    global _store, _joined
    if distributed.is_initialized():
        if "deepspeed" in sys.modules:
            from harness.engine._deepspeed import forget_group

            forget_group()
        if distributed.is_initialized():
            distributed.destroy_process_group()
    _store, _joined = None, None


def world_size() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def _interface(rendezvous: str) -> str:
    """The network interface that leads to rank 0. gloo would take the one that the host's name resolves to, which
    on many machines is 127.0.0.1, and fail after 20 s."""
    address = rendezvous.rpartition(":")[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))  # sends nothing: the kernel only picks a route
        own: str = probe.getsockname()[0]
    for name, addresses in psutil.net_if_addrs().items():
        if any(each.address == own for each in addresses):
            return str(name)
    return ""


def rank_zero_says(flag: bool, device: torch.device) -> bool:
    """Rank 0's answer, on every rank; what depends on a clock must not differ between them."""
    if world_size() == 1:
        return flag
    answer = torch.tensor([flag], dtype=torch.int32, device=device)
    distributed.broadcast(answer, 0)
    return bool(answer.item())
