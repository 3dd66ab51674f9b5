"""Leases: who works on a fingerprint now, so that two runs on one store respect each other.

A lease is a small file `leases/<fingerprint>/<generation>.json`; its expiry is its modification time plus the lifetime
that it states, so that renewing touches the file and can never overwrite another holder's. A stale lease of
generation n is taken over by creating generation n + 1, which exactly one process can do, and which, should that
process die at once, is itself an ordinary lease that goes stale. "Now" is always read from the file system that holds
the leases, so hosts whose clocks differ still agree.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import psutil

#: Seconds without renewal after which a lease is stale, and how often a keeper renews.
LIFETIME = 60.0
RENEW_EVERY = 15.0
#: Seconds granted beyond the expiry, for coarse time stamps and file servers that answer late.
MARGIN = 5.0
#: Seconds by which two readings of one process's start may differ.
_START_TOLERANCE = 2.0


class LeaseLostError(Exception):
    """Another run has taken this lease over: stop working on it."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that holds leases.

    Attributes:
        run: the run's id, for people.
        host: its name, for people.
        machine: identifies the boot and process namespace in which `pid` has a meaning; "" if unknown.
        pid, started: the process, and when it started in seconds since 1970, since pids are used again.
    """

    run: str
    host: str
    machine: str
    pid: int
    started: float

    @classmethod
    def here(cls, run: str) -> Holder:
        """This process."""
        pid = os.getpid()
        return cls(
            run=run, host=socket.gethostname(), machine=_machine(), pid=pid, started=psutil.Process(pid).create_time()
        )

    def is_gone(self) -> bool:
        """True only if this holder was a process of this machine and does not run any more."""
        if not self.machine or self.machine != _machine():
            return False
        try:
            process = psutil.Process(self.pid)
            zombie = process.status() == psutil.STATUS_ZOMBIE
            return bool(zombie or abs(process.create_time() - self.started) > _START_TOLERANCE)
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


class _Found(NamedTuple):
    """One lease file as read; `holder` is None where its content makes no sense (a torn write)."""

    generation: int
    holder: Holder | None
    token: str
    expires: float


class Lease:
    """The right to work on one fingerprint, until released, lost, or not renewed for its lifetime."""

    def __init__(self, folder: Path, generation: int, token: str) -> None:
        self._folder = folder
        self._generation = generation
        self._token = token

    @property
    def fingerprint(self) -> str:
        return self._folder.name

    @property
    def path(self) -> Path:
        return self._folder / f"{self._generation}.json"

    def renew(self) -> None:
        """Extend it by its lifetime.

        Raises:
            LeaseLostError: another run holds it now.
            OSError: the store cannot be reached; the lease still holds until it expires.
        """
        try:
            if _read(self.path).token == self._token:
                os.utime(self.path)
                # Touch first, look second: a rival looks again after it has created its own file, so one of us sees
                # the other whatever the order.
                if max(_generations(self._folder)) == self._generation:
                    return
        except (FileNotFoundError, ValueError):
            pass
        raise LeaseLostError(f"the lease on {self.fingerprint} was taken over by {_named(self._folder)}")

    def release(self) -> None:
        """Give it up; nothing happens if it was lost."""
        try:
            if _read(self.path).token == self._token:
                self.path.unlink()
            self._folder.rmdir()
        except OSError:  # lost, or a rival is in the folder: theirs to clean
            pass


def acquire(folder: Path, holder: Holder, *, lifetime: float = LIFETIME) -> Lease | None:
    """The lease kept in `folder` (named after the fingerprint), or None while somebody else may hold it.

    Raises:
        OSError: the store cannot be written.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return _acquire(folder, holder, lifetime)
        except FileNotFoundError:  # its last holder has just removed the folder
            continue


def holder_of(folder: Path) -> Holder | None:
    """Who holds the lease in `folder` now, for display: told by this host's clock, and without writing."""
    try:
        found = _read(folder / f"{max(_generations(folder))}.json")
        stale = _is_stale(found, time.time())
    except (OSError, ValueError):
        return None
    return None if stale else found.holder


def _acquire(folder: Path, holder: Holder, lifetime: float) -> Lease | None:
    before = _generations(folder)
    if not _all_stale(folder, before):
        return None
    generation = max(before, default=0) + 1
    token = secrets.token_hex(8)
    content = {"holder": asdict(holder), "lifetime": lifetime, "token": token}
    path = folder / f"{generation}.json"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return None
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    lease = Lease(folder, generation, token)
    # The holder may have come back to life meanwhile, or the folder may have seen a whole life of its own.
    if _generations(folder) != before | {generation} or not _all_stale(folder, before):
        lease.release()
        return None
    for old in before:
        (folder / f"{old}.json").unlink(missing_ok=True)
    return lease


def _all_stale(folder: Path, generations: frozenset[int]) -> bool:
    if not generations:
        return True
    now = _file_system_time(folder)
    try:
        return all(_is_stale(_read(folder / f"{generation}.json"), now) for generation in generations)
    except FileNotFoundError:
        return False


def _is_stale(found: _Found, now: float) -> bool:
    return now > found.expires + MARGIN or (found.holder is not None and found.holder.is_gone())


def _read(path: Path) -> _Found:
    # Opening first makes NFS fetch fresh attributes.
    with path.open("rb") as file:
        data = file.read()
        renewed = os.fstat(file.fileno()).st_mtime
    generation = int(path.stem)
    try:
        content: Any = json.loads(data)
        return _Found(
            generation, Holder(**content["holder"]), str(content["token"]), renewed + float(content["lifetime"])
        )
    except (ValueError, KeyError, TypeError):
        return _Found(generation, None, "", renewed + LIFETIME)


def _generations(folder: Path) -> frozenset[int]:
    return frozenset(int(path.stem) for path in folder.iterdir() if path.stem.isdecimal())


def _file_system_time(folder: Path) -> float:
    os.utime(folder)
    return folder.stat().st_mtime


def _named(folder: Path) -> str:
    holder = holder_of(folder)
    return f"run {holder.run} (process {holder.pid} on {holder.host})" if holder else "another run"


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


class LeaseKeeper:
    """All the leases that a run holds, renewed by one daemon thread.

    Leaving the context releases them. `on_lost` is called from that thread, once per lease, with the fingerprint.
    """

    def __init__(
        self,
        take: Callable[[str, Holder], Lease | None],
        holder: Holder,
        *,
        every: float = RENEW_EVERY,
        on_lost: Callable[[str], None] = lambda fingerprint: None,
    ) -> None:
        self._take = take
        self._holder = holder
        self._every = every
        self._on_lost = on_lost
        self._held: dict[str, Lease] = {}
        self._lost: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        for fingerprint in tuple(self._held):
            self.release(fingerprint)

    @property
    def held(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._held)

    @property
    def lost(self) -> frozenset[str]:
        """Fingerprints that another run has taken over: their work must not go on."""
        with self._lock:
            return frozenset(self._lost)

    def acquire(self, fingerprint: str) -> bool:
        """Take this lease and keep it; True also if this keeper has it already."""
        with self._lock:
            if fingerprint in self._held:
                return True
            lease = self._take(fingerprint, self._holder)
            if lease is None:
                return False
            self._held[fingerprint] = lease
            self._lost.discard(fingerprint)
            return True

    def release(self, fingerprint: str) -> None:
        """Give this lease up; nothing happens if it is not held."""
        with self._lock:
            lease = self._held.pop(fingerprint, None)
            if lease is not None:
                lease.release()

    def renew(self) -> None:
        """Renew all leases now; the thread does so by itself."""
        for fingerprint in self.held:
            with self._lock:
                lease = self._held.get(fingerprint)
                try:
                    if lease is not None:
                        lease.renew()
                    continue
                except LeaseLostError:
                    del self._held[fingerprint]
                    self._lost.add(fingerprint)
                except OSError:  # a passing fault of the file system; the next beat tries again
                    continue
            self._on_lost(fingerprint)

    def _beat(self) -> None:
        while not self._stop.wait(self._every):
            self.renew()
