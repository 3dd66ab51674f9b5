"""Where and with what a record was made. Found out once per process; nothing here ever raises."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

#: What can change a number, or explain one.
PACKAGES = ("deepspeed", "numpy", "polars", "ray", "safetensors", "scikit-learn", "scipy", "torch")

_GIT_SECONDS = 5.0


@cache
def hardware() -> Mapping[str, Any]:
    """{host, cpu, cores, memory_bytes, gpus}: cores as this process may use them, and the names of the GPUs."""
    return {
        "host": platform.node(),
        "cpu": _cpu(),
        "cores": _cores(),
        "memory_bytes": _memory(),
        "gpus": _gpus(),
    }


@cache
def versions() -> Mapping[str, str]:
    """Of Python, harness and the packages that can change a number; those not installed are left out."""
    found = {"python": platform.python_version()}
    for package in ("harness", *PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def git() -> Mapping[str, Any]:
    """{commit, dirty, of} of the checkout that harness runs from, else of the working directory's repository.

    Untracked files count as dirty: a new method is one. {} where there is no repository, or no git.
    """
    source = Path(__file__).resolve().parent.parent
    if _repository(source) == source:
        return _state(source, "harness")
    here = _repository(Path())
    return _state(here, "working directory") if here is not None else {}


def _state(repository: Path, of: str) -> Mapping[str, Any]:
    commit = _git(repository, "rev-parse", "HEAD")
    changes = _git(repository, "status", "--porcelain")
    return {"commit": commit, "dirty": None if changes is None else bool(changes), "of": of}


def _repository(folder: Path) -> Path | None:
    top = _git(folder, "rev-parse", "--show-toplevel")
    return Path(top).resolve() if top else None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None if it fails. No lock is taken, since many workers ask at once."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return int(psutil.virtual_memory().total)
    except (OSError, RuntimeError):
        return None


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not Linux
        return os.cpu_count() or 1


def _gpus() -> list[str]:
    """Names, from the driver's own files: asking CUDA would open a context in every process that asks."""
    names = []
    try:
        for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
            for line in information.read_text().splitlines():
                key, _, value = line.partition(":")
                if key.strip() == "Model":
                    names.append(value.strip())
    except OSError:
        pass
    return names
