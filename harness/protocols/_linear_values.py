"""The linear probe of real values: ridge regression on standardised features."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.datasets import Task
from harness.protocols import _ridge
from harness.protocols._grid import edge_warnings
from harness.protocols._protocol import Solution, View
from harness.protocols._quality import quality, told
from harness.protocols._scaling import Scaler


def solve(view: View, task: Task, penalties: Tensor) -> Solution:
    """Predictions float64 [N]; see `linear.Linear` for what is chosen, and how.

    Raises:
        ValueError: the features are not finite, or all values of train are the same.
    """
    scaler = Scaler(view.train.pooled(), torch.float64)
    train, val = scaler(view.train.pooled(), "train"), scaler(view.val.pooled(), "val")
    targets, val_targets = (each.to(train.device).double() for each in (view.train_targets, view.val_targets))
    if len(targets) < 2 or float(targets.amax() - targets.amin()) == 0:
        raise ValueError(f"task {task.name!r}: all values of train are the same, so there is nothing to predict")
    weights, bias = _ridge.fit(train, targets, penalties)
    answers = weights @ val.T + bias
    losses = (answers - val_targets).square().mean(1).tolist()
    qualities = [quality(task, own, val_targets.cpu().numpy()) for own in answers.cpu().numpy()]
    winner = max(range(len(penalties)), key=lambda i: (qualities[i], -losses[i], float(penalties[i])))
    predictions = scaler(view.test.pooled(), "test") @ weights[winner] + bias
    return Solution(
        predictions=predictions.cpu().numpy(),
        selection={
            "objective": "mean squared error / 2 + penalty / 2 * squared norm of the weights",
            "rule": f"best {task.metric} on val, then lowest squared error, then strongest penalty; no refit with val",
            "grid": penalties.tolist(),
            **told(task, qualities),
            "val_loss": losses,
            "winner": float(penalties[winner]),
            "features": scaler.width,
            "constant_features": scaler.constant,
        },
        warnings=tuple(edge_warnings("penalty", float(penalties[winner]), penalties.tolist())),
    )
