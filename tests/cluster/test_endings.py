"""However a driver ends, nothing of its own Ray is left behind, and its terminal shows nothing of Ray's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

DRIVER = """
import os, sys
from cluster import Failure, Job, SlotSize
from cluster.ray_pool import RayPool
if __name__ == "__main__":
    jobs = [
        Job(id="dies", target="tests.cluster.targets:leave_process", payload={}, retries={Failure.LOST: 1}),
        Job(id="hangs", target="tests.cluster.targets:hang", payload={"pid_file": sys.argv[1]},),
    ]
    try:
        with RayPool(SlotSize()) as pool:
            for outcome in pool.run(jobs):
                print(outcome.job.id, outcome.status, flush=True)
    except BaseException as error:
        print(type(error).__name__, "gone" if not os.path.exists("/proc/" + open(sys.argv[1]).read()) else "left")
"""


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    # Not in the repository: workers must find its packages wherever the driver was started.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    drivers = {}
    for number in numbers:
        flag = tmp_path / number.name
        command = [sys.executable, "-c", DRIVER, str(flag)]
        drivers[number] = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    said: dict[int, tuple[str, str]] = {}
    left: list[psutil.Process] = []
    for number, driver in drivers.items():
        assert driver.stdout is not None
        line = driver.stdout.readline()
        _until(lambda number=number: bool(_text(tmp_path / number.name)), 60.0)
        left += psutil.Process(driver.pid).children(recursive=True)
        driver.send_signal(number)
        out, err = driver.communicate(timeout=60)
        said[number] = (line + out, err)
    assert len(left) >= 3 * 5, "we have looked at a Ray each"
    _until(lambda: not any(_alive(process) for process in left), 30.0)
    assert said == {
        signal.SIGINT: ("dies failed\nKeyboardInterrupt gone\n", ""),
        signal.SIGTERM: ("dies failed\nSystemExit gone\n", ""),
        signal.SIGKILL: ("dies failed\n", ""),
    }


def _until(condition: object, seconds: float) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
