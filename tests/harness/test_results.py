"""The page and the board of a store: all that counts is on them, and nothing of another plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.plan import NotApplicable
from harness.record import Record
from harness.results import board_of, write_page
from harness.store import Store
from tests.harness.made_records import cell, evaluation, failed, plan, pretraining

CURVE = [{"stage": 0, "step": 0, "loss": 9.0, "terms": {}}, {"stage": 0, "step": 9, "loss": 4.0, "terms": {}}]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def fill(store: Store, label: str, value: float, seeds: int = 3) -> None:
    for seed in range(seeds):
        trained, twin = cell(label, seed), cell(label, seed, "untrained")
        record = pretraining(trained)
        store.write(replace(record, result={**record.result, "curve": CURVE}))
        store.write(evaluation(trained, value + seed / 1000))
        store.write(evaluation(twin, 0.3 + seed / 500))


def page(store: Store, *labels: str, not_applicable: tuple[NotApplicable, ...] = ()) -> str:
    cells = [cell(label, seed, control) for label in labels for seed in range(3) for control in (None, "untrained")]
    wanted = plan(*cells, not_applicable=not_applicable)
    return write_page(store, wanted, board_of(store, wanted)).read_text()


def test_the_page_names_the_best_and_its_gain_over_its_twin(store: Store) -> None:
    fill(store, "good", 0.9)
    fill(store, "fair", 0.6)
    shown = page(store, "good", "fair")
    assert "rectangles, class (linear): good ranks first with accuracy 0.901, +0.599 over its untrained twin" in shown
    assert "; 3 seeds; good beats fair on rectangles by 30.0 points" in shown


def test_a_plans_page_has_nothing_of_other_plans(store: Store) -> None:
    fill(store, "good", 0.9)
    fill(store, "stranger", 0.99)
    assert "stranger" not in page(store, "good")
    whole = write_page(store, None, board_of(store, None)).read_text()
    assert "stranger" in whole
    assert "good" in whole


def test_a_failure_and_an_exclusion_are_on_the_page(store: Store) -> None:
    fill(store, "good", 0.9)
    broken = failed(pretraining(cell("broken", 0)))
    store.write(broken)
    out = NotApplicable(label="good", dataset="text", reason="learns from images, not from text")
    shown = page(store, "good", "broken", not_applicable=(out,))
    assert "diverged: the loss is nan" in shown
    assert "learns from images, not from text" in shown


def test_a_failure_that_was_mended_is_no_problem_any_more(store: Store) -> None:
    fill(store, "good", 0.9)
    store.write(replace(failed(pretraining(cell("good", 0))), attempt=2))
    assert "diverged" not in page(store, "good")


def test_the_last_failure_is_the_one_that_is_told(store: Store) -> None:
    fill(store, "good", 0.9)
    for attempt in range(1, 12):
        record: Record = failed(pretraining(cell("broken", 0)))
        why = {"class": "lost", "message": f"number {attempt} was lost", "traceback": ""}
        store.write(replace(record, attempt=attempt, failure=why))
    shown = page(store, "good", "broken")
    assert "number 11 was lost" in shown
    assert "number 9 was lost" not in shown


def test_an_empty_store_has_a_page_too(store: Store) -> None:
    assert "<html" in page(store, "good")


def test_markup_in_a_message_stays_text(store: Store) -> None:
    fill(store, "good", 0.9)
    record = failed(pretraining(cell("broken", 0)))
    why = {"class": "code", "message": "<script>alert(1)</script>", "traceback": ""}
    store.write(replace(record, failure=why))
    shown = page(store, "good", "broken")
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown


def test_what_a_method_watched_is_drawn_on_the_page(store: Store) -> None:
    record = pretraining(cell("good", 0))
    watched = [
        {**point, "monitors": {"spread": 0.5 + place, "accuracy_1": 0.4 + place / 2, "accuracy_2": 0.1}}
        for place, point in enumerate(CURVE)
    ]
    store.write(replace(record, result={**record.result, "curve": watched}))
    store.write(evaluation(cell("good", 0), 0.9))
    shown = page(store, "good")
    assert "<figcaption>spread · 0.5 → 1.5</figcaption>" in shown
    assert "<figcaption>accuracy 1 to 2, at the end · 0.9 → 0.1</figcaption>" in shown
