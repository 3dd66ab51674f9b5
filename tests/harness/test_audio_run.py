"""A suite on audio end to end: labels every 10 ms and for whole recordings, under every protocol that solves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import harness
from harness.datasets.cache import open_dataset
from harness.plan import DatasetChoice
from harness.run import COMPLETE, Where, run_suite
from harness.store import Store
from tests.harness.audio_toys import SIZES, installed

SUITE = """\
methods: [hum]
datasets: [tones]
seeds: 2
evaluate:
  protocols: [linear, knn, {name: finetune, config: {epochs: 10, learning_rates: [0.1]}}, svm_linear, svm_rbf]
resources: {engine: torch}
"""


class Ran(NamedTuple):
    store: Store
    board: pl.DataFrame  #: ranked representations
    report: str

    def value(self, label: str, task: str, protocol: str) -> float:
        """Mean over seeds."""
        control = pl.col("control").is_null() & (pl.col("method") == label) | (pl.col("control") == label)
        asked = (pl.col("task") == task) & (pl.col("protocol") == protocol)
        found = self.board.filter(control & asked)["value"].to_list()
        assert found, f"no row of {label} on {task} by {protocol}"
        return float(np.mean(found))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, dataset_cache: Path) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("audio")
    (folder / "tones.yaml").write_text(SUITE)
    options: dict[str, Any] = {"sets": (), "only": (), "seeds": None, "retry_failed": False, "json_lines": False}
    with installed():
        store = folder / "runs"
        assert run_suite(str(folder / "tones.yaml"), store=store, where=Where(local=True), **options) == COMPLETE
        board = harness.records(store).filter(pl.col("primary"))
        yield Ran(Store.open(store), board, (store / "report.html").read_text())


def test_boards_of_audio_carry_every_control_unasked(ran: Ran) -> None:
    """For each kind of task: those that read its examples, and those that solve it without."""
    found = {
        task: set(ran.board.filter((pl.col("task") == task) & pl.col("control").is_not_null())["control"])
        for task in ("pitch", "voice", "low")
    }
    features = {"mfcc", "log_mel", "untrained", "supervised"}
    assert found == {"pitch": {*features, "majority"}, "voice": {*features, "majority"}, "low": features}


def test_every_protocol_solves_what_it_can(ran: Ran) -> None:
    asked = {
        task: set(ran.board.filter((pl.col("task") == task) & pl.col("control").is_null())["protocol"])
        for task in ("pitch", "voice", "low")
    }
    assert asked["pitch"] == {"linear", "knn", "finetune"}
    assert asked["voice"] == {"linear", "knn", "finetune", "svm_linear", "svm_rbf"}
    assert asked["low"] == {"linear", "finetune"}


def test_spectra_tell_pitch_and_voice_and_the_most_frequent_class_does_not(ran: Ran) -> None:
    for baseline in ("mfcc", "log_mel"):
        for protocol in ("linear", "knn"):
            assert ran.value(baseline, "pitch", protocol) > 0.9
            assert ran.value(baseline, "voice", protocol) == 1.0
        assert ran.value(baseline, "low", "linear") > 0.5
    assert 0.1 < ran.value("majority", "pitch", "majority") < 0.5
    assert ran.value("majority", "voice", "majority") == 0.5


def test_what_trains_the_encoder_learns_labels_every_10_ms(ran: Ran) -> None:
    assert ran.value("hum", "pitch", "finetune") > ran.value("majority", "pitch", "majority") + 0.2
    assert ran.value("supervised", "pitch", "finetune") > ran.value("majority", "pitch", "majority") + 0.1


def test_outcomes_are_of_recordings_and_never_of_frames(ran: Ran) -> None:
    """Frames of one recording are no independent draws: intervals over them would be far too narrow."""
    split = open_dataset(DatasetChoice(name="tones", version=1, config={})).split("test")
    positions = int(split.rows("pitch").of(range_of("test")).lengths().sum())
    records = [each for each in ran.store.records() if each.kind == "evaluation"]
    judged = 0
    for record in records:
        result = record.result
        if result["task"] == "low":
            continue
        artifacts = ran.store.artifacts(record.fingerprint)
        outcomes, predictions = (load_file(artifacts / f"{name}.safetensors") for name in ("outcomes", "predictions"))
        assert result["test_size"] == SIZES["test"]
        for score in result["scores"]:
            name = score["representation"]
            assert outcomes[name].shape == (SIZES["test"],)
            assert outcomes[name].mean() == pytest.approx(score["value"], abs=1e-6)
            assert len(predictions[name]) == (positions if result["task"] == "pitch" else SIZES["test"])
            judged += 1
    assert judged > 20


def range_of(split: Any) -> Any:
    import torch

    return torch.arange(SIZES[split])


def test_the_page_shows_the_board(ran: Ran) -> None:
    for shown in ("tones", "pitch", "voice", "mfcc", "log_mel", "majority", "hum"):
        assert shown in ran.report
