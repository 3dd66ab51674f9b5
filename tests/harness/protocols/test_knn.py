"""Nearest neighbours against scikit-learn, and on what k is chosen."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from harness.protocols import Solution, View, roster
from harness.protocols.knn import Knn, KnnConfig
from methods import Keys
from tests.harness.protocols.views import TASK, ReadySplit, gaussians, view_of

EUCLIDEAN: dict[str, Any] = {"similarity": "euclidean", "temperature": None}


def _solve(view: View, **config: Any) -> Solution:
    return Knn(KnnConfig(**config)).solve(view, TASK, Keys.of(0, "knn"))


def _scikit_learn(features: dict[str, Tensor], targets: dict[str, Tensor], k: int, **config: Any) -> dict[str, Any]:
    """Predictions by split."""
    cosine = config.get("similarity", "cosine") == "cosine"
    temperature = config.get("temperature", 0.07)
    model = KNeighborsClassifier(
        k,
        metric="cosine" if cosine else "euclidean",
        algorithm="brute",
        weights="uniform" if temperature is None else lambda distances: np.exp((1 - distances) / temperature),
    )
    model.fit(features["train"].double().numpy(), targets["train"].numpy())
    return {split: model.predict(features[split].double().numpy()) for split in ("val", "test")}


@pytest.mark.parametrize("config", [{}, {"temperature": None}, EUCLIDEAN], ids=["weighted", "cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 20, 160])
def test_equals_scikit_learn(k: int, config: dict[str, Any]) -> None:
    features, targets = gaussians(spread=0.3)
    solution = _solve(view_of(features, targets), ks=(k,), **config)
    expected = _scikit_learn(features, targets, k, **config)
    assert np.array_equal(solution.predictions, expected["test"])
    assert solution.predictions.dtype == np.int64
    accuracy = float(np.mean(expected["val"] == targets["val"].numpy()))
    assert solution.selection["val_accuracy"] == [pytest.approx(accuracy)]


def test_the_grid_is_judged_point_by_point() -> None:
    features, targets = gaussians(spread=0.3)
    solution = _solve(view_of(features, targets))
    selection = json.loads(json.dumps(solution.selection, allow_nan=False))
    assert selection["grid"] == [1, 3, 5, 10, 20, 50, 100]  # train has 160
    for k, accuracy in zip(selection["grid"], selection["val_accuracy"], strict=True):
        answers = _scikit_learn(features, targets, k)["val"]
        assert accuracy == pytest.approx(float(np.mean(answers == targets["val"].numpy())))
    best = max(selection["val_accuracy"])
    tied = [k for k, value in zip(selection["grid"], selection["val_accuracy"], strict=True) if value == best]
    assert selection["winner"] == max(tied)
    assert np.array_equal(solution.predictions, _scikit_learn(features, targets, selection["winner"])["test"])


def test_votes_equal_a_loop_with_ties_for_the_lower_class() -> None:
    generator = torch.Generator().manual_seed(0)
    features = {split: torch.randint(0, 2, (30, 3), generator=generator).float() for split in ("train", "val", "test")}
    targets = {split: torch.randint(0, 4, (30,), generator=generator) for split in ("train", "val")}
    solution = _solve(view_of(features, targets), ks=(4,), **EUCLIDEAN)
    for query, answer in zip(features["test"], solution.predictions.tolist(), strict=True):
        order = sorted(range(30), key=lambda row: (float((query - features["train"][row]).square().sum()), row))
        votes = Counter(int(targets["train"][row]) for row in order[:4])
        assert answer == min(votes, key=lambda label: (-votes[label], label))


def test_k_is_chosen_on_val_and_not_on_test() -> None:
    """Val is drawn so that k = 1 is right, test so that k = 51 would be."""
    train = torch.cat([torch.ones(50, 1), torch.tensor([[1.001]])])
    labels = torch.tensor([0] * 50 + [1])
    features = {"train": train, "val": torch.full((20, 1), 1.001), "test": torch.full((20, 1), 1.001)}
    targets = {"train": labels, "val": torch.ones(20, dtype=torch.int64)}
    solution = _solve(view_of(features, targets), ks=(1, 51), **EUCLIDEAN)
    assert solution.selection["winner"] == 1
    assert set(solution.predictions.tolist()) == {1}
    solution = _solve(view_of(features, targets | {"val": torch.zeros(20, dtype=torch.int64)}), ks=(1, 51), **EUCLIDEAN)
    assert solution.selection["winner"] == 51
    assert set(solution.predictions.tolist()) == {0}


def test_test_is_read_once_and_changes_nothing_but_its_own_predictions() -> None:
    features, targets = gaussians()
    view = view_of(features, targets)
    honest = _solve(view)
    assert isinstance(view.test, ReadySplit)
    assert view.test.read == 1
    order = torch.randperm(len(features["test"]), generator=torch.Generator().manual_seed(0))
    mixed = _solve(view_of(features | {"test": features["test"][order]}, targets))
    assert mixed.selection == honest.selection
    assert np.array_equal(mixed.predictions, honest.predictions[order.numpy()])
    garbage = _solve(view_of(features | {"test": torch.randn(7, 40) * 1e3}, targets))
    assert (garbage.selection, garbage.warnings) == (honest.selection, honest.warnings)


def test_length_counts_for_euclidean_only() -> None:
    features, targets = gaussians()
    generator = torch.Generator().manual_seed(0)
    stretched = {
        split: values * (torch.rand(len(values), 1, generator=generator) * 10 + 0.1)
        for split, values in features.items()
    }
    plain, moved = _solve(view_of(features, targets)), _solve(view_of(stretched, targets))
    assert np.array_equal(plain.predictions, moved.predictions)
    near, far = (_solve(view_of(each, targets), **EUCLIDEAN).predictions for each in (features, stretched))
    assert not np.array_equal(near, far)


def test_a_winner_on_the_upper_edge_is_warned_about() -> None:
    features, targets = gaussians(spread=0.1)
    solution = _solve(view_of(features, targets), ks=(1, 2, 20))
    assert solution.selection["winner"] == 20
    assert any("winning k 20 lies on the edge of the grid [1, 20]" in text for text in solution.warnings)


def test_one_neighbour_and_all_of_train_are_no_edge() -> None:
    one = _solve(view_of(*gaussians(spread=1.0)), ks=(1, 159), temperature=None)
    assert (one.selection["winner"], one.warnings) == (1, ())
    everything = _solve(view_of(*gaussians(spread=5.0)), ks=(1, 160))
    assert (everything.selection["winner"], everything.warnings) == (160, ())


def test_a_class_that_train_lacks_is_warned_about_and_never_predicted() -> None:
    features, targets = gaussians()
    kept = targets["train"] != 1
    features["train"], targets["train"] = features["train"][kept], targets["train"][kept]
    solution = _solve(view_of(features, targets))
    assert "1 of 4 classes never occur in train and are never predicted: b" in solution.warnings
    assert set(solution.predictions.tolist()) == {0, 2, 3}


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_features_that_are_not_finite_are_refused(split: str) -> None:
    features, targets = gaussians()
    features[split][3, 5] = float("inf")
    with pytest.raises(ValueError, match=f"features of {split} are not finite"):
        _solve(view_of(features, targets))


def test_a_grid_beyond_train_is_refused() -> None:
    with pytest.raises(ValueError, match="smallest is 500, but train has 160"):
        _solve(view_of(*gaussians()), ks=(500,))


@pytest.mark.parametrize(
    "values", [{"ks": ()}, {"ks": (5, 1)}, {"ks": (0, 1)}, {"temperature": 0.0}, {"similarity": "euclidean"}]
)
def test_contradicting_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"ks|temperature"):
        KnnConfig(**values)


def test_is_found_by_the_roster() -> None:
    assert roster()["knn"] is Knn


def test_of_too_many_positions_a_part_is_searched() -> None:
    features, targets = gaussians(spread=0.3)
    view, positions = view_of(features, targets), replace(TASK, kind="position")
    parts = [Knn(KnnConfig(max_positions=40)).solve(view, positions, Keys.of(seed, "knn")) for seed in (0, 0, 1)]
    assert [part.selection["train"] for part in parts] == [40, 40, 40]
    assert np.array_equal(parts[0].predictions, parts[1].predictions)
    assert parts[0].selection["val_accuracy"] != parts[2].selection["val_accuracy"], "another seed, another part"
    whole = Knn(KnnConfig(max_positions=40)).solve(view, TASK, Keys.of(0, "knn"))
    assert whole.selection["train"] == 160, "whole examples are all searched"
    all_positions = Knn(KnnConfig(max_positions=160)).solve(view, positions, Keys.of(0, "knn"))
    assert np.array_equal(all_positions.predictions, whole.predictions)


def test_positions_are_searched_with_their_own_labels() -> None:
    features, targets = gaussians(spread=3.0)
    view, positions = view_of(features, targets), replace(TASK, kind="position")
    part = Knn(KnnConfig(max_positions=60)).solve(view, positions, Keys.of(0, "knn"))
    whole = Knn(KnnConfig()).solve(view, TASK, Keys.of(0, "knn"))
    assert max(part.selection["val_accuracy"]) > 0.9
    assert np.mean(part.predictions == whole.predictions) > 0.9


def test_a_class_that_the_part_lacks_is_not_said_to_be_missing_in_train() -> None:
    features, targets = gaussians(spread=0.3)
    positions = replace(TASK, kind="position")
    parts = [
        Knn(KnnConfig(max_positions=2, ks=(1,))).solve(view_of(features, targets), positions, Keys.of(seed, "knn"))
        for seed in range(3)
    ]
    assert not any("never occur" in text for part in parts for text in part.warnings)
