"""The mirror as a process: whatever happens to it or to W&B, it ends, says so in a line, and can be gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from harness.plan import Plan, plan_from_json, plan_to_json
from harness.report import mirror as driver_side
from harness.report.mirror import Mirror, start_mirror, start_process
from harness.report.mirrored import SUMMARY, Ledger
from harness.store import Store
from tests.harness.command_line import harness
from tests.harness.made_records import cell, evaluation
from tests.harness.report.mirrored_stores import entries, filled, made, mirror, runs, several, trained
from tests.harness.report.wandb_server import WandbServer

LATER = "the results are complete. Later: harness wandb sync --store"


@pytest.fixture(autouse=True)
def switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)


@pytest.fixture
def fake_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a module in the place of W&B, for processes that are started from here."""

    def put(source: str) -> None:
        folder = tmp_path / "fake"
        folder.mkdir()
        (folder / "wandb.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))

    return put


def until(condition: Callable[[], bool], patience: float = 30.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def test_records_are_mirrored_as_they_appear_and_the_rest_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"RUN_ID": "x", "RUN_GROUP": "g", "PROJECT": "q", "DIR": str(tmp_path), "RESUME": "must", "MODE": "online"}
    for name, value in theirs.items():  # meant for other runs, or a wish that the suite does not have
        monkeypatch.setenv(f"WANDB_{name}", value)
    plan = made(cell("a", 0), cell("a", 0, "untrained"))
    store = filled(tmp_path / "runs", plan)
    with start_mirror(plan, store, work=True) as running:
        until(lambda: set(entries(store, plan)) == {"a.untrained/rectangles/0"})
        store.write(trained(plan.cells[0]))
        assert running.conclude() == (f"wandb   {store.root / 'wandb'}", "")
    found = runs(store, plan)
    assert set(found) == {"a/rectangles/0", "a.untrained/rectangles/0", SUMMARY}
    assert [row["loss"] for row in found["a/rectangles/0"].curve] == [4, 2, 8]
    assert found[SUMMARY].summary["cells/done"] == 2
    assert {(read.run.project, read.run.run_group) for read in found.values()} == {("p", "made")}
    assert not (tmp_path / "wandb").exists()
    assert start_mirror(plan, store, work=False)._process is None, "all is mirrored"


def test_a_suite_or_an_environment_without_wandb_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = several(1, mode="disabled")
    store = filled(tmp_path / "runs", plan)
    monkeypatch.setattr(driver_side, "start_process", None)
    assert start_mirror(plan, store, work=True).conclude() == ("", "")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert start_mirror(several(1), store, work=True).conclude() == ("", "")


def test_killed_in_the_middle_it_is_caught_up_with_and_each_run_is_there_once(tmp_path: Path) -> None:
    plan = several(6)
    store = filled(tmp_path / "runs", plan)
    first = start_process(store, plan.suite, "offline")
    until(lambda: len(entries(store, plan)) >= 2)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    done = len(entries(store, plan))
    assert done < len(plan.cells)
    ledger = Ledger(store, plan.suite).path  # as if it had been killed between a run and its line, or within it
    ledger.write_bytes(ledger.read_bytes()[:-9])
    assert len(entries(store, plan)) == done - 1
    assert mirror(store, plan)[1] == ""
    assert set(runs(store, plan)) == {SUMMARY, *(one.id for one in plan.cells)}
    lines = [line for line in ledger.read_bytes().split(b"\n") if line]
    assert len(lines) == len(plan.cells) + 1 + 1, "what was done is not done again; and the torn line"


def test_it_goes_on_to_the_end_where_its_driver_is_killed(tmp_path: Path) -> None:
    plan = several(3)
    store = filled(tmp_path / "runs", plan)
    program = (
        "import sys, time; from pathlib import Path; from harness.report.mirror import start_process; "
        "from harness.store import Store; start_process(Store(Path(sys.argv[1])), 'made', 'offline'); time.sleep(60)"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", program, str(store.root)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    until(lambda: len(entries(store, plan)) >= 1)
    driver.kill()
    driver.wait()
    until(lambda: SUMMARY in entries(store, plan) and not any((store.root / "leases").iterdir()))
    assert set(runs(store, plan)) == {SUMMARY, *(one.id for one in plan.cells)}


def test_an_interrupted_run_takes_its_mirror_and_the_helper_of_wandb_with_it(tmp_path: Path) -> None:
    plan = several(1)
    store = filled(tmp_path / "runs", plan)
    running = start_mirror(plan, store, work=True)

    def interrupted() -> None:
        with running:
            until(lambda: len(entries(store, plan)) == 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    process = running._process
    assert process is not None
    assert process.poll() is not None
    until(lambda: not _group_is_alive(process.pid), 5.0)


def _group_is_alive(group: int) -> bool:
    alive = [process for process in psutil.process_iter() if process.status() != psutil.STATUS_ZOMBIE]
    for process in alive:
        with suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group:
                return True
    return False


def test_two_at_once_do_each_run_once(tmp_path: Path) -> None:
    plan = several(4)
    store = filled(tmp_path / "runs", plan)
    both = [Mirror(start_process(store, plan.suite, "offline"), store, 60.0) for _ in range(2)]
    assert [one.conclude()[1] for one in both] == ["", ""]
    assert set(runs(store, plan)) == {SUMMARY, *(one.id for one in plan.cells)}
    assert len([line for line in Ledger(store, "made").path.read_bytes().split(b"\n") if line]) == len(plan.cells) + 1


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("raise ImportError('no such library')", "W&B cannot be imported (no such library)"),
        ("raise RuntimeError('torn installation')", "RuntimeError: torn installation"),
        (
            "class Table: MAX_ARTIFACT_ROWS = 1\nSettings = dict\ndef init(**given): raise OSError('no core')",
            "OSError: no core",
        ),
        ("import os; os._exit(1)", "its process ended without a word"),
    ],
)
def test_a_broken_wandb_is_told_in_one_line(
    source: str, problem: str, tmp_path: Path, fake_wandb: Callable[[str], None]
) -> None:
    plan = several(2)
    store = filled(tmp_path / "runs", plan)
    fake_wandb(source)
    place, trouble = mirror(store, plan)
    assert place == ""
    assert "\n" not in trouble
    assert problem in trouble
    assert LATER in trouble
    assert "2 runs not mirrored" in trouble or problem.startswith("its process")


def test_a_wandb_that_hangs_delays_the_end_of_a_run_by_a_bounded_time(
    tmp_path: Path, fake_wandb: Callable[[str], None]
) -> None:
    plan = several(1)
    store = filled(tmp_path / "runs", plan)
    fake_wandb("import time; time.sleep(600)")
    began = time.monotonic()
    _, trouble = mirror(store, plan, patience=1.0)
    assert time.monotonic() - began < 1.0 + driver_side.GRACE + 2.0
    assert "it hung, and was ended" in trouble


def test_a_wandb_that_hangs_ends_by_itself_where_nobody_waits(
    tmp_path: Path, fake_wandb: Callable[[str], None]
) -> None:
    plan = several(1)
    store = filled(tmp_path / "runs", plan)
    fake_wandb("import time; time.sleep(600)")
    program = (
        "from harness.report import mirror_process, mirroring; mirroring.IMPORT_PATIENCE = 0.3; mirror_process.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(store.root), "made", "offline"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert b"W&B did not answer within 0 s" in ended.stdout


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    plan = several(2)
    store = filled(tmp_path / "runs", plan)
    (store.root / "wandb").write_text("a file where the folder should be")
    _, trouble = mirror(store, plan)
    assert trouble.startswith("2 runs not mirrored in W&B: [Errno 20] Not a directory:")
    assert LATER in trouble


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize(("options", "problem"), [("size=40k", ""), ("ro", "Read-only file system")])
def test_a_full_or_read_only_disk_leaves_no_half_run(options: str, problem: str, tmp_path: Path) -> None:
    plan = several(12)
    store = filled(tmp_path / "runs", plan)
    disk = store.root / "wandb"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("not allowed to mount a small disk here")
    try:
        _, trouble = mirror(store, plan)
        assert problem in trouble
        assert "not mirrored in W&B" in trouble
        assert LATER in trouble
        runs(store, plan)  # those that are there are whole
    finally:
        until(lambda: subprocess.run(["umount", disk], capture_output=True, check=False).returncode == 0)
    assert mirror(store, plan)[1] == "", "with room it goes on"


def test_it_is_of_the_same_harness_wherever_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "checkout" / "harness"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise RuntimeError('another harness')")
    monkeypatch.chdir(other.parent)
    plan = several(1)
    assert mirror(filled(tmp_path / "runs", plan), plan)[1] == ""


@pytest.mark.parametrize("kept", [{"version": 99}, {"version": 1, "suite": "made"}])
def test_a_plan_that_cannot_be_read_is_told(kept: dict[str, object], tmp_path: Path) -> None:
    plan = several(1)
    store = filled(tmp_path / "runs", plan)
    store.put_json(store.plan("made"), kept)
    assert LATER in mirror(store, plan)[1]
    assert "without a word" not in mirror(store, plan)[1]


def test_records_that_cannot_be_told_of_hold_up_no_other(tmp_path: Path) -> None:
    plan = several(2)
    store = filled(tmp_path / "runs", made(plan.cells[0]))
    store.write(evaluation(plan.cells[1], result={"task": "class"}))
    store.put_json(store.plan("made"), plan_to_json(plan))
    _, trouble = mirror(store, plan)
    assert trouble.startswith(f"1 run not mirrored in W&B: {plan.cells[1].id}: ")
    assert plan.cells[0].id in runs(store, plan)


def test_online_without_a_key_it_stays_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    plan = several(1, mode="online")
    store = filled(tmp_path / "runs", plan)
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        place, trouble = mirror(store, plan, mode="online")
    assert place.endswith("wandb")
    assert "kept offline: 0 of 2 runs pushed" in trouble
    assert "there is no API key" in trouble
    assert len(runs(store, plan)) == 2


def test_online_it_pushes_what_it_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    plan = several(1, mode="online")
    store = filled(tmp_path / "runs", plan)
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        assert mirror(store, plan, mode="online")[1] == ""
    assert {run: received.finished for run, received in server.runs.items()} == {
        entry.run: 1 for entry in entries(store, plan).values()
    }


def test_a_run_is_complete_without_wandb(
    tmp_path: Path, dataset_cache: Path, fake_wandb: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command itself: exit code, board and records are those of a run with W&B; one line tells of it."""
    suite = tmp_path / "tiny.yaml"
    suite.write_text(TINY)
    words = ("run", str(suite), "--store", str(tmp_path / "runs"), "--local", "--only", "raw/*")
    fake_wandb("raise ImportError('no such library')")
    done = harness(*words)
    assert done.code == 0
    assert "digits · digit · linear" in done.out
    (line,) = [line for line in done.err.splitlines() if "W&B" in line]
    assert line.startswith("harness: 1 run not mirrored in W&B: W&B cannot be imported (no such library)")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    again = harness(*words)
    assert again.out.endswith(f"wandb   {tmp_path / 'runs' / 'wandb'}\n")
    assert "W&B" not in again.err
    plan = _kept(tmp_path / "runs")
    assert set(runs(Store(tmp_path / "runs"), plan)) == {"raw/digits/0", SUMMARY}


TINY = """\
name: tiny
methods: [sdae]
datasets: [digits]
evaluate: {protocols: [{name: linear, config: {points: 1, weakest: 0.1, strongest: 0.1}}]}
"""


def _kept(root: Path) -> Plan:
    store = Store(root)
    return plan_from_json(store.get_json(store.plan("tiny")))
