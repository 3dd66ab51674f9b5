"""Multinomial logistic regression for a whole grid of L2 strengths in one pass, solved to convergence.

For standardised features x [N, D], labels y in 0..K-1 and each strength l of the grid, minimise over W [D, K], b [K]

    f(W, b) = mean_n [ logsumexp(x_n W + b) - (x_n W + b)[y_n] ] + l/2 |W|^2

(scikit-learn's C is 1 / (N l)). Three ideas make it fast:

1. *All strengths at once.* The weights of G problems stand side by side, so each iteration multiplies x with one
   [D, G K] matrix instead of reading x G times. A problem that has converged leaves the batch.
2. *Preconditioning.* In the eigenbasis of x's covariance the penalty keeps its form, and the Hessian at W = 0 is
   diagonal up to the classes: s_j^2 / K + l for variance s_j^2 along axis j. Dividing by its root leaves L-BFGS a
   problem whose condition does not depend on how correlated the features are.
3. *No more axes than examples.* Axes without variance cannot change a prediction; the penalty sets them to zero.

The optimiser is L-BFGS (Nocedal and Wright, Algorithms 7.4 and 3.1) with a history and a step length per problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

HISTORY = 10
#: Nats. A loss far below this, as separable data have under a weak penalty, need not be known to many digits.
NEGLIGIBLE = 0.01
_ARMIJO = 1e-4
_HALVINGS = 20


@dataclass(frozen=True)
class Path:
    """The solutions, in the order of the grid.

    Attributes:
        weight: [G, D, K]. bias: [G, K].
        loss: value of f: [G].
        iterations: int64 [G].
        converged: bool [G].
    """

    weight: Tensor
    bias: Tensor
    loss: Tensor
    iterations: Tensor
    converged: Tensor

    def only(self, at: int) -> Path:
        """The path cut down to one point of the grid."""
        one = slice(at, at + 1)
        return Path(self.weight[one], self.bias[one], self.loss[one], self.iterations[one], self.converged[one])

    def logits(self, features: Tensor) -> Tensor:
        """[G, N, K] for features [N, D], standardised as those of the fit."""
        return torch.einsum("nd,gdk->gnk", features, self.weight) + self.bias[:, None]


def solve_path(
    features: Tensor, targets: Tensor, classes: int, strengths: Tensor, *, tolerance: float, max_iterations: int
) -> Path:
    """Minimise f for each of `strengths`.

    Args:
        features: standardised, [N, D].
        targets: int64 [N], below `classes`.
        strengths: l > 0 of each problem: [G].
        tolerance: a problem has converged when the fall of f that the next step promises, in nats, is below
            tolerance * (f + NEGLIGIBLE).
    """
    axes, variances = _principal_axes(features)
    problem = _Problem(features @ axes, targets, classes, strengths, variances)
    solution, loss, iterations, converged = _lbfgs(problem, tolerance, max_iterations)
    weight, bias = problem.unpack(solution, torch.arange(len(strengths), device=features.device))
    return Path(axes @ weight, bias, loss, iterations, converged)


def _principal_axes(features: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal axes [D, R] along which the features vary, and the variance along each [R]."""
    count, width = features.shape
    wide = width > count
    gram = (features @ features.T if wide else features.T @ features).double() / count
    values, vectors = torch.linalg.eigh(gram)
    kept = values > values[-1].clamp_min(1e-30) * 1e-10
    values, vectors = values[kept], vectors[:, kept]
    if wide:
        vectors = features.T.double() @ (vectors / (values * count).sqrt())
    return vectors.to(features.dtype), values.to(features.dtype)


class _Problem:
    """f and its gradient, for any subset of the G problems, in preconditioned coordinates [G, R * K + K]."""

    def __init__(self, inputs: Tensor, targets: Tensor, classes: int, strengths: Tensor, variances: Tensor) -> None:
        self.inputs = inputs
        self.targets = targets
        self.classes = classes
        self.strengths = strengths.to(inputs)
        self.scales = (variances / classes + self.strengths[:, None]).rsqrt()  # [G, R]
        self.bias_scale = classes**0.5
        self.size = (inputs.shape[1] + 1) * classes

    def unpack(self, point: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [G', R, K] and biases [G', K] of problems `which`."""
        body, bias = point[:, : -self.classes], point[:, -self.classes :]
        weight = body.reshape(len(which), -1, self.classes) * self.scales[which, :, None]
        return weight, bias * self.bias_scale

    def value_and_gradient(self, point: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """f [G'] and its gradient [G', R * K + K] at `point`."""
        count, problems = len(self.inputs), len(which)
        weight, bias = self.unpack(point, which)
        stacked = weight.permute(1, 0, 2).reshape(-1, problems * self.classes)
        logits = (self.inputs @ stacked).view(count, problems, self.classes) + bias
        log_probabilities = torch.log_softmax(logits, dim=2)
        index = self.targets[:, None, None].expand(-1, problems, 1)
        chosen = log_probabilities.gather(2, index)
        residual = log_probabilities.exp_().scatter_add_(2, index, torch.full_like(chosen, -1.0)).div_(count)
        strengths = self.strengths[which]
        loss = -chosen.sum((0, 2)) / count + 0.5 * strengths * weight.square().sum((1, 2))
        slope = (self.inputs.T @ residual.view(count, -1)).view(-1, problems, self.classes).permute(1, 0, 2)
        slope = (slope + strengths[:, None, None] * weight) * self.scales[which, :, None]
        return loss, torch.cat([slope.reshape(problems, -1), residual.sum(0) * self.bias_scale], dim=1)


def _lbfgs(problem: _Problem, tolerance: float, max_iterations: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Minimisers [G, size], values, iterations and convergence of all problems."""
    device, total = problem.inputs.device, len(problem.strengths)
    solution = torch.zeros(total, problem.size, device=device, dtype=problem.inputs.dtype)
    losses = torch.zeros(total, device=device, dtype=problem.inputs.dtype)
    iterations = torch.zeros(total, device=device, dtype=torch.int64)
    converged = torch.zeros(total, device=device, dtype=torch.bool)

    which = torch.arange(total, device=device)
    point = solution.clone()
    loss, gradient = problem.value_and_gradient(point, which)
    memory = _Memory()
    for iteration in range(max_iterations + 1):
        direction = memory.direction(gradient)
        # Half of g' H g, with L-BFGS's own H, is how far f will fall if its curvature is right.
        done = -0.5 * (gradient * direction).sum(1) <= tolerance * (loss + NEGLIGIBLE)
        stopped = done if iteration < max_iterations else torch.ones_like(done)
        if not stopped.any():
            moved, new_loss, new_gradient, stuck = _line_search(problem, which, point, loss, gradient, direction)
            memory.remember(moved - point, new_gradient - gradient)
            point, loss, gradient = moved, new_loss, new_gradient
            # A problem that no step improves any more is at the precision of its floating-point numbers.
            done = stopped = stuck
        if stopped.any():
            out = which[stopped]
            solution[out], losses[out], iterations[out] = point[stopped], loss[stopped], iteration
            converged[out] = done[stopped]
            keep = ~stopped
            if not keep.any():
                break
            which, point, loss, gradient = which[keep], point[keep], loss[keep], gradient[keep]
            memory.keep(keep)
    return solution, losses, iterations, converged


def _line_search(
    problem: _Problem, which: Tensor, point: Tensor, loss: Tensor, gradient: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Halve each problem's step until f falls enough (Armijo). Also says which problems no step improves."""
    slope = (gradient * direction).sum(1)
    step = torch.ones_like(loss)
    moved, new_loss, new_gradient = point.clone(), loss.clone(), gradient.clone()
    open_ = torch.arange(len(loss), device=loss.device)
    for _ in range(_HALVINGS):
        candidate = point[open_] + step[open_, None] * direction[open_]
        value, its_gradient = problem.value_and_gradient(candidate, which[open_])
        good = value <= loss[open_] + _ARMIJO * step[open_] * slope[open_]
        taken = open_[good]
        moved[taken], new_loss[taken], new_gradient[taken] = candidate[good], value[good], its_gradient[good]
        open_ = open_[~good]
        if len(open_) == 0:
            break
        step[open_] *= 0.5
    stuck = torch.zeros_like(loss, dtype=torch.bool)
    stuck[open_] = True
    return moved, new_loss, new_gradient, stuck


class _Memory:
    """The last steps and gradient changes of every open problem."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []  # steps [G', P], changes [G', P], 1 / (step . change) [G']

    def remember(self, step: Tensor, change: Tensor) -> None:
        curvature = (step * change).sum(1)
        # Convex f: not positive only by rounding, or where a problem did not move. Such a pair says nothing.
        inverse = torch.where(curvature > 1e-12, 1 / curvature, 0.0)
        self.pairs = [*self.pairs[-HISTORY + 1 :], (step, change, inverse)]

    def keep(self, which: Tensor) -> None:
        self.pairs = [(step[which], change[which], inverse[which]) for step, change, inverse in self.pairs]

    def direction(self, gradient: Tensor) -> Tensor:
        """-H gradient by the two-loop recursion, H starting from the identity scaled to the latest pair."""
        remaining = gradient.clone()
        parts = []
        for step, change, inverse in reversed(self.pairs):
            part = inverse * (step * remaining).sum(1)
            remaining -= part[:, None] * change
            parts.append(part)
        if self.pairs:
            step, change, inverse = self.pairs[-1]
            scale = (step * change).sum(1) / change.square().sum(1).clamp_min(1e-30)
            remaining *= torch.where(inverse > 0, scale, 1.0)[:, None]
        for (step, change, inverse), part in zip(self.pairs, reversed(parts), strict=True):
            remaining += (part - inverse * (change * remaining).sum(1))[:, None] * step
        return -remaining
