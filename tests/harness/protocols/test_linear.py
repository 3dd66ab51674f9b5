"""The linear protocol: what is chosen, on what, and what it says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.datasets import Task
from harness.protocols import Solution, View, roster
from harness.protocols.linear import Linear, LinearConfig
from methods import Batch, Features, Keys, Source

CLASSES = 4
TASK = Task(name="shape", kind="class", metric="accuracy", classes=("a", "b", "c", "d"), chance=0.25)
#: Few enough to train on that regularisation helps: the best penalty lies inside the grid.
SIZES = {"train": 160, "val": 400, "test": 100}


class _Split:
    """A split whose features are already there, and which counts how often they are read."""

    def __init__(self, features: Tensor) -> None:
        self.features = features
        self.read = 0

    @property
    def source(self) -> Source:
        raise AssertionError("the linear protocol trains no encoder")

    @property
    def ids(self) -> Tensor:
        return torch.arange(len(self.features))

    def pooled(self) -> Tensor:
        self.read += 1
        return self.features

    def stream(self) -> Iterator[Features]:
        raise AssertionError("the linear protocol needs pooled features only")


class _NoEncoder:
    def examples(self, source: Source, ids: Tensor) -> Batch:
        raise AssertionError("the linear protocol does not encode")

    def encode(self, batch: Batch) -> dict[str, Features]:
        raise AssertionError("the linear protocol does not encode")


def _features(
    classes: int = CLASSES, width: int = 40, spread: float = 0.5
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = np.random.default_rng(3)
    centers = spread * generator.normal(size=(classes, width))
    targets = {split: np.arange(size) % classes for split, size in SIZES.items()}
    features = {split: centers[own] + generator.normal(size=(len(own), width)) for split, own in targets.items()}
    return (
        {split: torch.from_numpy(values).float() for split, values in features.items()},
        {split: torch.from_numpy(values) for split, values in targets.items()},
    )


def _view(features: dict[str, Tensor], targets: dict[str, Tensor]) -> View:
    splits = {split: _Split(values) for split, values in features.items()}
    return View(_NoEncoder(), "z", splits["train"], splits["val"], splits["test"], targets["train"], targets["val"])


def _solve(view: View, config: LinearConfig | None = None, task: Task = TASK) -> Solution:
    return Linear(config or LinearConfig()).solve(view, task, Keys.of(0, "probe"))


def test_is_found_by_the_roster() -> None:
    assert roster()["linear"] is Linear


def test_solves_what_is_linear_and_says_how() -> None:
    features, targets = _features()
    solution = _solve(_view(features, targets))
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
    features, targets = _features(classes=2)
    solution = _solve(_view(features, targets), task=replace(TASK, classes=("a", "b"), chance=0.5))
    assert np.mean(solution.predictions == targets["test"].numpy()) > 0.8


def test_ties_go_to_the_lower_loss() -> None:
    features, targets = _features(spread=5.0)  # every penalty but the strongest is right on all of val
    selection = _solve(_view(features, targets)).selection
    tied = [i for i, value in enumerate(selection["val_accuracy"]) if value == max(selection["val_accuracy"])]
    assert len(tied) > 1
    assert selection["grid"].index(selection["winner"]) == min(tied, key=lambda i: selection["val_loss"][i])


def test_full_ties_go_to_the_stronger_penalty() -> None:
    # One constant feature: all penalties give the same answer.
    features, targets = _features()
    nothing = {split: torch.ones(len(values), 1) for split, values in features.items()}
    solution = _solve(_view(nothing, targets))
    assert solution.selection["winner"] == 100
    assert solution.selection["constant_features"] == 1


def test_the_choice_does_not_depend_on_test() -> None:
    features, targets = _features()
    honest = _solve(_view(features, targets))
    garbage = features | {"test": torch.randn(7, 40, generator=torch.Generator().manual_seed(0)) * 1e3}
    assert _solve(_view(garbage, targets)).selection == honest.selection


def test_test_is_read_once() -> None:
    view = _view(*_features())
    _solve(view)
    assert isinstance(view.test, _Split)
    assert view.test.read == 1


def test_nothing_is_fitted_on_val() -> None:
    """With one penalty there is nothing to choose, so val must not matter."""
    features, targets = _features()
    config = LinearConfig(weakest=0.1, strongest=0.1, points=1)
    honest = _solve(_view(features, targets), config)
    shifted = _solve(_view(features | {"val": features["val"] * 50 + 3}, targets), config)
    assert np.array_equal(honest.predictions, shifted.predictions)
    assert honest.selection["train_objective"] == shifted.selection["train_objective"]
    assert honest.warnings == ()  # a grid of one point has no edge


@pytest.mark.parametrize(
    ("weakest", "strongest", "edge"), [(1e4, 1e6, "10000"), (1e-9, 1e-7, "1e-07")], ids=["too strong", "too weak"]
)
def test_a_winner_on_the_edge_is_warned_about(weakest: float, strongest: float, edge: str) -> None:
    features, targets = _features()
    config = LinearConfig(weakest=weakest, strongest=strongest, points=3, precision="float64")
    solution = _solve(_view(features, targets), config)
    assert any(f"winning penalty {edge} lies on the edge of the grid" in text for text in solution.warnings)


def test_missing_convergence_is_warned_about() -> None:
    solution = _solve(_view(*_features()), LinearConfig(max_iterations=2))
    assert any("did not converge for penalty 1e-06" in text for text in solution.warnings)


def test_a_class_that_train_lacks_is_warned_about_and_never_predicted() -> None:
    features, targets = _features()
    kept = targets["train"] != 1
    features["train"], targets["train"] = features["train"][kept], targets["train"][kept]
    solution = _solve(_view(features, targets))
    assert "1 of 4 classes never occur in train and are never predicted: b" in solution.warnings
    assert set(solution.predictions.tolist()) == {0, 2, 3}
    assert max(solution.selection["val_accuracy"]) <= 0.75  # a quarter of val is of that class
    assert all(np.isfinite(solution.selection["val_loss"]))
    assert np.mean((solution.predictions == targets["test"].numpy())[targets["test"].numpy() != 1]) > 0.8


def test_scaling_and_shifting_features_changes_nothing() -> None:
    features, targets = _features()
    generator = torch.Generator().manual_seed(1)
    scale, shift = torch.rand(40, generator=generator) * 100 + 0.01, torch.randn(40, generator=generator)
    config = LinearConfig(precision="float64", tolerance=1e-9)
    plain = _solve(_view({k: v.double() for k, v in features.items()}, targets), config)
    moved = _solve(_view({k: v.double() * scale + shift for k, v in features.items()}, targets), config)
    assert np.array_equal(plain.predictions, moved.predictions)
    assert moved.selection["train_objective"] == pytest.approx(plain.selection["train_objective"], rel=1e-6)


def test_order_of_training_examples_changes_nothing() -> None:
    features, targets = _features()
    order = torch.randperm(len(targets["train"]), generator=torch.Generator().manual_seed(2))
    mixed = features | {"train": features["train"][order]}, targets | {"train": targets["train"][order]}
    config = LinearConfig(precision="float64", tolerance=1e-9)
    plain, moved = _solve(_view(features, targets), config), _solve(_view(*mixed), config)
    assert np.array_equal(plain.predictions, moved.predictions)
    assert moved.selection["train_objective"] == pytest.approx(plain.selection["train_objective"], rel=1e-6)


def test_constant_features_are_left_out_even_where_test_varies() -> None:
    features, targets = _features()
    plain = _solve(_view(features, targets))
    wider = {k: torch.cat([v, torch.full((len(v), 2), 0.1)], dim=1) for k, v in features.items()}
    wider["test"][:, -1] = 1e6
    solution = _solve(_view(wider, targets))
    assert np.array_equal(solution.predictions, plain.predictions)
    assert (solution.selection["features"], solution.selection["constant_features"]) == (42, 2)


def test_repeats_to_the_bit() -> None:
    first, second = (_solve(_view(*_features())) for _ in range(2))
    assert first.selection == second.selection
    assert np.array_equal(first.predictions, second.predictions)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_features_that_are_not_finite_are_refused(split: str) -> None:
    features, targets = _features()
    features[split][3, 5] = float("nan")
    with pytest.raises(ValueError, match=f"features of {split} are not finite"):
        _solve(_view(features, targets))


def test_a_single_class_in_train_is_refused() -> None:
    features, targets = _features()
    with pytest.raises(ValueError, match="single class"):
        _solve(_view(features, targets | {"train": torch.zeros_like(targets["train"])}))


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
