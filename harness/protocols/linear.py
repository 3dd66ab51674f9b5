"""Linear probe: multinomial logistic regression on standardised frozen features, its L2 strength chosen on val."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from harness.datasets import Task
from harness.protocols._logistic import Path, solve_path
from harness.protocols._protocol import Protocol, Solution, View
from methods import Keys, Settings


@dataclass(frozen=True, kw_only=True)
class LinearConfig(Settings):
    """The grid and the solver.

    Attributes:
        weakest, strongest: decimal exponents of the grid's ends; strength l multiplies |W|^2 / 2 beside the mean
            log-loss, so l = 1 / (N C) in scikit-learn's terms.
        points: of the grid, evenly spaced on a log scale.
        tolerance, max_iterations: of the solver; see `_logistic.solve_path`.

    Raises:
        ValueError: an empty grid.
    """

    weakest: float = -5.0
    strongest: float = 1.0
    points: int = 7
    tolerance: float = 1e-5
    max_iterations: int = 2000

    def __post_init__(self) -> None:
        if self.points < 1 or self.weakest > self.strongest:
            raise ValueError(f"no grid: {self.points} points from 10^{self.weakest:g} to 10^{self.strongest:g}")


class Linear(Protocol):
    """Fit every strength of the grid on train, keep the one that is best on val, predict test with it.

    Best is the highest accuracy; among equals the lowest log-loss, then the strongest penalty. The winner is not
    fitted anew on train and val together, so that all encoders are judged on the same examples.
    """

    name = "linear"
    version = 1
    kinds = frozenset({"class"})
    Config = LinearConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        config: LinearConfig = self.config
        train, val, test = standardise(view.train.pooled(), view.val.pooled(), view.test.pooled())
        targets = view.train_targets.to(train.device)
        grid = torch.logspace(config.weakest, config.strongest, config.points, dtype=torch.float64)
        path = solve_path(
            train,
            targets,
            len(task.classes),
            grid.to(train),
            tolerance=config.tolerance,
            max_iterations=config.max_iterations,
        )
        accuracies, losses = _validate(path, val, view.val_targets.to(train.device))
        winner = max(range(config.points), key=lambda at: (accuracies[at], -losses[at], at))
        return Solution(
            predictions=path.only(winner).logits(test)[0].argmax(1).cpu().numpy(),
            selection={
                "l2": [float(f"{strength:.6g}") for strength in grid.tolist()],
                "val_accuracy": accuracies,
                "val_loss": losses,
                "train_objective": path.loss.tolist(),
                "iterations": path.iterations.tolist(),
                "winner": winner,
            },
            warnings=tuple(_warnings(config, grid, winner, path, targets, task)),
        )


def standardise(train: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """All splits by the mean and deviation of train; features that are constant there become zero everywhere."""
    mean, deviation = train.mean(0), train.std(0, correction=0)
    varies = deviation > 1e-7 * train.abs().amax(0).clamp_min(1e-30)
    scale = torch.where(varies, deviation, 1.0)
    return tuple((split - mean) / scale * varies for split in (train, *others))


def _validate(path: Path, features: Tensor, targets: Tensor) -> tuple[list[float], list[float]]:
    """Accuracy and mean log-loss on val at each point of the grid."""
    accuracies, losses = [], []
    for at in range(len(path.loss)):
        logits = path.only(at).logits(features)[0]
        accuracies.append(float((logits.argmax(1) == targets).double().mean()))
        losses.append(float(nll_loss(torch.log_softmax(logits.double(), 1), targets)))
    return accuracies, losses


def _warnings(config: LinearConfig, grid: Tensor, winner: int, path: Path, targets: Tensor, task: Task) -> list[str]:
    found: list[str] = []
    if config.points > 1 and winner in (0, config.points - 1):
        end, change = ("weakest", "lower weakest") if winner == 0 else ("strongest", "raise strongest")
        ends = f"[{grid[0]:.0e}, {grid[-1]:.0e}]"
        found.append(f"the winner {grid[winner]:.0e} is the {end} penalty of the grid {ends}: {change}")
    if not bool(path.converged[winner]):
        found.append(f"the winner did not converge in {config.max_iterations} iterations: raise max_iterations")
    absent = sorted(set(range(len(task.classes))) - set(targets.tolist()))
    if absent:
        names = ", ".join(task.classes[label] for label in absent)
        found.append(f"no training example of {names}: it can never be predicted")
    return found
