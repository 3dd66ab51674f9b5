"""`harness wandb sync`, with the real `wandb sync` against a server of our own that understands it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report import wandb_push
from harness.report.mirrored import SUMMARY, run_id
from tests.harness.command_line import harness
from tests.harness.made_records import cell
from tests.harness.report.mirrored_stores import entries, filled, made, mirror, several, trained
from tests.harness.report.wandb_server import WandbServer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key but the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with WandbServer() as running:
        monkeypatch.setenv("WANDB_BASE_URL", running.address)
        monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
        yield running


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two runs that are mirrored and not pushed; for the tests that push nothing."""
    plan = several(1)
    store = filled(tmp_path_factory.mktemp("kept") / "runs", plan)
    assert mirror(store, plan)[1] == ""
    return store.root


def test_it_mirrors_pushes_and_does_neither_again(tmp_path: Path, server: WandbServer) -> None:
    plan = made(cell("a", 0), cell("a", 0, "untrained"))
    store = filled(tmp_path / "runs", plan)
    store.write(trained(plan.cells[0]))
    first = harness("wandb", "sync", "--store", str(store.root))
    assert (first.code, first.err) == (0, "")
    assert first.out.endswith("3 runs pushed\n")
    noted = entries(store, plan)
    assert set(server.runs) == {entry.run for entry in noted.values()}
    run = server.runs[noted["a/rectangles/0"].run]
    assert [(row["_step"], row["loss"]) for _, row in sorted(run.history.items())] == [(0, 4), (9, 2), (10, 8)]
    assert (run.project, run.group, run.exit_code, run.finished) == ("p", "made", 0, 1)
    assert run.config["training"] == {"steps": 10}
    assert run.summary["score/class/linear/accuracy"] == 0.5
    assert set(server.artifacts) == {f"run-{noted[SUMMARY].run}-{name}" for name in ("leaderboard", "scores")}
    second = harness("wandb", "sync", "--store", str(store.root))
    assert (second.code, second.out) == (0, "nothing to push\n")
    assert all(run.finished == 1 for run in server.runs.values())
    assert {path.name for path in store.root.glob("wandb/*")} == {
        "data",
        "mirrored",
        "unfinished",
        *(entry.folder for entry in noted.values()),
    }, "no logs of W&B's are left"


def test_what_the_server_refuses_is_kept_and_pushed_later(tmp_path: Path, server: WandbServer) -> None:
    plan = several(2)
    store = filled(tmp_path / "runs", plan)
    harness("wandb", "sync", "--store", str(store.root), "--dry-run")
    assert entries(store, plan) == {}
    server.refuse = {run_id("made", plan.cells[0])}
    first = harness("wandb", "sync", "--store", str(store.root), "--project", "other")
    assert first.code == 3
    assert f"2 of 3 runs pushed to {server.address}" in first.err
    assert {run.project for run in server.runs.values()} == {"other"}
    server.refuse = set()
    second = harness("wandb", "sync", "--store", str(store.root))
    assert second.code == 0
    assert second.out.endswith("1 run pushed\n")
    assert all(run.finished == 1 for run in server.runs.values())
    assert len(server.runs) == 3


def test_a_dry_run_lists_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = several(1)
    store = filled(tmp_path / "runs", plan)
    before = sorted(store.root.rglob("*"))
    answer = harness("wandb", "sync", "--store", str(store.root), "--dry-run")
    assert (answer.code, answer.out) == (0, f"made: {plan.cells[0].id}: would mirror it first\n")
    assert sorted(store.root.rglob("*")) == before


def test_without_a_key_it_says_what_to_do(kept: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    answer = harness("wandb", "sync", "--store", str(kept))
    assert answer.code == 3
    assert "there is no API key: set WANDB_API_KEY or run `wandb login`, then repeat the command" in answer.err
    assert server.runs == {}


def test_without_a_network_it_says_so_within_seconds(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setenv("WANDB_BASE_URL", address)
    answer = harness("wandb", "sync", "--store", str(kept))
    assert answer.code == 3
    assert f"{address} cannot be reached" in answer.err
    assert "the runs are kept" in answer.err


def test_a_server_that_accepts_and_says_nothing_is_given_up(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setattr(wandb_push, "PUSH_PATIENCE", 2.0)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(16)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{mute.getsockname()[1]}")
        began = time.monotonic()
        answer = harness("wandb", "sync", "--store", str(kept))
    assert time.monotonic() - began < 30
    assert answer.code == 3
    assert "0 of 2 runs pushed" in answer.err
    assert "no run came through for 2 s" in answer.err


@pytest.mark.parametrize("mode", ["disabled", "DISABLED"])
def test_switched_off_it_says_by_what(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path / "runs", several(1))
    monkeypatch.setenv("WANDB_MODE", mode)
    answer = harness("wandb", "sync", "--store", str(store.root))
    assert (answer.code, answer.err) == (
        2,
        "harness: W&B is switched off by WANDB_MODE or WANDB_DISABLED; unset it to push runs\n",
    )


def test_a_suite_that_wants_no_wandb_is_left_out(tmp_path: Path) -> None:
    store = filled(tmp_path / "runs", several(1, mode="disabled"))
    answer = harness("wandb", "sync", "--store", str(store.root))
    assert (answer.code, answer.out) == (
        0,
        "made: left out, its suite says wandb.mode: disabled\nnothing to push\n",
    )


@pytest.mark.parametrize(
    ("variables", "settings", "server"),
    [
        ({}, None, "https://api.wandb.ai"),
        ({}, "[default]\nbase_url = https://ours.example\n", "https://ours.example"),
        ({"WANDB_BASE_URL": "http://here:8080"}, "[default]\nbase_url = https://ours.example\n", "http://here:8080"),
        ({}, "no section", "https://api.wandb.ai"),
    ],
)
def test_the_server_is_the_one_that_wandb_would_use(
    variables: dict[str, str], settings: str | None, server: str, tmp_path: Path
) -> None:
    if settings is not None:
        (tmp_path / "settings").write_text(settings)
    assert wandb_push.find_server({"WANDB_CONFIG_DIR": str(tmp_path), **variables}) == server
