"""The driver's side of the mirror in W&B: a process that is started, told when no more is to come, and waited for a
bounded time. Nothing that happens to it changes what a run does, or its exit code."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from harness.plan import Plan, plan_to_json
from harness.report.mirrored import is_behind, mode_of
from harness.report.wandb_push import environment
from harness.store import Store, StoreError

#: Seconds that the end of a run waits for its mirror; where it pushes as well; and for its last word, once told to end.
PATIENCE, ONLINE_PATIENCE, GRACE = 10.0, 30.0, 2.0


class Mirror:
    """The mirror of one run of the driver. Where there is nothing to mirror it has no process, and says nothing."""

    def __init__(
        self, process: subprocess.Popen[bytes] | None, store: Store, patience: float | None, problem: str = ""
    ) -> None:
        self._process, self._store, self._patience, self._problem = process, store, patience, problem

    def close(self) -> None:
        """Say that no more records will come: it catches up while the driver does other things."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
            self._process.stdin = None  # else `communicate` stumbles over it

    def conclude(self) -> tuple[str, str]:
        """Wait for it, a bounded time. Returns a line on where the runs are and one on what went wrong; either may
        be empty."""
        self.close()
        if self._process is None:
            outcome: dict[str, Any] = {"problem": self._problem}
        else:
            try:
                outcome = _outcome(self._process.communicate(timeout=self._patience)[0])
            except subprocess.TimeoutExpired:
                outcome = {"problem": "it needs more time", **self._end()}
        place = f"wandb   {self._store.root / 'wandb'}" if outcome.get("mirrored") else ""
        return place, self._trouble(outcome.get("problem"), outcome.get("left"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:  # interrupted: the next run catches up
            self.close()
            self._end()

    def _end(self) -> dict[str, Any]:
        """End it, after the run at hand if that takes no time."""
        process = self._process
        assert process is not None
        process.terminate()
        try:
            return _outcome(process.communicate(timeout=GRACE)[0])
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return {"problem": "it hung, and was ended"}

    def _trouble(self, problem: str | None, left: int | None) -> str:
        if not problem and not left:
            return ""
        runs = f"{left} run{'s' * (left != 1)} not mirrored in W&B: " if left else "W&B: "
        command = shlex.join(["harness", "wandb", "sync", "--store", str(self._store.root)])
        return f"{runs}{problem or 'it needs more time'}; the results are complete. Later: {command}"


def start_mirror(plan: Plan, store: Store, *, work: bool) -> Mirror:
    """Start the mirror of a plan that is in the store, if there is anything for it to do.

    Args:
        work: whether this run is about to do anything; otherwise only what is left of earlier runs counts.
    """
    mode = mode_of(plan, os.environ)
    patience = ONLINE_PATIENCE if mode == "online" else PATIENCE
    try:
        if mode == "disabled" or not (work or is_behind(plan, store)):
            return Mirror(None, store, patience)
        if not work:  # the plan that is kept may be another one, of a run of some cells only
            store.put_json(store.plan(plan.suite), plan_to_json(plan))
        return Mirror(start_process(store, plan.suite, mode), store, patience)
    except (OSError, StoreError) as error:
        return Mirror(None, store, patience, problem=f"its process cannot be started ({error})")


def start_process(store: Store, suite: str, mode: str) -> subprocess.Popen[bytes]:
    """The mirror's process, in a session of its own, so that Ctrl-C does not reach it. It ends when its standard input
    does, that is, also when this process dies."""
    command = [sys.executable, "-P", "-m", "harness.report.mirror_process", str(store.root.resolve()), suite, mode]
    with _log(store) as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**environment(), "PYTHONPATH": _import_path()},
            start_new_session=True,
        )


def _import_path() -> str:
    """As this process has it, so that the mirror is of the same harness, wherever it was started from."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([*filter(None, given), *(part or str(Path.cwd()) for part in sys.path)]))


def _log(store: Store) -> IO[bytes]:
    """Where W&B's own words go."""
    try:
        return (store.root / "logs" / "wandb.log").open("ab")
    except OSError:
        return open(os.devnull, "wb")  # noqa: PTH123


def _outcome(said: bytes) -> dict[str, Any]:
    """Its last word, without what it left open."""
    try:
        outcome = json.loads(said.splitlines()[-1])
        return {name: value for name, value in outcome.items() if value is not None}
    except (ValueError, IndexError, AttributeError):
        return {"problem": "its process ended without a word"}
