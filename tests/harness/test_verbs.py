from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from harness.board_formats import FORMATS
from harness.lease import Holder
from harness.plan import Cell, Pretraining, plan_to_json
from harness.store import Store
from tests.harness import made_records as made
from tests.harness.command_line import harness

GOOD, TWIN, LOST, WAITING = (
    made.cell("sdae", 0),
    made.cell("sdae", 0, "untrained"),
    made.cell("sae", 0),
    made.cell("sae", 1),
)


def trained(cell: Cell) -> str:
    assert isinstance(cell.encoder, Pretraining)
    return cell.encoder.fingerprint


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One cell done, its twin done, one whose pretraining failed for good, one to do."""
    store = Store.open(tmp_path / "runs")
    plan = made.plan(GOOD, TWIN, LOST, WAITING)
    store.put_json(store.plan(plan.suite), plan_to_json(plan))
    for record in (made.pretraining(GOOD), made.evaluation(GOOD, 0.9), made.evaluation(TWIN, 0.6)):
        store.write(record)
    store.write(made.failed(made.pretraining(LOST)))
    store.log(GOOD.id).write_text("pretrained well\n")
    return store


def test_status_tells_what_is_done_failed_and_to_do_and_why(store: Store) -> None:
    answer = harness("status", "--store", str(store.root))
    assert answer.code == 0
    assert "made: 2 done, 1 failed, 1 to do, of 4 cells" in answer.out
    assert f"failed: {LOST.id}: diverged: the loss is nan (harness logs {LOST.id})" in answer.out
    assert "nothing is running" in answer.out


def test_status_shows_what_runs_and_not_what_a_killed_worker_left(store: Store) -> None:
    progress = {"cell": WAITING.id, "phase": "pretraining", "step": 30, "steps": 60, "loss": 1.5}
    store.put_json(store.progress(trained(WAITING)), progress)
    assert "nothing is running" in harness("status", "--store", str(store.root)).out
    lease = store.lease(trained(WAITING), Holder.here(run="made"))
    assert lease is not None
    row = harness("status", "--store", str(store.root)).out.splitlines()[-1].split()
    assert row[:4] == [WAITING.id, "pretraining", "50%", "1.5"]
    lease.release()


def test_status_of_a_store_without_runs_says_so(tmp_path: Path) -> None:
    Store.open(tmp_path)
    assert "no suite has been run" in harness("status", "--store", str(tmp_path)).out


def test_logs_are_shown_as_they_are_and_a_slip_is_answered_with_the_likeliest(store: Store) -> None:
    assert harness("logs", GOOD.id, "--store", str(store.root)).out == "pretrained well\n"
    answer = harness("logs", "sdae/rectangle/0", "--store", str(store.root))
    assert (answer.code, answer.out) == (2, "")
    assert f'did you mean "{GOOD.id}"?' in answer.err


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_can_be_written_to_a_file(store: Store, form: str, tmp_path: Path) -> None:
    file = tmp_path / "board"
    answer = harness("leaderboard", "--store", str(store.root), "--format", form, "--output", str(file))
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    if form == "parquet":
        assert pl.read_parquet(file)["value"].to_list()[0] == 0.9
    elif form == "json":
        assert json.loads(file.read_text())["rows"][0]["value"] == 0.9
    else:
        assert "0.9" in file.read_text()


def test_a_board_that_cannot_be_written_is_explained(store: Store, tmp_path: Path) -> None:
    answer = harness(
        "leaderboard", "--store", str(store.root), "--format", "csv", "--output", str(tmp_path / "no/board")
    )
    assert answer.code == 2
    assert "--output" in answer.err


def test_the_report_is_written_where_it_says(store: Store) -> None:
    answer = harness("report", "--store", str(store.root))
    assert answer.code == 0
    assert "sdae" in Path(answer.out.strip()).read_text()
