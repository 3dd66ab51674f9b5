"""Linear probe: what a linear classifier reads from frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from harness.datasets import Task
from harness.protocols import _logistic
from harness.protocols._classes import SeenClasses
from harness.protocols._grid import edge_warnings
from harness.protocols._protocol import Protocol, Solution, View
from harness.protocols._scaling import Scaler
from methods import Keys, Settings


@dataclass(frozen=True, kw_only=True)
class LinearConfig(Settings):
    """The grid of L2 penalties, and how exactly each is solved.

    Attributes:
        weakest, strongest: ends of the grid, lambda in mean cross-entropy + lambda/2 ||W||^2 (see _logistic.py).
        points: penalties between them, evenly spaced in log.
        max_iterations: of the solver, per penalty.
        tolerance: the relative decrease of the objective that the solver may leave; the objective then lies within
            about ten times that of its minimum.
        precision: of the solver.
    """

    weakest: float = 1e-6
    strongest: float = 1e2
    points: int = 9
    max_iterations: int = 1000
    tolerance: float = 1e-6
    precision: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if not 0 < self.weakest <= self.strongest < float("inf"):
            raise ValueError(f"the grid needs 0 < weakest <= strongest, not [{self.weakest}, {self.strongest}]")
        if self.points < 1 or (self.points == 1) != (self.weakest == self.strongest):
            raise ValueError(
                f"{self.points} points do not fit [{self.weakest}, {self.strongest}]: "
                "one point needs equal ends, several need different ones"
            )
        if self.max_iterations < 1 or not 0 < self.tolerance < 1:
            raise ValueError("max_iterations must be at least 1, and tolerance between 0 and 1")

    def penalties(self) -> Tensor:
        """Ascending, float64 [points]; powers of ten come out exact."""
        ends = torch.tensor([self.weakest, self.strongest], dtype=torch.float64).log10()
        exponents = torch.linspace(float(ends[0]), float(ends[1]), self.points, dtype=torch.float64)
        return torch.tensor([float(f"{10.0**exponent:.6g}") for exponent in exponents.tolist()], dtype=torch.float64)


class Linear(Protocol):
    """Multinomial logistic regression on standardised features.

    The penalty is chosen by accuracy on val; ties go to the lower log-loss on val, then to the stronger penalty. The
    winner, fitted on train alone and not refitted with val, predicts test once.
    """

    name = "linear"
    version = 1
    kinds = frozenset({"class"})
    Config = LinearConfig
    config: LinearConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """No randomness: `keys` is not used.

        Raises:
            ValueError: the features are not finite, or train holds a single class.
        """
        # Inference mode: no gradient is recorded, and small operations cost less.
        with torch.inference_mode():
            return self._solve(view, task)

    def _solve(self, view: View, task: Task) -> Solution:
        scaler = Scaler(view.train.pooled(), getattr(torch, self.config.precision))
        train, val = scaler(view.train.pooled(), "train"), scaler(view.val.pooled(), "val")
        # A class without examples would push its bias to minus infinity: only those seen in train are fitted.
        seen = SeenClasses(task, view.train_targets, train.device)
        penalties = self.config.penalties()
        fit = _logistic.fit(
            train,
            seen.train,
            len(seen),
            penalties,
            max_iterations=self.config.max_iterations,
            tolerance=self.config.tolerance,
        )
        accuracy, loss = _on_val(fit, val, view.val_targets.to(train.device), seen)
        winner = max(range(len(penalties)), key=lambda i: (accuracy[i], -loss[i], float(penalties[i])))
        test = scaler(view.test.pooled(), "test")
        answers = seen.indices[_logistic.predict(fit.weights[winner], fit.biases[winner], test)]
        selection = {
            "objective": "mean cross-entropy + penalty / 2 * squared norm of the weights",
            "rule": "highest accuracy on val, then lowest log-loss on val, then strongest penalty; no refit with val",
            "grid": penalties.tolist(),
            "val_accuracy": accuracy,
            "val_loss": loss,
            "train_objective": fit.objective.tolist(),
            "iterations": fit.iterations.tolist(),
            "converged": fit.converged.tolist(),
            "winner": float(penalties[winner]),
            "features": scaler.width,
            "constant_features": scaler.constant,
        }
        warnings = (
            *seen.warnings(),
            *edge_warnings("penalty", float(penalties[winner]), penalties.tolist()),
            *self._unconverged(penalties, fit.converged),
        )
        return Solution(predictions=answers.cpu().numpy(), selection=selection, warnings=warnings)

    def _unconverged(self, penalties: Tensor, converged: Tensor) -> list[str]:
        missed = penalties[~converged.cpu()].tolist()
        if not missed:
            return []
        named = ", ".join(f"{penalty:g}" for penalty in missed)
        limit = f"max_iterations {self.config.max_iterations}, tolerance {self.config.tolerance:g}"
        return [f"the solver did not converge for penalty {named} ({limit}); raise them, or use float64"]


def _on_val(fit: _logistic.Fit, val: Tensor, targets: Tensor, seen: SeenClasses) -> tuple[list[Any], list[Any]]:
    """Accuracy over all of val, and log-loss over the examples whose class train has (of others it is infinite)."""
    known = seen.known(targets)
    accuracy, loss = _logistic.judge(fit.weights, fit.biases, val[known], seen.compact(targets[known]))
    return (accuracy * known.double().mean()).tolist(), loss.tolist()
