"""What a run says of its cell: written by W&B itself, and read back from its offline file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.report import wandb_files
from harness.report.gallery import save_panels
from harness.report.mirrored import Ledger, Names
from harness.report.wandb_files import NotWrittenError, OfflineRuns
from harness.report.wandb_runs import Content, cell_run
from harness.report.wandb_summary import summary_run
from harness.store import Store
from methods import Panel, TextPanel
from tests.harness.made_records import COST, PROOF, cell, evaluation, failed, pretraining
from tests.harness.report.mirrored_stores import filled, made, trained
from tests.harness.report.offline_files import Read, read_folder

TRAINED, TWIN, RAW = cell("a", 0), cell("a", 0, "untrained"), cell("raw", 0, "raw")
PLAN = made(RAW, TRAINED, TWIN)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


@pytest.fixture(scope="module")
def wandb_helper() -> Iterator[None]:
    """W&B starts a process to write for it; it goes with these tests."""
    yield
    import wandb

    wandb.teardown()


@pytest.fixture
def wandb_variables(wandb_helper: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the mirror's process; what it changes in the environment is put back."""
    for name in ("WANDB_MODE", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_SILENT", "true")


def content(store: Store, of: object = TRAINED) -> Content:
    return cell_run(PLAN, of, list(store.read(Names(store).of(of))), store)  # type: ignore[arg-type]


def written(store: Store, what: Content) -> Read:
    runs = OfflineRuns(store, "made")
    runs.prepare()
    folder = store.root / "wandb" / runs.write(what, "p")
    runs.clear()
    return read_folder(folder)


def test_a_trained_cell_is_read_back_whole(store: Store, wandb_variables: None) -> None:
    store.write(trained(TRAINED))
    store.write(evaluation(TRAINED, 0.75))
    tiles = np.linspace(0, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    artifacts = store.artifacts(pretraining(TRAINED).fingerprint)
    words = TextPanel(title="Guesses", caption="a < b", lines=["the <b>cat</b>", "sat"])
    save_panels(artifacts / "gallery", [Panel(title="Filters", caption="what it looks for", images=tiles), words])
    read = written(store, content(store))

    run = read.run
    assert (run.project, run.run_group, run.job_type, run.display_name) == ("p", "made", "trained", TRAINED.id)
    assert set(run.tags) == {"trained", "a", "rectangles"}
    assert read.exit_code == 0
    assert read.curve == [
        {"_step": 0, "loss": 4, "stage": 0, "loss/stage0": 4, "terms/error": 4, "monitors/spread": 0.5},
        {"_step": 9, "loss": 2, "stage": 0, "loss/stage0": 2, "terms/error": 2, "monitors/spread": 0.6},
        {"_step": 10, "loss": 8, "stage": 1, "loss/stage1": 8, "terms/error": 8},
    ]
    summary = read.summary
    assert summary["status"] == "ok"
    assert {name: summary[f"cost/{name}"] for name in COST} == COST
    assert {name: summary[f"proof/{name}"] for name in PROOF} == PROOF
    assert summary["score/class/linear/accuracy"] == summary["score/class/linear/z/accuracy"] == 0.75
    assert summary["score/class/linear/h/accuracy"] == 0.99
    config = read.config
    assert (config["label"], config["method"], config["seed"], config["control"]) == ("a", "toy", 0, None)
    assert config["method_config"] == {"of": "a"}
    assert config["training"] == {"steps": 10}
    assert config["dataset"]["name"] == "rectangles"
    assert config["evaluations"] == {"class/linear": {"l2": [0.01, 1]}}
    assert config["pretraining"] in config["fingerprints"]
    (picture,) = (file for file in read.files if file.startswith("media/images/gallery/Filters"))
    (folder,) = (store.root / "wandb").glob("offline-run-*")
    assert (folder / "files" / picture).read_bytes() == (artifacts / "gallery" / "00-filters.png").read_bytes()
    (text,) = (file for file in read.files if file.startswith("media/html/gallery/Guesses"))
    shown = (folder / "files" / text).read_text(encoding="utf-8")
    assert "<p>a &lt; b</p><pre>the &lt;b&gt;cat&lt;/b&gt;\nsat\n</pre>" in shown
    assert not [kind for kind in read.kinds if kind in ("stats", "output", "output_raw", "environment")]


def test_controls_are_runs_of_their_own_kind(store: Store) -> None:
    for one in (RAW, TWIN):
        store.write(evaluation(one))
    assert [content(store, one).job_type for one in (RAW, TWIN)] == ["raw", "untrained"]
    assert content(store, RAW).config["method"] is None
    assert content(store, TWIN).history == ()


def test_a_failed_cell_ends_with_code_1_and_says_why(store: Store, wandb_variables: None) -> None:
    store.write(failed(pretraining(TRAINED), "oom"))
    store.write(failed(pretraining(TRAINED, attempt=2)))
    read = written(store, content(store))
    assert read.exit_code == 1
    assert read.summary["status"] == "failed"
    assert read.summary["failure"] == "diverged: the loss is nan"
    assert "cost/seconds" not in read.summary


def test_a_failure_that_was_mended_is_no_failure(store: Store) -> None:
    store.write(failed(pretraining(TRAINED)))
    store.write(trained(replace(TRAINED)))
    store.write(evaluation(TRAINED))
    mended = content(store)
    assert (mended.exit_code, mended.summary["status"]) == (0, "ok")
    assert "failure" not in mended.summary


def test_the_summary_has_the_board_and_the_scores_as_tables(tmp_path: Path, wandb_variables: None) -> None:
    store = filled(tmp_path / "runs", PLAN)
    store.write(trained(TRAINED))
    store.write(evaluation(cell("another", 0, "untrained"), 0.1))  # of no cell of the plan
    read = written(store, summary_run(PLAN, store))
    (folder,) = (store.root / "wandb").glob("offline-run-*")
    assert (read.run.job_type, read.run.run_group) == ("summary", "made")
    assert "| a (untrained) |" in read.run.notes, "the board, for people"
    tables = {
        name: json.loads((folder / "files" / read.summary[f"{name}.path"]).read_text())
        for name in ("leaderboard", "scores")
    }
    board = [dict(zip(tables["leaderboard"]["columns"], row, strict=True)) for row in tables["leaderboard"]["data"]]
    assert {(row["method"], row["control"]) for row in board} == {("a", None), ("a", "untrained"), ("raw", "raw")}
    assert [row["rank"] for row in board if row["control"] is None] == [1]
    scores = [dict(zip(tables["scores"]["columns"], row, strict=True)) for row in tables["scores"]["data"]]
    assert {(row["cell"], row["representation"]) for row in scores} == {
        (one.id, name) for one in PLAN.cells for name in ("z", "h")
    }
    assert {(artifact.type, artifact.name.split("-")[-1]) for artifact in read.artifacts} == {
        ("run_table", "leaderboard"),
        ("run_table", "scores"),
    }
    staged = [Path(entry.local_path) for artifact in read.artifacts for entry in artifact.manifest.contents]
    assert staged
    assert all(path.is_file() and path.is_relative_to(store.root.resolve()) for path in staged), (
        "or none could push them"
    )
    assert (read.summary["cells/planned"], read.summary["cells/done"], read.summary["cells/missing"]) == (3, 3, 0)


def test_a_run_written_again_takes_the_place_of_the_first(store: Store, wandb_variables: None) -> None:
    store.write(failed(pretraining(TRAINED)))
    first = written(store, content(store))
    store.write(trained(TRAINED))
    store.write(evaluation(TRAINED))
    second = written(store, content(store))
    assert first.run.run_id == second.run.run_id
    (folder,) = (store.root / "wandb").glob("offline-run-*")
    assert read_folder(folder).exit_code == 0


def test_half_a_run_is_not_published(store: Store, wandb_variables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B itself takes a file that it could not finish for a success."""
    store.write(evaluation(TWIN))
    monkeypatch.setattr(wandb_files, "FLUSH_PATIENCE", 0.1)
    whole = wandb_files._is_whole

    def cut(file: Path) -> bool:
        if whole(file):
            file.write_bytes(file.read_bytes()[:-5])
        return whole(file)

    monkeypatch.setattr(wandb_files, "_is_whole", cut)
    with pytest.raises(NotWrittenError, match="half a run"):
        written(store, content(store, TWIN))
    assert not list((store.root / "wandb").glob("offline-run-*"))
    assert Ledger(store, "made").entries() == {}
