"""The two jobs of a cell: what they leave in the store, and what they may look at."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from cluster import Failure, Gang, JobError
from harness import cell as jobs
from harness.datasets.cache import Materialised, open_dataset
from harness.features import Encodings, NotFiniteError
from harness.plan import Pretraining
from harness.protocols import linear
from harness.store import Store
from harness.todo import todo
from tests.harness.tiny import Tiny, tiny

TRAIN, JUDGE = "pretrain sdae/digits/0", "evaluate sdae/digits/0"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, dataset_cache: Path) -> Tiny:
    """Both jobs of the trained cell, run."""
    made = tiny(tmp_path_factory.mktemp("done"))
    jobs.pretrain(made.payload(TRAIN), Gang())
    jobs.evaluate(made.payload(JUDGE), Gang())
    return made


@pytest.fixture
def fresh(tmp_path: Path, dataset_cache: Path) -> Tiny:
    return tiny(tmp_path)


def test_a_pretraining_leaves_weights_pictures_a_record_and_a_log(done: Tiny) -> None:
    (record,) = [each for each in done.store.records() if each.kind == "pretraining"]
    encoder = done.trained.encoder
    assert isinstance(encoder, Pretraining)
    assert (record.fingerprint, record.status, record.attempt) == (encoder.fingerprint, "ok", 1)
    assert (record.suite, record.cell, record.method, record.control) == ("tiny", "sdae/digits/0", "sdae", None)
    assert record.identity == encoder.identity
    assert record.result["steps"] == 10
    assert record.result["dataset_digest"] == open_dataset(encoder.initialisation.dataset).digest
    artifacts = done.store.artifacts(encoder.fingerprint)
    assert {"weights.safetensors", "state.json", "gallery"} <= {path.name for path in artifacts.iterdir()}
    assert list((artifacts / "gallery").glob("*.png"))
    assert not done.store.checkpoints(encoder.fingerprint).exists()
    assert not done.store.progress(encoder.fingerprint).exists()
    assert "pretraining sdae on digits, seed 0, rank 0 of 1" in done.store.log("sdae/digits/0").read_text()


def test_an_evaluation_leaves_scores_that_its_predictions_bear_out(done: Tiny) -> None:
    (record,) = [each for each in done.store.records() if each.kind == "evaluation"]
    (fingerprint,) = done.trained.wanted
    assert record.fingerprint == fingerprint
    assert record.identity == done.trained.evaluation_identity(done.trained.wanted[fingerprint])
    scores = {score["representation"]: score for score in record.result["scores"]}
    assert [name for name, score in scores.items() if score["primary"]] == ["layer2"]
    targets = open_dataset(done.trained.dataset).split("test").labels("digit").numpy()
    predictions = load_file(done.store.artifacts(fingerprint) / "predictions.safetensors")
    assert set(predictions) == set(scores) == {"layer1", "layer2"}
    for name, found in predictions.items():
        chosen = found if found.ndim == 1 else found.argmax(1)
        assert scores[name]["value"] == pytest.approx(float(np.mean(chosen == targets)))
    assert record.result["test_size"] == len(targets)


def test_the_test_labels_are_read_after_the_choice_and_once_per_representation(
    done: Tiny, fresh: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    split_of = Materialised.split
    solve = linear.Linear.solve

    def watched_split(self: Materialised, name: Any, examples: str = "") -> Any:
        split = split_of(self, name, examples)
        if name != "test":
            return split
        return _Watched(split, order)

    def watched_solve(self: Any, view: Any, task: Any, keys: Any) -> Any:
        assert not hasattr(view, "test_targets")
        solution = solve(self, view, task, keys)
        order.append("chosen")
        return solution

    monkeypatch.setattr(Materialised, "split", watched_split)
    monkeypatch.setattr(linear.Linear, "solve", watched_solve)
    jobs.evaluate(fresh.payload("evaluate sdae.untrained/digits/0"), Gang())
    assert order == ["chosen", "read", "chosen", "read"]


class _Watched:
    """A split that notes when its labels are read."""

    def __init__(self, split: Any, order: list[str]) -> None:
        self._split = split
        self._order = order
        self.source = split.source

    def labels(self, task: str) -> Any:
        self._order.append("read")
        return self._split.labels(task)


def test_the_same_job_gives_the_same_weights(done: Tiny, fresh: Tiny) -> None:
    jobs.pretrain(fresh.payload(TRAIN), Gang())
    encoder = done.trained.encoder
    assert isinstance(encoder, Pretraining)
    weights = [
        (each.store.artifacts(encoder.fingerprint) / "weights.safetensors").read_bytes() for each in (done, fresh)
    ]
    assert weights[0] == weights[1]


def test_a_cell_without_training_cannot_be_pretrained(fresh: Tiny) -> None:
    payload = {**fresh.payload("evaluate raw/digits/0"), "checkpoint_seconds": 60.0}
    with pytest.raises(JobError, match="raw/digits/0 has nothing to pretrain") as failed:
        jobs.pretrain(payload, Gang())
    assert failed.value.failure is Failure.CODE


def test_features_that_are_not_finite_are_a_divergence(fresh: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Encodings) -> dict[str, torch.Tensor]:
        raise NotFiniteError("representation 'raw' holds values that are not finite")

    monkeypatch.setattr(Encodings, "pooled", property(broken))
    with pytest.raises(JobError, match="raw/digits/0: representation 'raw'") as failed:
        jobs.evaluate(fresh.payload("evaluate raw/digits/0"), Gang())
    assert failed.value.failure is Failure.DIVERGED
    assert not fresh.store.record_names()


def test_a_divergence_leaves_no_record_and_no_progress(tmp_path: Path, dataset_cache: Path) -> None:
    made = tiny(tmp_path, "pretrain.learning_rate=1e38")
    handlers = list(logging.getLogger().handlers)
    with pytest.raises(JobError, match="not finite") as failed:
        jobs.pretrain(made.payload(TRAIN), Gang())
    assert failed.value.failure is Failure.DIVERGED
    assert not made.store.record_names()
    assert not list((made.store.root / "progress").iterdir())
    assert logging.getLogger().handlers == handlers, "a warm worker logs to no old file"


def test_an_evaluation_tells_what_it_is_at_and_leaves_no_progress(fresh: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    put = Store.put_json

    def watched(self: Store, path: Path, value: Any) -> None:
        told.append({"file": path.stem, **value})
        put(self, path, value)

    monkeypatch.setattr(Store, "put_json", watched)
    task = todo(fresh.plan, fresh.store, retry_failed=False).tasks["evaluate raw/digits/0"]
    jobs.evaluate(task.job.payload, Gang())
    (news,) = told
    assert (news["cell"], news["phase"]) == ("raw/digits/0", "digit by linear")
    assert news["file"] == task.lease, "by which `status` knows that somebody is at work on it"
    assert (news["step"], news["steps"]) == (0, 1)
    assert not list((fresh.store.root / "progress").iterdir())
