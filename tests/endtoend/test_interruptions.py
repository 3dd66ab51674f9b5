"""Killed drivers, Ctrl-C, killed workers, rivals: nothing is lost, done twice, or left behind."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from harness.store import Store
from tests.endtoend.conftest import Run
from tests.endtoend.running import Process, await_, done_once, in_the_middle, numbers, records


def test_a_killed_driver_goes_on_from_its_checkpoint_to_the_same_numbers(
    suite: str, reference: Path, tmp_path: Path
) -> None:
    store = tmp_path / "runs"
    command = ("run", suite, "--store", str(store))
    with Process(tmp_path, *command) as first:
        first.until(lambda: in_the_middle(store))
        first.kill()
        assert first.ended().code == -signal.SIGKILL
        kept = {path.name: path.stat().st_mtime_ns for path in store.glob("records/*.ok.json")}
        assert 0 < len(kept) < len(numbers(reference))
        with Process(tmp_path, *command) as second:
            ended = second.ended()
        assert ended.code == 0, ended
        await_(lambda: not first.left())
        assert not second.left()
    assert numbers(store) == numbers(reference)
    assert done_once(store)
    assert {name: (store / "records" / name).stat().st_mtime_ns for name in kept} == kept
    assert not list(store.glob("checkpoints/*")), "removed once the record is there"
    opened = Store.open(store)
    assert not [folder for folder in store.glob("leases/*") if opened.holder(folder.name)], "nothing is blocked"
    assert "going on from step" in "".join(path.read_text() for path in store.glob("logs/*.log"))


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(
    suite: str, reference: Path, tmp_path: Path, harness_command: Run
) -> None:
    store = tmp_path / "runs"
    with Process(tmp_path, "run", suite, "--store", str(store)) as run:
        run.until(lambda: in_the_middle(store))
        run.interrupt()
        ended = run.ended()
        assert not run.left()
    assert ended.code == 130, ended
    assert f"To go on:\n  harness run {suite} --store {store}\n" in ended.err
    assert "Traceback" not in ended.err + ended.out
    assert not list(store.glob("leases/*/*"))
    kept = numbers(store)
    assert kept
    assert not [record for record in records(store) if record.status == "failed"], "an interruption is no failure"
    resumed = harness_command("run", suite, "--store", store, "--local")
    assert resumed.code == 0
    assert numbers(store) == numbers(reference)
    assert done_once(store)


def test_a_killed_worker_is_replaced_and_its_cell_goes_on(
    suite: str, reference: Path, tmp_path: Path, harness_command: Run, shared_ray: None
) -> None:
    store = tmp_path / "runs"
    killed = []

    def kill() -> None:
        """The worker that pretrains, once it has saved itself."""
        opened = Store(store)

        def is_there() -> bool:
            for checkpoint in store.glob("checkpoints/*/latest.safetensors"):
                at_work = opened.get_json(opened.progress(checkpoint.parent.name))
                if at_work:
                    os.kill(at_work["pid"], signal.SIGKILL)
                    killed.append(checkpoint.parent.name)
            return bool(killed)

        await_(is_there)

    killer = threading.Thread(target=kill)
    killer.start()
    ended = harness_command("run", suite, "--store", store, "--slots", "1")
    killer.join()
    assert ended.code == 0, ended
    assert numbers(store) == numbers(reference)
    failed = [record for record in records(store) if record.status == "failed"]
    assert [record.fingerprint for record in failed] == killed
    assert failed[0].failure is not None
    assert (failed[0].failure["class"], failed[0].failure["final"]) == ("lost", "no")
    log = harness_command("logs", failed[0].cell, "--store", store)
    assert log.code == 0
    assert "attempt 1: lost: process " in log.out
    assert "going on from step" in log.out


def test_two_runs_on_one_store_share_the_work(suite: str, reference: Path, tmp_path: Path) -> None:
    store = tmp_path / "runs"
    command = ("run", suite, "--store", str(store), "--local")
    with Process(tmp_path, *command) as one, Process(tmp_path, *command) as other:
        ended, other_ended = one.ended(), other.ended()
    assert (ended.code, other_ended.code) == (0, 0), (ended, other_ended)
    assert ended.board == other_ended.board
    assert numbers(store) == numbers(reference)
    assert done_once(store), "nothing was done twice"
    assert not [record for record in records(store) if record.status == "failed"]
