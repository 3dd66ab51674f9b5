"""Preflight: is this machine able to run a suite, and if not, what is to be done? Each check is a function."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

Status = Literal["ok", "warn", "fail"]

GIB = 2**30
MIB = 2**20
#: Longest temporary folder below which Ray's sockets still fit: a Unix socket's path has at most 107 characters, and
#: cluster/session.py adds a folder of its own and Ray's session; beyond it, that file turns to /tmp.
LONGEST_TEMPORARY = 32
#: Bytes of shared memory that our own Ray asks for (see cluster/session.py).
_SHARED = 200 * MIB
#: Packages whose versions people ask for first.
_NAMED = ("torch", "ray", "deepspeed", "polars", "wandb")


@dataclass(frozen=True, kw_only=True)
class Check:
    """What one check found. A warning does not stop a run; a failure does. `remedy` is "" where all is well."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


class Space(NamedTuple):
    """Bytes of a disk or a file system."""

    total: int
    free: int


def preflight(store: Path, cache: Path, connect: Callable[[], str] | None = None) -> Iterator[Check]:
    """All checks, one after the other as they are found.

    `store` and `cache` need not exist yet. `connect`, where it is given, starts or reaches Ray, answers with a line
    on what it found, and raises if it cannot.
    """
    yield check_python(sys.version_info[:3])
    yield from _packages()
    yield check_devices()
    yield check_cores(usable_cores())
    yield check_memory(psutil.virtual_memory().available, memory_limit())
    yield check_shared_memory(Path("/dev/shm"))
    yield check_space("store", store)
    yield check_space("cache", cache)
    yield check_writable("store", store)
    yield check_writable("cache", cache)
    yield check_temporary(tempfile.gettempdir())
    yield check_host(socket.gethostname())
    yield check_compiler(shutil.which("g++") or shutil.which("c++"))
    yield check_git(shutil.which("git"))
    if connect is not None:
        yield check_ray(connect)


def check_python(version: tuple[int, int, int]) -> Check:
    text = ".".join(map(str, version))
    if version < (3, 11, 0):
        return Check(name="python", status="fail", detail=text, remedy="install Python 3.11 or newer")
    return Check(name="python", status="ok", detail=text)


def _packages() -> Iterator[Check]:
    """One line for all that are as they should be, and one for each that is not."""
    checks = list(check_packages())
    good = [check for check in checks if check.status == "ok"]
    if good:
        named = ", ".join(f"{check.name} {check.detail}" for check in good if check.name in _NAMED)
        yield Check(name="packages", status="ok", detail=f"{len(good)} as required, with {named}")
    yield from (check for check in checks if check.status != "ok")


def check_packages(distribution: str = "harness") -> Iterator[Check]:
    """Each package that the installed `distribution` requires, from its own metadata; nothing is imported."""
    try:
        required = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        remedy = "run `make install`, or `pip install -e .` in the repository"
        yield Check(name="packages", status="warn", detail=f"{distribution} itself is not installed", remedy=remedy)
        return
    for requirement in required:
        if ";" not in requirement:  # extras and other conditions
            yield check_package(requirement)


def check_package(requirement: str) -> Check:
    """One requirement of the form "name>=1.2"."""
    name, _, least = (part.strip() for part in requirement.partition(">="))
    name = re.split(r"[^\w.-]", name)[0]
    least = least.partition(",")[0]
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name=name, status="fail", detail="not installed", remedy=f"pip install '{requirement}'")
    if _release(found) < _release(least):
        remedy = f"pip install --upgrade '{requirement}'"
        return Check(name=name, status="fail", detail=f"{found}, but {least} is the least", remedy=remedy)
    return Check(name=name, status="ok", detail=found)


def _release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version without trailing zeros: "2.13.0+cpu" is (2, 13)."""
    match = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in match.group().split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def check_devices() -> Check:
    """Imports torch, because only it knows which devices it was built for."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check(name="devices", status="fail", detail=f"torch: {error}", remedy="install torch again")
    count = torch.cuda.device_count()
    names = [torch.cuda.get_device_name(index) for index in range(count)]
    if names:
        kinds = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
        return Check(name="devices", status="ok", detail=", ".join(kinds))
    if shutil.which("nvidia-smi"):
        remedy = "install a build of torch that fits the driver, and look at CUDA_VISIBLE_DEVICES"
        return Check(name="devices", status="warn", detail="a GPU driver, but torch sees no GPU", remedy=remedy)
    return Check(name="devices", status="ok", detail="CPU only")


def usable_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_cores(cores: int) -> Check:
    if cores < 2:
        remedy = "a suite runs one cell at a time; give the process more cores if there are any"
        return Check(name="cores", status="warn", detail="1", remedy=remedy)
    return Check(name="cores", status="ok", detail=str(cores))


def memory_limit(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that the control group of this process may hold, or None."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return int((root / name).read_text())
        except (OSError, ValueError):
            continue
    return None


def check_memory(available: int, limit: int | None) -> Check:
    """Bytes. A warm slot with torch and DeepSpeed holds about half a GiB, Ray itself three quarters."""
    usable = available if limit is None else min(available, limit)
    detail = f"{usable / GIB:.1f} GiB free" + (f", limit {limit / GIB:.1f} GiB" if usable == limit else "")
    if usable < 2 * GIB:
        return Check(name="memory", status="warn", detail=detail, remedy="close other programs, or run fewer slots")
    return Check(name="memory", status="ok", detail=detail)


def check_shared_memory(folder: Path) -> Check:
    if not folder.is_dir():
        return Check(name="shared memory", status="ok", detail=f"no {folder} on this system")
    free = shutil.disk_usage(folder).free
    detail = f"{free / MIB:,.0f} MiB free in {folder}"
    if free < _SHARED:
        remedy = f"Ray wants {_SHARED // MIB} MiB; in a container use --shm-size=1g, on Kubernetes a memory volume"
        return Check(name="shared memory", status="warn", detail=detail, remedy=remedy)
    return Check(name="shared memory", status="ok", detail=detail)


def check_space(name: str, folder: Path, usage: Callable[[Path], Space] | None = None) -> Check:
    """Disk space where `folder` is or will be."""
    title = f"{name} disk"
    try:
        total, free = usage(folder) if usage else _usage(folder)
    except OSError as error:
        remedy = "check the path and its permissions"
        return Check(name=title, status="fail", detail=f"{folder}: {error.strerror}", remedy=remedy)
    detail = f"{free / GIB:,.1f} of {total / GIB:,.0f} GiB free at {folder}"
    if free < 2 * GIB:
        status: Status = "fail" if free < GIB // 5 else "warn"
        return Check(name=title, status=status, detail=detail, remedy=f"free some space, or move the {name}")
    return Check(name=title, status="ok", detail=detail)


def _usage(folder: Path) -> Space:
    usage = shutil.disk_usage(_standing(folder))
    return Space(total=usage.total, free=usage.free)


def _standing(folder: Path) -> Path:
    """The nearest part of a path that exists."""
    folder = folder.expanduser().absolute()
    return next(part for part in (folder, *folder.parents) if part.exists())


def check_writable(name: str, folder: Path) -> Check:
    """Writes and deletes a small file; where the folder does not exist, in the nearest folder that does."""
    title = f"{name} writable"
    remedy = f"choose another {name}, or change the permissions"
    try:
        standing = _standing(folder)
        with tempfile.TemporaryFile(dir=standing) as file:
            file.write(b"harness")
    except OSError as error:
        detail = f"{folder}: {error.strerror or error}"
        return Check(name=title, status="fail", detail=detail, remedy=remedy)
    found = "" if standing == folder.expanduser().absolute() else " (will be created)"
    return Check(name=title, status="ok", detail=f"{folder}{found}")


def check_temporary(folder: str) -> Check:
    if len(folder) > LONGEST_TEMPORARY:
        detail = f"{folder} has {len(folder)} characters; Ray's sockets leave room for {LONGEST_TEMPORARY}"
        return Check(
            name="temporary folder", status="warn", detail=f"{detail}, so /tmp is used", remedy="shorten TMPDIR"
        )
    return Check(name="temporary folder", status="ok", detail=folder)


def check_host(name: str, resolve: Callable[[str], str] = socket.gethostbyname) -> Check:
    """Ranks find each other by address. Loopback serves one machine, and fails only after 20 seconds on two."""
    started = time.monotonic()
    try:
        address = resolve(name)
    except OSError as error:
        remedy = f"add {name} to /etc/hosts, with the address by which other machines reach it"
        return Check(name="host name", status="warn", detail=f"{name}: {error}", remedy=remedy)
    if time.monotonic() - started > 2:
        remedy = "every gang of ranks waits as long: repair the name server, or add the name to /etc/hosts"
        return Check(name="host name", status="warn", detail=f"{name} took seconds to resolve", remedy=remedy)
    if address.startswith("127."):
        detail = f"{name} is {address}: enough for one machine; for several set GLOO_SOCKET_IFNAME or mend /etc/hosts"
        return Check(name="host name", status="ok", detail=detail)
    return Check(name="host name", status="ok", detail=f"{name} is {address}")


def check_compiler(found: str | None) -> Check:
    """For information: DeepSpeed compiles nothing here, because its compiled all-reduce is switched off."""
    return Check(name="compiler", status="ok", detail=f"{found or 'none'}; none is needed")


def check_git(found: str | None) -> Check:
    if found is None:
        remedy = "install git if records should name the commit that they come from"
        return Check(name="git", status="warn", detail="not found", remedy=remedy)
    return Check(name="git", status="ok", detail=found)


def check_ray(connect: Callable[[], str]) -> Check:
    """Any error is a finding here: this is where a user learns of it."""
    try:
        return Check(name="ray", status="ok", detail=connect())
    except Exception as error:
        remedy = "`harness run --local` works without Ray"
        return Check(name="ray", status="fail", detail=f"{type(error).__name__}: {error}", remedy=remedy)


def worst(checks: Iterable[Check]) -> Status:
    """The status of all checks together; "ok" for none."""
    order: tuple[Status, ...] = ("ok", "warn", "fail")
    return max((check.status for check in checks), key=order.index, default="ok")
