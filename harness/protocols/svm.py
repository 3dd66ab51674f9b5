"""Support vector machines on frozen features: the evaluation of Vincent 2010, section on layers 0 to 3 (raw input is
layer 0), with scikit-learn's liblinear and libsvm.

Features are centred and divided by one number, the root of their mean variance, so that C and gamma mean the same on
every layer. They are not standardised one by one: measured on validation splits (pixels of MNIST and
rectangles, a denoising autoencoder's last layer), that changed the accuracy of the RBF machine by -2 to +0.5 points,
since it gives nearly constant pixels the weight of all others.

Cost of the default grids on 10,000 examples of 500 features and 10 classes, 2,000 on val, one thread of a CPU: linear
22 s, RBF 40 s and 1 GiB for the kernel matrix. Tasks that label positions have ten times as many, and are left to
the linear probe and to neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets import Task
from harness.protocols import _svm_fit
from harness.protocols._classes import SeenClasses
from harness.protocols._grid import check_grid, edge_warnings
from harness.protocols._protocol import Protocol, Solution, View
from harness.protocols._quality import quality, told
from harness.protocols._scaling import Scaler
from methods import Keys, Settings


@dataclass(frozen=True, kw_only=True)
class SvmLinearConfig(Settings):
    """Attributes:
    penalties: lambda in 1/N sum of squared hinge losses + lambda/2 ||(W, b)||^2, ascending; scikit-learn's C is
        1 / (N lambda), so the grid fits every size of train.
    max_iterations: of liblinear, per penalty and class.
    """

    penalties: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
    max_iterations: int = 2000

    def __post_init__(self) -> None:
        check_grid("penalties", self.penalties)
        if self.max_iterations < 1:
            raise ValueError(f"max_iterations: {self.max_iterations} is not at least 1")


class SvmLinear(Protocol):
    """One linear machine a class against the rest, squared hinge loss.

    The penalty is chosen by the task's metric on val, ties go to the stronger; the winner, fitted on train alone,
    predicts test once.
    """

    name = "svm_linear"
    version = 2
    kinds = frozenset({"class", "pair"})
    needs_classes = True
    Config = SvmLinearConfig
    config: SvmLinearConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """`keys` order the coordinates that liblinear's dual solver visits.

        Raises:
            ValueError: the features are not finite, or train holds a single class.
        """
        from sklearn.svm import LinearSVC

        data = _Data(view, task)
        train, val = data.train.cpu().numpy(), data.val.cpu().numpy()
        penalties = self.config.penalties
        models, converged, qualities = [], [], []
        for penalty in penalties:
            model = LinearSVC(
                C=1 / (penalty * len(train)),
                dual=True,  # at 10,000 examples, 500 features and 10 classes faster than the primal at every penalty
                max_iter=self.config.max_iterations,
                random_state=keys.fold("liblinear").seed() % (1 << 32),
            )
            converged.append(_svm_fit.fit(model, train, data.targets))
            qualities.append(data.quality(model.predict(val)))
            models.append(model)
        winner = max(range(len(penalties)), key=lambda i: (qualities[i], penalties[i]))
        missed = [penalty for penalty, met in zip(penalties, converged, strict=True) if not met]
        return Solution(
            predictions=data.named(models[winner].predict(data.test().cpu().numpy())),
            selection={
                "rule": f"best {task.metric} on val, then strongest penalty; no refit with val",
                "grid": list(penalties),
                **told(task, qualities),
                "converged": converged,
                "winner": penalties[winner],
                **data.about,
            },
            warnings=(
                *data.seen.warnings(),
                *edge_warnings("penalty", penalties[winner], penalties),
                *_unconverged([f"penalty {penalty:g}" for penalty in missed], self.config.max_iterations),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class SvmRbfConfig(Settings):
    """Attributes:
    costs: C of libsvm, ascending.
    gammas: of the kernel exp(-gamma ||x - y||^2 / v), v the sum of the features' variances, ascending; 1 is
        scikit-learn's gamma "scale" on centred features.
    max_examples: train is sampled down to so many, with a warning, since the kernel matrix takes 8 bytes for each pair
        of them (0.8 GB at the default, the size of most of the paper's training sets).
    max_iterations: of libsvm, per point of the grid and pair of classes.
    """

    costs: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0, 1000.0)
    gammas: tuple[float, ...] = (1 / 64, 1 / 16, 1 / 4, 1.0, 4.0, 16.0)
    max_examples: int = 10_000
    max_iterations: int = 1_000_000

    def __post_init__(self) -> None:
        check_grid("costs", self.costs)
        check_grid("gammas", self.gammas)
        if self.max_examples < 2 or self.max_iterations < 1:
            raise ValueError("max_examples must be at least 2, and max_iterations at least 1")


class SvmRbf(Protocol):
    """A Gaussian kernel machine for each pair of classes.

    The kernel matrix of each gamma serves all costs. (gamma, C) are chosen by the task's metric on val; ties go
    to the smaller C, then to the smaller gamma. The winner, fitted on train alone, predicts test once.
    """

    name = "svm_rbf"
    version = 2
    kinds = frozenset({"class", "pair"})
    needs_classes = True
    Config = SvmRbfConfig
    config: SvmRbfConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """`keys` draw the sample of train where it is too large.

        Raises:
            ValueError: the features are not finite, or train holds a single class.
        """
        from sklearn.svm import SVC

        size = len(view.train_targets)
        kept = None
        if size > self.config.max_examples:
            shuffled = torch.randperm(size, generator=keys.fold("sample").generator())
            kept = shuffled[: self.config.max_examples].sort().values
        data = _Data(view, task, kept)
        points: list[tuple[float, float, float]] = []  # quality on val, C, gamma
        best: tuple[tuple[float, float, float], Any] | None = None
        missed = []
        first = self.config.gammas[0]
        kernel = _svm_fit.rbf(data.train, data.train, first / data.train.shape[1])
        for before, relative in pairwise((first, *self.config.gammas)):
            gamma = relative / data.train.shape[1]
            # exp(-c gamma d) = exp(-gamma d)^c, in place: half the cost of a new matrix, and no second one in memory.
            torch.from_numpy(kernel).pow_(relative / before)
            models = [
                SVC(C=cost, kernel="precomputed", max_iter=self.config.max_iterations) for cost in self.config.costs
            ]
            for model in models:
                if not _svm_fit.fit(model, kernel, data.targets):
                    missed.append(f"(gamma {relative:g}, C {model.C:g})")
            answers = _svm_fit.rbf_predictions(models, data.val, data.train, gamma)
            for model, own in zip(models, answers, strict=True):
                points.append((data.quality(own), model.C, relative))
                if best is None or _rank(points[-1]) > _rank(best[0]):
                    best = points[-1], model
        assert best is not None, "the configuration holds a grid"
        (_, cost, relative), model = best
        (answers_on_test,) = _svm_fit.rbf_predictions([model], data.test(), data.train, relative / data.train.shape[1])
        used = [] if kept is None else [f"fitted on {len(kept)} of {size} examples of train (max_examples)"]
        return Solution(
            predictions=data.named(answers_on_test),
            selection={
                "rule": f"best {task.metric} on val, then smallest C, then smallest gamma; no refit with val",
                "grid": [{"gamma": gamma, "C": point} for _, point, gamma in points],
                **told(task, [each for each, _, _ in points]),
                "unconverged": missed,
                "winner": {"gamma": relative, "C": cost},
                "support_vectors": len(model.support_),
                **data.about,
            },
            warnings=(
                *data.seen.warnings(),
                *used,
                *edge_warnings("C", cost, self.config.costs),
                *edge_warnings("gamma", relative, self.config.gammas),
                *_unconverged(missed, self.config.max_iterations),
            ),
        )


def _rank(point: tuple[float, float, float]) -> tuple[float, float, float]:
    value, cost, gamma = point
    return value, -cost, -gamma


def _unconverged(points: list[str], limit: int) -> list[str]:
    if not points:
        return []
    return [f"the solver did not converge at {', '.join(points)} (max_iterations {limit}); raise it"]


class _Data:
    """What both machines start from: features on one scale, and the classes that train has.

    Attributes:
        train, val: float64 [N, D], [M, D].
        targets: int64 [N] in the numbering of `seen`.
    """

    def __init__(self, view: View, task: Task, kept: Tensor | None = None) -> None:
        features, targets = view.train.pooled(), view.train_targets
        if kept is not None:
            features, targets = features[kept.to(features.device)], targets[kept.to(targets.device)]
        self._task, self.seen = task, SeenClasses(task, targets, features.device)
        self.seen.known(view.val_targets)
        self._scaler = Scaler(features, torch.float64, each=False)
        self._test = view.test
        self._val_targets = view.val_targets.cpu().numpy()
        self.train, self.val = self._scaled(features, "train"), self._scaled(view.val.pooled(), "val")
        self.targets: NDArray[np.int64] = self.seen.train.cpu().numpy()
        self.about = {"features": self._scaler.width, "constant_features": self._scaler.constant}

    def test(self) -> Tensor:
        return self._scaled(self._test.pooled(), "test")

    def named(self, answers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Answers in the numbering of the task."""
        named: NDArray[np.int64] = self.seen.indices.cpu().numpy()[answers]
        return named

    def quality(self, answers: NDArray[np.int64]) -> float:
        """On all of val."""
        return quality(self._task, self.named(answers), self._val_targets)

    def _scaled(self, features: Tensor, split: str) -> Tensor:
        scaled = self._scaler(features, split)
        # An encoder that gives the same for all leaves no feature; the solvers need one.
        return scaled if scaled.shape[1] else scaled.new_zeros(len(scaled), 1)
