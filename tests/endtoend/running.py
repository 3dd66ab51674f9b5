"""Runs of the command line on a tiny suite, in this process or as a process of their own, and what they leave."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import psutil

from harness.record import Record
from harness.store import Store

ROOT = Path(__file__).parents[2]
SUITE = """\
name: tiny
methods:
  - {name: sdae, config: {layers: 2, width: 32}}
datasets: [digits]
seeds: 2
pretrain: {steps: 2000, batch_size: 16}
evaluate: {protocols: [{name: linear, config: {points: 2, weakest: 0.01, strongest: 0.1}}]}
checkpoint: {seconds: 0.1}
"""
#: As the console script does, from this checkout.
PROGRAM = "import sys; sys.argv[0] = 'harness'; from harness.cli import main; main()"
MARK = "HARNESS_TEST_MARK"
PATIENCE = 120.0


class Ended(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def board(self) -> str:
        """What was printed from the leaderboard on; lines on jobs, which depend on the moment, come before it."""
        return self.out[self.out.index("digits · digit · linear") :]


class Process:
    """A run as a process of its own, with its own group, as a shell starts it. Leaving the context ends all of it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.mark = uuid.uuid4().hex
        self._out, self._err = folder / f"{self.mark}.out", folder / f"{self.mark}.err"
        environment = {**os.environ, MARK: self.mark, "OMP_NUM_THREADS": "1"}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.left():
            process.kill()
        self._popen.wait()

    def kill(self) -> None:
        """SIGKILL for the driver alone: its workers are left to themselves."""
        self._popen.kill()

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT for the whole group."""
        os.killpg(self._popen.pid, signal.SIGINT)

    def ended(self) -> Ended:
        code = self._popen.wait(PATIENCE)
        return Ended(code, self._out.read_text(), self._err.read_text())

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something while the run goes on."""
        await_(lambda: condition() or self._popen.poll() is not None)
        assert self._popen.poll() is None, f"it ended too early: {self.ended()}"

    def left(self) -> list[psutil.Process]:
        """Processes of this run that are alive, its workers and Ray's processes included."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


def await_(condition: Callable[[], bool]) -> None:
    """Poll until it holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def in_the_middle(store: Path) -> bool:
    """A pretraining has saved itself and is not done, and something else is done."""
    return bool(list(store.glob("checkpoints/*/latest.safetensors")) and list(store.glob("records/*.ok.json")))


def records(store: Path) -> list[Record]:
    return list(Store.open(store, write=False).records())


def done_once(store: Path) -> bool:
    """Whether no fingerprint has two ok records, and some have one."""
    counts = Counter(record.fingerprint for record in records(store) if record.status == "ok")
    return set(counts.values()) == {1}


def numbers(store: Path) -> dict[str, Any]:
    """All that a run measures, by fingerprint, and digests of its weights; what depends on the hour is left out."""
    found: dict[str, Any] = {}
    for record in records(store):
        if record.status != "ok":
            continue
        if record.kind == "evaluation":
            found[record.fingerprint] = {name: record.result[name] for name in ("scores", "selection")}
        else:
            weights = store / "artifacts" / record.fingerprint / "weights.safetensors"
            digest = hashlib.sha256(weights.read_bytes()).hexdigest()
            found[record.fingerprint] = {name: record.result[name] for name in ("curve", "proof")} | {"weights": digest}
    return found


def scores(store: Path) -> dict[tuple[str, str], float]:
    """Cell, representation -> score."""
    return {
        (record.cell, score["representation"]): score["value"]
        for record in records(store)
        if record.kind == "evaluation" and record.status == "ok"
        for score in record.result["scores"]
    }


def fingerprints(store: Path, kind: str) -> set[str]:
    return {record.fingerprint for record in records(store) if record.kind == kind and record.status == "ok"}
