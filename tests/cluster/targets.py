"""Toy jobs with real faults, and a toy gang that talks over a socket as collective calls do."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster import Failure, Gang, JobError

_warmed = 0
_server: socket.socket | None = None
_link: socket.socket | None = None


def warm() -> None:
    global _warmed
    _warmed += 1


def fail_to_warm() -> None:
    raise ImportError("no such library")


def double(payload: Mapping[str, Any], gang: Gang) -> Any:
    return {"value": 2 * payload["value"], "pid": os.getpid(), "warmed": _warmed, "world": gang.world}


def environment(payload: Mapping[str, Any], gang: Gang) -> Any:
    umask = os.umask(0o022)
    os.umask(umask)
    main = threading.current_thread() is threading.main_thread()
    return {"umask": umask, "threads": os.environ.get("OMP_NUM_THREADS"), "main": main}


def no_json(payload: Mapping[str, Any], gang: Gang) -> Any:
    return object()


def spin(payload: Mapping[str, Any], gang: Gang) -> Any:
    """Busy for so many seconds of CPU time."""
    begin, started = time.process_time(), time.time()
    while time.process_time() - begin < payload["seconds"]:
        sum(range(1000))
    return {"started": started, "ended": time.time()}


def value_error(payload: Mapping[str, Any], gang: Gang) -> Any:
    raise ValueError("bad hyper-parameter\nsecond line")


def job_error(payload: Mapping[str, Any], gang: Gang) -> Any:
    raise JobError(Failure(payload["failure"]), "as the job says")


def memory_error(payload: Mapping[str, Any], gang: Gang) -> Any:
    started = time.time()
    if _first_time(payload):
        raise MemoryError
    time.sleep(0.2)
    return {"started": started, "ended": time.time()}


def leave_process(payload: Mapping[str, Any], gang: Gang) -> Any:
    os._exit(7)


def system_exit(payload: Mapping[str, Any], gang: Gang) -> Any:
    raise SystemExit(3)


def hang(payload: Mapping[str, Any], gang: Gang) -> Any:
    Path(payload.get("pid_file", os.devnull)).write_text(str(os.getpid()))
    while True:
        time.sleep(0.01)


def killed_once(payload: Mapping[str, Any], gang: Gang) -> Any:
    """SIGKILL on the first attempt."""
    if _first_time(payload):
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def varied(payload: Mapping[str, Any], gang: Gang) -> Any:
    """Fails as told, a way per attempt: "lost", "diverged", ..., then succeeds."""
    log = Path(payload["log"])
    number = len(log.read_text().splitlines()) if log.exists() else 0
    log.write_text("attempt\n" * (number + 1))
    if number < len(payload["ways"]):
        way = Failure(payload["ways"][number])
        if way is Failure.LOST:
            os._exit(1)
        raise JobError(way, "told so")
    return number + 1


def host(address: str, world: int) -> str:
    """Rank 0 listens; the rendezvous is where."""
    global _server
    _server = socket.create_server((address, 0))
    return f"{address}:{_server.getsockname()[1]}"


def leave() -> None:
    global _server, _link
    for end in (_link, _server):
        if end is not None:
            end.close()
    _server = _link = None


def pair(payload: Mapping[str, Any], gang: Gang) -> Any:
    """Two ranks exchange their pids, over and over; one of them may have an accident, once if it has a flag file."""
    global _link
    if gang.rank == 0:
        assert _server is not None
        _link, _ = _server.accept()
    else:
        address, _, port = gang.rendezvous.rpartition(":")
        _link = socket.create_connection((address, int(port)))
    if gang.rank == payload.get("rank") and ("flag" not in payload or _first_time(payload)):
        _have_accident(payload["accident"])
    pids = []
    for _ in range(3):
        _link.sendall(f"{os.getpid():>10}".encode())
        received = _link.recv(10, socket.MSG_WAITALL)
        if not received:
            raise ConnectionResetError("Connection closed by peer")
        pids.append(int(received))
    return {"pids": sorted({os.getpid(), *pids}), "world": gang.world}


def _have_accident(kind: str) -> None:
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif kind == "raise":
        raise ValueError("rank's own mistake")


def _first_time(payload: Mapping[str, Any]) -> bool:
    try:
        Path(payload["flag"]).open("x").close()
    except FileExistsError:
        return False
    return True
