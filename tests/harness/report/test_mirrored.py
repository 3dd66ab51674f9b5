"""What is due, told by names; the ledger; ids; and how far WANDB_MODE reaches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.report.mirrored import (
    SUMMARY,
    Entry,
    Ledger,
    Names,
    due,
    is_behind,
    mode_of,
    run_id,
    state_of,
    summary_state,
    unpushed,
)
from harness.store import Store
from tests.harness.made_records import cell, evaluation, failed, pretraining
from tests.harness.report.mirrored_stores import filled, made

TRAINED, TWIN = cell("a", 0), cell("a", 0, "untrained")
PLAN = made(TRAINED, TWIN)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def names_due(store: Store) -> list[str]:
    return [one.id for one in due(PLAN, Names(store), Ledger(store, "made").entries())]


def note(store: Store) -> None:
    """As a mirror that has mirrored all that is due."""
    ledger = Ledger(store, "made")
    for one in due(PLAN, Names(store), ledger.entries()):
        state = state_of("p", Names(store).of(one))
        ledger.note(Entry(cell=one.id, run=run_id("made", one), folder=f"offline-run-{one.label}", state=state))
    ledger.note(Entry(cell=SUMMARY, run="s", folder="s", state=summary_state(ledger.entries(), PLAN)))


def test_a_cell_is_due_once_all_its_records_are_there(store: Store) -> None:
    assert names_due(store) == []
    store.write(pretraining(TRAINED))
    store.write(evaluation(TWIN))
    assert names_due(store) == [TWIN.id]
    store.write(evaluation(TRAINED))
    assert names_due(store) == [TRAINED.id, TWIN.id]
    assert is_behind(PLAN, store)
    note(store)
    assert names_due(store) == []
    assert not is_behind(PLAN, store)


def test_a_cell_is_due_once_it_has_failed_for_good_and_again_when_it_is_mended(store: Store) -> None:
    passing = failed(pretraining(TRAINED))
    store.write(replace(passing, failure={**(passing.failure or {}), "final": "no"}))
    assert names_due(store) == [], "it will be tried again"
    store.write(replace(passing, attempt=2))
    assert names_due(store) == [TRAINED.id]
    note(store)
    assert names_due(store) == []
    store.write(pretraining(TRAINED, attempt=3))
    assert names_due(store) == [], "its evaluation is to come"
    store.write(evaluation(TRAINED))
    assert names_due(store) == [TRAINED.id]


def test_another_project_makes_every_run_due(store: Store) -> None:
    store.write(evaluation(TWIN))
    note(store)
    other = made(TRAINED, TWIN, project="q")
    assert [one.id for one in due(other, Names(store), Ledger(store, "made").entries())] == [TWIN.id]
    assert is_behind(other, store)


def test_a_plan_of_fewer_cells_makes_the_summary_due(store: Store) -> None:
    for record in (pretraining(TRAINED), evaluation(TRAINED), evaluation(TWIN)):
        store.write(record)
    note(store)
    assert is_behind(made(TWIN), store)


def test_a_torn_line_counts_as_not_written_and_spoils_no_other(store: Store) -> None:
    ledger = Ledger(store, "made")
    first, second = (Entry(cell=name, run="r", folder="f", state="s") for name in ("x/y/0", "x/y/1"))
    ledger.note(first)
    with ledger.path.open("ab") as file:
        file.write(b'\n{"cell":"x/y/2","ru')
    ledger.note(second)
    ledger.note(replace(first, state="later"))
    assert ledger.entries() == {"x/y/0": replace(first, state="later"), "x/y/1": second}


def test_an_id_stands_for_a_cell_of_a_suite_and_its_encoder() -> None:
    ids = {
        run_id("made", TRAINED),
        run_id("other", TRAINED),
        run_id("made", TWIN),
        run_id("made", cell("a", 1)),
        run_id("made", cell("b", 0)),
        run_id("made", cell("a", 0, steps=11)),
        run_id("made", cell("a", 0, on="convex")),
    }
    assert len(ids) == 7
    assert run_id("made", replace(TRAINED, evaluations=())) == run_id("made", cell("a", 0)), "a new protocol joins it"


@pytest.mark.parametrize(
    ("suite", "environment", "mode"),
    [
        ("offline", {}, "offline"),
        ("online", {}, "online"),
        ("disabled", {"WANDB_MODE": "online"}, "disabled"),
        ("offline", {"WANDB_MODE": "online"}, "offline"),
        ("online", {"WANDB_MODE": "offline"}, "offline"),
        ("online", {"WANDB_MODE": "dryrun"}, "offline"),
        ("offline", {"WANDB_MODE": "disabled"}, "disabled"),
        ("online", {"WANDB_DISABLED": "true"}, "disabled"),
        ("online", {"WANDB_MODE": "shared"}, "online"),
    ],
)
def test_the_environment_can_lower_what_a_suite_asks_for_and_not_raise_it(
    suite: str, environment: dict[str, str], mode: str
) -> None:
    assert mode_of(made(mode=suite), environment) == mode


def test_what_wandb_sync_has_marked_is_not_pushed_again(tmp_path: Path) -> None:
    store = filled(tmp_path, PLAN)
    ledger = Ledger(store, "made")
    for label in ("x", "y", "gone"):
        ledger.note(Entry(cell=f"{label}/d/0", run=label, folder=f"offline-run-1-{label}", state="s"))
    folders = [store.root / "wandb" / f"offline-run-1-{label}" for label in ("x", "y")]
    for folder in folders:
        folder.mkdir()
    assert list(unpushed(store, ["made"])) == [("x/d/0", folders[0]), ("y/d/0", folders[1])]
    (folders[0] / "run-x.wandb.synced").touch()
    assert list(unpushed(store, ["made"])) == [("y/d/0", folders[1])]
