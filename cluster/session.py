"""A connection to Ray: one of our own on this machine, started quietly and removed without trace, or a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from cluster import guard
from cluster.capacity import Node
from cluster.pool import PoolError

# Ray reads these when it is imported, so this is the one file that imports it; the others take it from here.
os.environ.setdefault("RAY_AUTH_MODE", "token")  # else anybody who reaches the ports can run code
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # a slot without a GPU share sees no GPU
os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # answers of slots that we killed are never fetched

import ray
import ray._private.worker as ray_worker

__all__ = ["Session", "ray"]

#: Bytes. Results are small JSON; Ray's default is a third of the memory.
OBJECT_STORE = 200 * 2**20
#: Sockets lie below the folder of a session, and their paths may have 107 characters.
LONGEST_TEMPORARY = 32


class Session:
    """A context manager around `ray.init`.

    Args:
        address: of a Ray cluster ("host:port", or "auto" within one); None: a Ray of our own.
        cpus: of our own Ray; None: those of this machine.

    SIGTERM raises SystemExit within it, unless the program has a handler of its own, which is kept.

    Attributes:
        own: whether the workers are processes of this machine, under this user.
        umask: for workers to restore, or None.
        worker_environment: for slots to set; on our own Ray they inherit it.
    """

    def __init__(self, address: str | None = None, cpus: int | None = None) -> None:
        self.own = address is None
        self.umask: int | None = None
        self.worker_environment: Mapping[str, str] = {} if self.own else _worker_environment()
        self._address = address
        self._cpus = cpus
        self._folder: Path | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._on_terminate: Any = None

    def __enter__(self) -> Self:
        # Ray prints a banner on our standard output for each worker that dies, whatever log_to_driver says. Such
        # deaths are outcomes of ours, and the output may be JSON.
        ray_worker.print_to_stdstream = _keep_quiet
        if ray.is_initialized():
            raise PoolError("Ray already runs in this process: leave that session first (ray.shutdown())")
        self._on_terminate = signal.getsignal(signal.SIGTERM)
        try:
            if self._address is None:
                self._start()
            else:
                self._connect(self._address)
        except BaseException:
            self._close()
            raise
        if _in_main_thread():  # Ray's own handler prints a banner; ours lets with-blocks end
            ours = _terminate if self._on_terminate in (signal.SIG_DFL, None) else self._on_terminate
            signal.signal(signal.SIGTERM, ours)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def nodes(self) -> list[Node]:
        """The machines that are alive now."""
        held = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return [Node(cpus=have.get("CPU", 0.0), gpus=have.get("GPU", 0.0)) for have in held]

    def _start(self) -> None:
        temporary = tempfile.gettempdir()
        self._folder = Path(
            tempfile.mkdtemp(prefix="ray-", dir=temporary if len(temporary) <= LONGEST_TEMPORARY else "/tmp")
        )
        self._guard = guard.watch(self._folder)
        # Ray writes its token and its logs for all to read unless told otherwise.
        self.umask = os.umask(0o077)
        try:
            with _environment(_worker_environment()):
                ray.init(
                    address="local",
                    num_cpus=self._cpus,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE,
                    log_to_driver=False,
                    logging_level="ERROR",
                    _temp_dir=str(self._folder),
                )
        except (OSError, RuntimeError, TimeoutError) as error:
            raise PoolError(f"Ray does not start on this machine: {error}; --local runs without it") from error
        finally:
            os.umask(self.umask)

    def _connect(self, address: str) -> None:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, TimeoutError, ValueError, ray.exceptions.RayError) as error:
            raise PoolError(
                f"no Ray cluster can be used at {address!r}: {error}; check the address, and the token in "
                "RAY_AUTH_TOKEN or ~/.ray/auth_token (RAY_AUTH_MODE=disabled for a cluster without one)"
            ) from error

    def _close(self) -> None:
        try:
            ray.shutdown()
        finally:
            if _in_main_thread() and self._on_terminate is not None:
                signal.signal(signal.SIGTERM, self._on_terminate)
            if self._guard is not None:
                guard.release(self._guard)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._guard, self._folder = None, None


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _keep_quiet(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    for line in data.get("lines", ()):
        logging.getLogger("cluster.ray").debug("%s", line)


def _worker_environment() -> dict[str, str]:
    """Lets workers import what this process imports, wherever it was started: its path, without the interpreter's."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    folders = [str(Path(entry or ".").resolve()) for entry in sys.path]
    project = [folder for folder in folders if not any(Path(folder).is_relative_to(prefix) for prefix in prefixes)]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(project))}


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
