"""Cleans up behind a Ray of our own, also when its driver was killed: a process that waits for the driver's end.

A driver that dies by SIGKILL leaves agents of its Ray behind, and their folder. The guard reads a pipe that only the
driver holds; when it closes, the guard ends every process that has a file of that folder open, and removes it.
Run as a script with the folder as its argument; it imports nothing but the standard library, to start fast.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

#: Seconds for the folder's processes to end.
PATIENCE = 10.0


def watch(folder: Path) -> subprocess.Popen[bytes]:
    """Start a guard of this process and `folder`."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches the whole group of the driver
    )


def release(guarding: subprocess.Popen[bytes]) -> None:
    """Let the guard do its work now, and wait for it."""
    if guarding.stdin is not None:
        guarding.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        guarding.wait(2 * PATIENCE)


def clean(folder: str, driver: bytes) -> None:
    """End every process that has a file of the folder open, then remove the folder.

    The driver itself has its log open there, and so have its forks: they are known by their command line.
    """
    end = time.monotonic() + PATIENCE
    while (holders := _holders(folder, driver)) and time.monotonic() < end:
        for pid in holders:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _holders(folder: str, driver: bytes) -> list[int]:
    processes = Path("/proc")
    if not processes.is_dir():  # not Linux: Ray's own clean-up has to do
        return []
    spared = {os.getpid(), os.getppid()}
    pids = {int(entry.name) for entry in processes.iterdir() if entry.name.isdigit()} - spared
    return [pid for pid in pids if _holds(pid, folder + os.sep) and _command(pid) != driver]


def _holds(pid: int, prefix: str) -> bool:
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(descriptor.readlink()).startswith(prefix):
                    return True
    return False


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    driver = _command(os.getppid())
    sys.stdin.buffer.read()
    clean(sys.argv[1], driver)


if __name__ == "__main__":
    _main()
