"""The linear protocol: what is chosen, on what, and what it says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from harness.datasets import Task
from harness.protocols import Solution, View, roster
from harness.protocols.linear import Linear, LinearConfig
from methods import Keys
from tests.harness.protocols.views import TASK, ReadySplit, gaussians, view_of


def _solve(view: View, config: LinearConfig | None = None, task: Task = TASK) -> Solution:
    return Linear(config or LinearConfig()).solve(view, task, Keys.of(0, "probe"))


def test_is_found_by_the_roster() -> None:
    assert roster()["linear"] is Linear


def test_solves_what_is_linear_and_says_how() -> None:
    features, targets = gaussians()
    solution = _solve(view_of(features, targets))
    assert np.mean(solution.predictions == targets["test"].numpy()) > 0.8
    assert solution.predictions.dtype == np.int64
    assert solution.warnings == ()
    selection = json.loads(json.dumps(solution.selection, allow_nan=False))
    assert selection["grid"] == [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100]
    for key in ("val_accuracy", "val_loss", "train_objective", "iterations", "converged"):
        assert len(selection[key]) == 9
    best = selection["grid"].index(selection["winner"])
    assert selection["val_accuracy"][best] == max(selection["val_accuracy"])


def test_two_classes() -> None:
    features, targets = gaussians(classes=2)
    solution = _solve(view_of(features, targets), task=replace(TASK, classes=("a", "b"), chance=0.5))
    assert np.mean(solution.predictions == targets["test"].numpy()) > 0.8


def test_ties_go_to_the_lower_loss() -> None:
    features, targets = gaussians(spread=5.0)  # every penalty but the strongest is right on all of val
    selection = _solve(view_of(features, targets)).selection
    tied = [i for i, value in enumerate(selection["val_accuracy"]) if value == max(selection["val_accuracy"])]
    assert len(tied) > 1
    assert selection["grid"].index(selection["winner"]) == min(tied, key=lambda i: selection["val_loss"][i])


def test_full_ties_go_to_the_stronger_penalty() -> None:
    # One constant feature: all penalties give the same answer.
    features, targets = gaussians()
    nothing = {split: torch.ones(len(values), 1) for split, values in features.items()}
    solution = _solve(view_of(nothing, targets))
    assert solution.selection["winner"] == 100
    assert solution.selection["constant_features"] == 1


def test_the_choice_does_not_depend_on_test() -> None:
    features, targets = gaussians()
    honest = _solve(view_of(features, targets))
    garbage = features | {"test": torch.randn(7, 40, generator=torch.Generator().manual_seed(0)) * 1e3}
    assert _solve(view_of(garbage, targets)).selection == honest.selection


def test_test_is_read_once() -> None:
    view = view_of(*gaussians())
    _solve(view)
    assert isinstance(view.test, ReadySplit)
    assert view.test.read == 1


def test_nothing_is_fitted_on_val() -> None:
    """With one penalty there is nothing to choose, so val must not matter."""
    features, targets = gaussians()
    config = LinearConfig(weakest=0.1, strongest=0.1, points=1)
    honest = _solve(view_of(features, targets), config)
    shifted = _solve(view_of(features | {"val": features["val"] * 50 + 3}, targets), config)
    assert np.array_equal(honest.predictions, shifted.predictions)
    assert honest.selection["train_objective"] == shifted.selection["train_objective"]
    assert honest.warnings == ()  # a grid of one point has no edge


@pytest.mark.parametrize(
    ("weakest", "strongest", "edge"), [(1e4, 1e6, "10000"), (1e-9, 1e-7, "1e-07")], ids=["too strong", "too weak"]
)
def test_a_winner_on_the_edge_is_warned_about(weakest: float, strongest: float, edge: str) -> None:
    features, targets = gaussians()
    config = LinearConfig(weakest=weakest, strongest=strongest, points=3, precision="float64")
    solution = _solve(view_of(features, targets), config)
    assert any(f"winning penalty {edge} lies on the edge of the grid" in text for text in solution.warnings)


def test_missing_convergence_is_warned_about() -> None:
    solution = _solve(view_of(*gaussians()), LinearConfig(max_iterations=2))
    assert any("did not converge for penalty 1e-06" in text for text in solution.warnings)


def test_a_class_that_train_lacks_is_warned_about_and_never_predicted() -> None:
    features, targets = gaussians()
    kept = targets["train"] != 1
    features["train"], targets["train"] = features["train"][kept], targets["train"][kept]
    solution = _solve(view_of(features, targets))
    assert "1 of 4 classes never occur in train and are never predicted: b" in solution.warnings
    assert set(solution.predictions.tolist()) == {0, 2, 3}
    assert max(solution.selection["val_accuracy"]) <= 0.75  # a quarter of val is of that class
    assert all(np.isfinite(solution.selection["val_loss"]))
    assert np.mean((solution.predictions == targets["test"].numpy())[targets["test"].numpy() != 1]) > 0.8


def test_scaling_and_shifting_features_changes_nothing() -> None:
    features, targets = gaussians()
    generator = torch.Generator().manual_seed(1)
    scale, shift = torch.rand(40, generator=generator) * 100 + 0.01, torch.randn(40, generator=generator)
    config = LinearConfig(precision="float64", tolerance=1e-9)
    plain = _solve(view_of({k: v.double() for k, v in features.items()}, targets), config)
    moved = _solve(view_of({k: v.double() * scale + shift for k, v in features.items()}, targets), config)
    assert np.array_equal(plain.predictions, moved.predictions)
    assert moved.selection["train_objective"] == pytest.approx(plain.selection["train_objective"], rel=1e-6)


def test_order_of_training_examples_changes_nothing() -> None:
    features, targets = gaussians()
    order = torch.randperm(len(targets["train"]), generator=torch.Generator().manual_seed(2))
    mixed = features | {"train": features["train"][order]}, targets | {"train": targets["train"][order]}
    config = LinearConfig(precision="float64", tolerance=1e-9)
    plain, moved = _solve(view_of(features, targets), config), _solve(view_of(*mixed), config)
    assert np.array_equal(plain.predictions, moved.predictions)
    assert moved.selection["train_objective"] == pytest.approx(plain.selection["train_objective"], rel=1e-6)


def test_constant_features_are_left_out_even_where_test_varies() -> None:
    features, targets = gaussians()
    plain = _solve(view_of(features, targets))
    wider = {k: torch.cat([v, torch.full((len(v), 2), 0.1)], dim=1) for k, v in features.items()}
    wider["test"][:, -1] = 1e6
    solution = _solve(view_of(wider, targets))
    assert np.array_equal(solution.predictions, plain.predictions)
    assert (solution.selection["features"], solution.selection["constant_features"]) == (42, 2)


def test_repeats_to_the_bit() -> None:
    first, second = (_solve(view_of(*gaussians())) for _ in range(2))
    assert first.selection == second.selection
    assert np.array_equal(first.predictions, second.predictions)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_features_that_are_not_finite_are_refused(split: str) -> None:
    features, targets = gaussians()
    features[split][3, 5] = float("nan")
    with pytest.raises(ValueError, match=f"features of {split} are not finite"):
        _solve(view_of(features, targets))


def test_a_single_class_in_train_is_refused() -> None:
    features, targets = gaussians()
    with pytest.raises(ValueError, match="single class"):
        _solve(view_of(features, targets | {"train": torch.zeros_like(targets["train"])}))


@pytest.mark.parametrize(
    "values",
    [
        {"weakest": 0.0},
        {"weakest": 1.0, "strongest": 0.1},
        {"points": 0},
        {"points": 1},
        {"weakest": 1.0, "strongest": 1.0},
        {"max_iterations": 0},
        {"tolerance": 0.0},
    ],
)
def test_contradicting_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"grid|points|max_iterations"):
        LinearConfig(**values)


def test_grid_ends_are_exact() -> None:
    assert LinearConfig(weakest=0.003, strongest=30, points=5).penalties().tolist() == [0.003, 0.03, 0.3, 3, 30]
