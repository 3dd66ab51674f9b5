"""The machines against scikit-learn's own kernels, and on what C and gamma are chosen."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.svm import SVC, LinearSVC

from harness.protocols import Protocol, Solution, View, _svm_fit, roster
from harness.protocols.svm import SvmLinear, SvmLinearConfig, SvmRbf, SvmRbfConfig
from methods import Keys
from tests.harness.protocols.views import TASK, ReadySplit, gaussians, view_of

BOTH = pytest.mark.parametrize("protocol", [SvmLinear, SvmRbf])


def _solve(protocol: type[Protocol], view: View, **config: Any) -> Solution:
    return protocol(protocol.Config(**config)).solve(view, TASK, Keys.of(0, "svm"))  # type: ignore[call-arg]


def _one_scale(features: dict[str, torch.Tensor]) -> dict[str, NDArray[np.float64]]:
    train = features["train"].double().numpy()
    scale = np.sqrt(train.var(0).mean())
    return {split: (values.double().numpy() - train.mean(0)) / scale for split, values in features.items()}


def test_linear_equals_scikit_learn_on_the_whole_grid() -> None:
    features, targets = gaussians()
    solution = _solve(SvmLinear, view_of(features, targets))
    selection = json.loads(json.dumps(solution.selection, allow_nan=False))
    assert selection["grid"] == [1e-3, 1e-2, 1e-1, 1, 10, 100]
    scaled = _one_scale(features)
    for penalty, accuracy in zip(selection["grid"], selection["val_accuracy"], strict=True):
        # The primal solver: another algorithm for the same minimum, to its tolerance.
        model = LinearSVC(C=1 / (penalty * 160), dual=False, tol=1e-6, max_iter=10_000)
        model.fit(scaled["train"], targets["train"].numpy())
        assert accuracy == pytest.approx(model.score(scaled["val"], targets["val"].numpy()), abs=0.01)
        if penalty == selection["winner"]:
            assert np.mean(model.predict(scaled["test"]) == solution.predictions) >= 0.98
    best = max(selection["val_accuracy"])
    tied = [p for p, value in zip(selection["grid"], selection["val_accuracy"], strict=True) if value == best]
    assert selection["winner"] == max(tied)
    assert np.mean(solution.predictions == targets["test"].numpy()) > 0.8
    assert solution.predictions.dtype == np.int64


def test_rbf_equals_scikit_learns_own_kernel_on_the_whole_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_svm_fit, "_BLOCK", 160 * 37)  # several blocks, the last one partial
    features, targets = gaussians(spread=0.3)
    solution = _solve(SvmRbf, view_of(features, targets))
    selection = json.loads(json.dumps(solution.selection, allow_nan=False))
    assert len(selection["grid"]) == len(selection["val_accuracy"]) == 30
    scaled = _one_scale(features)
    for point, accuracy in zip(selection["grid"], selection["val_accuracy"], strict=True):
        model = SVC(C=point["C"], gamma=point["gamma"] / 40).fit(scaled["train"], targets["train"].numpy())
        assert accuracy == pytest.approx(model.score(scaled["val"], targets["val"].numpy()))
        if point == selection["winner"]:
            assert np.array_equal(model.predict(scaled["test"]), solution.predictions)
            assert selection["support_vectors"] == len(model.support_)
    best = max(selection["val_accuracy"])
    tied = [p for p, value in zip(selection["grid"], selection["val_accuracy"], strict=True) if value == best]
    assert selection["winner"] == min(tied, key=lambda point: (point["C"], point["gamma"]))


@BOTH
def test_test_is_read_once_and_changes_nothing_but_its_own_predictions(protocol: type[Protocol]) -> None:
    features, targets = gaussians()
    view = view_of(features, targets)
    honest = _solve(protocol, view)
    assert isinstance(view.test, ReadySplit)
    assert view.test.read == 1
    order = torch.randperm(len(features["test"]), generator=torch.Generator().manual_seed(0))
    mixed = _solve(protocol, view_of(features | {"test": features["test"][order]}, targets))
    assert mixed.selection == honest.selection
    assert np.array_equal(mixed.predictions, honest.predictions[order.numpy()])
    garbage = _solve(protocol, view_of(features | {"test": torch.randn(7, 40) * 1e3}, targets))
    assert (garbage.selection, garbage.warnings) == (honest.selection, honest.warnings)


@BOTH
def test_the_choice_is_made_on_val(protocol: type[Protocol]) -> None:
    """Val that agrees with a weak machine makes it win, whatever test says."""
    features, targets = gaussians(spread=0.3)
    honest = _solve(protocol, view_of(features, targets))
    one: dict[str, Any] = {"penalties": (100.0,)} if protocol is SvmLinear else {"costs": (0.1,), "gammas": (1 / 64,)}
    weak = _solve(protocol, view_of(features | {"test": features["val"]}, targets), **one)
    agreeing = targets | {"val": torch.from_numpy(weak.predictions)}
    moved = _solve(protocol, view_of(features, agreeing))
    assert max(moved.selection["val_accuracy"]) == 1.0
    assert moved.selection["winner"] != honest.selection["winner"]


@BOTH
def test_one_scale_for_all_features(protocol: type[Protocol]) -> None:
    """Shifting and scaling all features alike changes nothing; scaling one of them does."""
    features, targets = gaussians()
    features = {split: values.double() for split, values in features.items()}
    plain = _solve(protocol, view_of(features, targets))
    shift = torch.randn(40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    moved = _solve(protocol, view_of({split: 50 * values + shift for split, values in features.items()}, targets))
    assert np.array_equal(plain.predictions, moved.predictions)
    assert moved.selection["val_accuracy"] == plain.selection["val_accuracy"]
    weights = torch.ones(40, dtype=torch.float64)
    weights[0] = 50
    skewed = _solve(protocol, view_of({split: values * weights for split, values in features.items()}, targets))
    assert skewed.selection["val_accuracy"] != plain.selection["val_accuracy"]


@BOTH
def test_missing_convergence_is_warned_about(protocol: type[Protocol]) -> None:
    solution = _solve(protocol, view_of(*gaussians()), max_iterations=2)
    assert any("the solver did not converge at" in text and "max_iterations 2" in text for text in solution.warnings)


@BOTH
def test_the_default_grid_converges_and_repeats_to_the_bit(protocol: type[Protocol]) -> None:
    first, second = (_solve(protocol, view_of(*gaussians())) for _ in range(2))
    assert not any("converge" in text for text in first.warnings)
    assert first.selection == second.selection
    assert np.array_equal(first.predictions, second.predictions)


@pytest.mark.parametrize(
    ("protocol", "config", "text"),
    [
        (SvmLinear, {"penalties": (1e3, 1e4)}, "winning penalty"),
        (SvmRbf, {"costs": (1e-4, 1e-3)}, "winning C"),
        (SvmRbf, {"gammas": (1e-3, 1e-2)}, "winning gamma"),
    ],
)
def test_a_winner_on_the_edge_is_warned_about(protocol: type[Protocol], config: dict[str, Any], text: str) -> None:
    solution = _solve(protocol, view_of(*gaussians()), **config)
    assert any(text in warning and "lies on the edge" in warning for warning in solution.warnings)


@BOTH
def test_a_class_that_train_lacks_is_warned_about_and_never_predicted(protocol: type[Protocol]) -> None:
    features, targets = gaussians()
    kept = targets["train"] != 1
    features["train"], targets["train"] = features["train"][kept], targets["train"][kept]
    solution = _solve(protocol, view_of(features, targets))
    assert "1 of 4 classes never occur in train and are never predicted: b" in solution.warnings
    assert set(solution.predictions.tolist()) == {0, 2, 3}


@BOTH
def test_an_encoder_that_gives_one_answer_for_all_is_judged_all_the_same(protocol: type[Protocol]) -> None:
    features, targets = gaussians()
    same = {split: torch.ones(len(values), 3) for split, values in features.items()}
    solution = _solve(protocol, view_of(same, targets))
    assert len(set(solution.predictions.tolist())) == 1
    assert solution.selection["constant_features"] == 3


@BOTH
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_features_that_are_not_finite_are_refused(protocol: type[Protocol], split: str) -> None:
    features, targets = gaussians()
    features[split][3, 5] = float("nan")
    with pytest.raises(ValueError, match=f"features of {split} are not finite"):
        _solve(protocol, view_of(features, targets))


def test_a_large_train_is_sampled_and_said_so() -> None:
    features, targets = gaussians()
    solution = _solve(SvmRbf, view_of(features, targets), max_examples=100)
    assert "fitted on 100 of 160 examples of train (max_examples)" in solution.warnings
    assert solution.selection["support_vectors"] <= 100
    assert np.mean(solution.predictions == targets["test"].numpy()) > 0.7
    again = _solve(SvmRbf, view_of(features, targets), max_examples=100)
    assert again.selection == solution.selection


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (SvmLinearConfig, {"penalties": ()}),
        (SvmLinearConfig, {"max_iterations": 0}),
        (SvmRbfConfig, {"costs": (0.0, 1.0)}),
        (SvmRbfConfig, {"gammas": (1.0, 0.1)}),
        (SvmRbfConfig, {"max_examples": 1}),
    ],
)
def test_contradicting_settings_are_refused(config: type[Any], values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"penalties|costs|gammas|max_"):
        config(**values)


def test_are_found_by_the_roster() -> None:
    assert (roster()["svm_linear"], roster()["svm_rbf"]) == (SvmLinear, SvmRbf)
