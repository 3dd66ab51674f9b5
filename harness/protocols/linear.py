"""Linear probe: what a linear function reads from frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness.datasets import Task
from harness.protocols import _linear_spans, _linear_values, _logistic
from harness.protocols._classes import SeenClasses
from harness.protocols._grid import edge_warnings, unconverged_warnings
from harness.protocols._protocol import Protocol, Solution, View
from harness.protocols._quality import quality, told
from harness.protocols._scaling import Scaler
from methods import Keys, Settings


@dataclass(frozen=True, kw_only=True)
class LinearConfig(Settings):
    """The grid of L2 penalties, and how exactly each is solved.

    Attributes:
        weakest, strongest: ends of the grid, lambda in mean loss + lambda/2 ||W||^2 (see _logistic.py, _ridge.py and
            _span_logistic.py).
        points: penalties between them, evenly spaced in log.
        max_iterations: of the solver, per penalty.
        tolerance: the relative decrease of the objective that the solver may leave; the objective then lies within
            about ten times that of its minimum.
        precision: of the solver; ridge regression is solved in float64, exactly.
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
    """What is linear in standardised features: logistic regression for classes (of examples, pairs, positions), ridge
    regression for values, and for spans one vector that finds the first token and one that finds the last.

    The penalty is chosen by the task's metric on val; ties go to the lower loss on val, then to the stronger penalty.
    The winner, fitted on train alone and not refitted with val, predicts test once.
    """

    name = "linear"
    version = 2
    kinds = frozenset({"class", "position", "pair", "regression", "span"})
    Config = LinearConfig
    config: LinearConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """`keys` draw a sample of train where spans have more tokens than fit.

        Raises:
            ValueError: the features are not finite, or train holds a single class, or no two values, or no answer
                that the encoder reads.
        """
        config = self.config
        # Inference mode: no gradient is recorded, and small operations cost less.
        with torch.inference_mode():
            if task.kind == "span":
                return _linear_spans.solve(
                    view,
                    task,
                    keys,
                    config.penalties(),
                    max_iterations=config.max_iterations,
                    tolerance=config.tolerance,
                    precision=getattr(torch, config.precision),
                )
            if not task.classes:
                return _linear_values.solve(view, task, config.penalties())
            return self._solve_classes(view, task)

    def _solve_classes(self, view: View, task: Task) -> Solution:
        config, penalties = self.config, self.config.penalties()
        scaler = Scaler(view.train.pooled(), getattr(torch, config.precision))
        train, val = scaler(view.train.pooled(), "train"), scaler(view.val.pooled(), "val")
        # A class without examples would push its bias to minus infinity: only those seen in train are fitted.
        seen = SeenClasses(task, view.train_targets, train.device)
        fit = _logistic.fit(
            train,
            seen.train,
            len(seen),
            penalties,
            max_iterations=config.max_iterations,
            tolerance=config.tolerance,
        )
        known = seen.known(view.val_targets)
        # Of a class that train lacks the log-loss is infinite; it is left out of it, and never right.
        answers, loss = _logistic.judge(
            fit.weights, fit.biases, val, torch.where(known, seen.compact(view.val_targets), -1)
        )
        targets = view.val_targets.cpu().numpy()
        qualities = [quality(task, own, targets) for own in seen.indices[answers].cpu().numpy()]
        winner = max(range(len(penalties)), key=lambda i: (qualities[i], -float(loss[i]), float(penalties[i])))
        test = scaler(view.test.pooled(), "test")
        predictions = seen.indices[_logistic.predict(fit.weights[winner], fit.biases[winner], test)]
        selection = {
            "objective": "mean cross-entropy + penalty / 2 * squared norm of the weights",
            "rule": f"best {task.metric} on val, then lowest log-loss, then strongest penalty; no refit with val",
            "grid": penalties.tolist(),
            **told(task, qualities),
            "val_loss": loss.tolist(),
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
            *unconverged_warnings(penalties, fit.converged, config.max_iterations, config.tolerance),
        )
        return Solution(predictions=predictions.cpu().numpy(), selection=selection, warnings=warnings)
