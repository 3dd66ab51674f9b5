"""What an evaluation leaves beside its scores, with a split and without one. Whole cells are in test_cell.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import evaluation, protocols
from harness.baselines.raw import RawInput
from harness.datasets import SplitName
from harness.datasets.cache import Materialised
from harness.features import Encodings
from harness.plan import Baseline, Cell, DatasetChoice, Evaluation, Initialisation, Pretraining
from harness.protocols import Protocol, Solution, View
from methods import Keys, Settings
from tests.harness.test_folds import SIZE, pool

CHOICE = DatasetChoice(name="pool", version=1, config={})
RAW = Cell(label="raw", dataset=CHOICE, seed=0, control="raw", encoder=None, evaluations=())


@dataclass(frozen=True, kw_only=True)
class ReaderConfig(Settings):
    pass


class Reader(Protocol):
    """Reads the class off the pixel, wrongly for the first example; notes what it was given."""

    name = "reader"
    version = 1
    kinds = frozenset({"class"})
    Config = ReaderConfig
    views: list[View] = []  # noqa: RUF012

    def solve(self, view: View, task: Any, keys: Keys) -> Solution:
        self.views.append(view)
        found = (view.test.pooled()[:, 0] > 0.5).long().numpy()
        number = view.test.pooled()[:, 1].mul(255).round().long().numpy()
        return Solution(
            predictions=np.where(number == 0, 1 - found, found),
            selection={"seed": keys.seed()},
            warnings=("always", *(["once"] if 0 in number else [])),
        )


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> type[Reader]:
    monkeypatch.setattr(Reader, "views", [])
    monkeypatch.setattr(protocols, "roster", lambda: {"reader": Reader})
    return Reader


def evaluated(data: Materialised, cell: Cell = RAW) -> evaluation.Evaluated:
    asked = Evaluation(task="kind", protocol="reader", protocol_version=1, protocol_config={})

    def encodings(split: SplitName, examples: str) -> Encodings:
        return Encodings(RawInput(), data.split(split, examples).source)

    return evaluation.evaluate(cell, asked, data, encodings)


def test_every_example_is_tested_once_and_its_outcome_stands_at_its_place(tmp_path: Path, reader: type[Reader]) -> None:
    done = evaluated(pool(tmp_path))
    assert len(reader.views) == done.result["folds"] == 5
    assert done.result["test_size"] == SIZE
    assert done.result["scores"][0]["value"] == pytest.approx(1 - 1 / SIZE)
    assert done.outcomes["raw"].dtype == np.uint8
    assert done.outcomes["raw"].tolist() == [0] + [1] * (SIZE - 1)
    labels = pool(tmp_path).split("train").labels("kind").numpy()
    assert done.predictions["raw"].tolist() == [1 - labels[0], *labels[1:]]


def test_each_fold_has_randomness_a_choice_and_warnings_of_its_own(tmp_path: Path, reader: type[Reader]) -> None:
    done = evaluated(pool(tmp_path))
    assert len({choice["seed"] for choice in done.result["selection"]["raw"]["folds"]}) == 5
    assert done.result["warnings"] == ["raw in 5 of 5 folds: always", "raw in 1 of 5 folds: once"]


def test_targets_go_with_their_examples(tmp_path: Path, reader: type[Reader]) -> None:
    evaluated(pool(tmp_path))
    for view in reader.views:
        for part, targets in ((view.train, view.train_targets), (view.val, view.val_targets)):
            assert ((part.pooled()[:, 0] > 0.5).long() == targets).all()


def test_pretraining_on_what_is_tested_is_told(tmp_path: Path, reader: type[Reader]) -> None:
    def told(encoder: Any) -> bool:
        cell = replace(RAW, encoder=encoder)
        return evaluation._transductive(cell, pool(tmp_path))

    start = Initialisation(method="m", version=1, config={}, dataset=CHOICE, seed=0)
    elsewhere = replace(start, dataset=replace(CHOICE, name="other"))
    other_config = replace(start, dataset=replace(CHOICE, config={"labels": "none"}))
    other_files = replace(start, dataset=replace(CHOICE, content={"digest": "0"}))
    assert told(Pretraining(initialisation=start, training={}, compute={}))
    assert told(Pretraining(initialisation=other_config, training={}, compute={}))
    assert not told(Pretraining(initialisation=other_files, training={}, compute={}))
    assert not told(Pretraining(initialisation=elsewhere, training={}, compute={}))
    assert not told(start)
    assert not told(None)
    assert told(Baseline(baseline="tfidf", version=1)), "its vocabulary has seen every fold"


def test_a_baseline_is_asked_once_and_touches_no_features(
    tmp_path: Path, reader: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    def solve(self: Any, view: View, task: Any, keys: Keys) -> Solution:
        return Solution(predictions=np.zeros(len(view.test.ids), np.int64))

    def untouched(self: Encodings) -> Mapping[str, Any]:
        raise AssertionError("a baseline needs no features")

    monkeypatch.setattr(reader, "needs", "input")
    monkeypatch.setattr(reader, "solve", solve)
    monkeypatch.setattr(Encodings, "pooled", property(untouched))
    done = evaluated(pool(tmp_path))
    assert [score["representation"] for score in done.result["scores"]] == ["raw"]
    assert done.result["scores"][0]["value"] == pytest.approx(2 / 3)
