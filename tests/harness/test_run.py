"""The driver's exit codes, its last words, and which pool it takes. Whole runs are in tests/endtoend."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness.run as driver
from cluster.capacity import ImpossibleRequest
from cluster.job import SlotSize
from cluster.local import LocalPool
from cluster.pool import PoolError
from harness.datasets import DatasetError
from harness.failures import UserError
from harness.plan import DatasetChoice
from harness.run import COMPLETE, INCOMPLETE, INTERRUPTED, Where, run_suite
from harness.store import Store
from tests.harness.made_records import cell, evaluation, failed, plan, pretraining
from tests.harness.test_todo import SETTINGS

TRAINED, TWIN, RAW = cell("a", 0), cell("a", 0, "untrained"), cell("raw", 0, "raw")
PLAN = replace(plan(RAW, TRAINED, TWIN), settings=SETTINGS)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(driver, "plan_suite", lambda *arguments, **options: PLAN)
    monkeypatch.setattr(driver, "is_cached", lambda choice: True)
    monkeypatch.setattr(driver, "open_dataset", lambda choice: None)
    return Store.open(tmp_path / "runs")


def run(store: Store, **options: Any) -> int:
    plain: dict[str, Any] = {
        "sets": (),
        "only": (),
        "seeds": None,
        "retry_failed": False,
        "where": Where(local=True),
        "json_lines": False,
    }
    return run_suite("made", store=store.root, **{**plain, **options})


def finish(store: Store) -> None:
    store.write(pretraining(TRAINED))
    for each in PLAN.cells:
        store.write(evaluation(each))


def raising(error: BaseException) -> Any:
    def drive(*arguments: object) -> None:
        raise error

    return drive


def test_a_finished_suite_is_complete_and_starts_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(store)
    monkeypatch.setattr(driver, "_pool", raising(AssertionError("a pool for nothing")))
    assert run(store) == COMPLETE
    shown = capsys.readouterr().out
    assert "rectangles · class · linear" in shown
    assert f"store   {store.root}\nreport  {store.root / 'report.html'}\n" in shown
    assert store.plan("made").exists(), "for `status`"


def test_json_lines_are_nothing_but_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    finish(store)
    assert run(store, json_lines=True) == COMPLETE
    assert capsys.readouterr().out == ""


def test_a_cell_given_up_leaves_the_suite_incomplete_and_says_what_to_do(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in (RAW, TWIN):
        store.write(evaluation(each))
    store.write(failed(pretraining(TRAINED)))
    assert run(store) == INCOMPLETE
    assert (
        f"failed before, left alone: {TRAINED.id} (harness logs {TRAINED.id}; run again with --retry-failed)"
        in capsys.readouterr().out
    )


def test_an_interruption_says_how_to_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/harness", "run", "my suite.yaml", "--set", "a.b=c d"])
    monkeypatch.setattr(driver, "_drive", raising(KeyboardInterrupt()))
    assert run(store) == INTERRUPTED
    assert capsys.readouterr().err.endswith("To go on:\n  harness run 'my suite.yaml' --set 'a.b=c d'\n")


def test_sigterm_is_an_interruption_and_the_handler_is_put_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def drive(*arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(driver, "_drive", drive)
    assert run(store) == INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("error", [ImpossibleRequest("64 ranks; lower ranks"), PoolError("no Ray; --local")])
def test_what_the_cluster_cannot_do_is_for_the_user_to_mend(
    error: Exception, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_drive", raising(error))
    with pytest.raises(UserError, match=str(error)) as raised:
        run(store)
    assert raised.value.exit_code == 2


def test_the_pool_fits_the_largest_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("cluster.ray_pool.RayPool", lambda *arguments, **options: asked.append((*arguments, options)))
    wide = replace(TRAINED, cpus_per_rank=3.0, gpus_per_rank=0.5)
    driver._pool(plan(RAW, wide), Where(slots=4, address="far:1"))
    assert asked == [(SlotSize(cpus=3.0, gpus=0.5), 4, driver.HOOKS, {"address": "far:1"})]
    assert isinstance(driver._pool(plan(RAW), Where(local=True)), LocalPool)


def test_bad_data_is_refused_before_anything_starts(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []

    def refuse(choice: DatasetChoice) -> None:
        opened.append(choice.name)
        raise DatasetError("photos/cat/3.jpg is not an image; remove it")

    monkeypatch.setattr(driver, "is_cached", lambda choice: False)
    monkeypatch.setattr(driver, "open_dataset", refuse)
    monkeypatch.setattr(driver, "_drive", raising(AssertionError("nothing starts")))
    with pytest.raises(UserError, match=r"3\.jpg is not an image") as refused:
        run(store)
    assert refused.value.exit_code == 2
    assert opened == ["rectangles"], "each dataset is looked at once"
    assert "preparing the dataset rectangles" in capsys.readouterr().out
