"""Multinomial logistic regression over a whole grid of L2 penalties at once.

For N examples x_i with classes y_i, each penalty lambda of the grid has its own weights W [K, D] and biases b [K]:

    f(W, b) = 1/N sum_i -log softmax(W x_i + b)[y_i]  +  lambda/2 ||W||^2

Two classes need one logit: P(y = 1) = sigmoid(w x + b), penalty lambda/2 ||w||^2. Both are scikit-learn's
`LogisticRegression(C=1 / (N lambda))`; biases are free of penalty in both.

How it is solved:

1. *One batch.* All penalties are stacked, [G, K, D], so that one matrix product per step serves the whole grid. Each
   problem has its own step length, memory and stopping (_lbfgs.py).
2. *Principal axes.* ||W||^2 does not change under rotation, so the features are first turned to the eigenvectors of
   their covariance. Near uniform predictions the Hessian is then almost diagonal, c s_d + lambda, with s_d the
   variance along axis d and c the mean of p (1 - p). Its inverse starts the quasi-Newton recursion, which saves
   most of the steps: frozen features are strongly correlated. Without it, on variances over six decades, 1000
   steps left some problems short of the minimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from harness.protocols._lbfgs import MEMORY, Value, minimise


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The solutions of one grid, in the order of its penalties.

    Attributes:
        weights: [G, K, D]; K is 1 for two classes.
        biases: [G, K].
        objective: float64 [G]; f at the solution.
        iterations: int64 [G]; evaluations of objective and gradient.
        converged: bool [G]; whether the stopping rule was met.
    """

    weights: Tensor
    biases: Tensor
    objective: Tensor
    iterations: Tensor
    converged: Tensor


def fit(
    features: Tensor, targets: Tensor, classes: int, penalties: Tensor, *, max_iterations: int, tolerance: float
) -> Fit:
    """Minimise f for every penalty, on the device and in the precision of `features`.

    Args:
        features: float [N, D], centred and of comparable scale.
        targets: int64 [N] in [0, classes), each class present.
        classes: at least 2.
        penalties: float64 [G], positive.
    """
    rotated, variances, axes = principal_axes(features)
    inputs = torch.cat([rotated, rotated.new_ones(len(rotated), 1)], dim=1)
    problem = _Problem(inputs, torch.cat([variances, variances.new_ones(1)]), targets, classes)
    logits = 1 if classes == 2 else classes
    count = len(penalties)
    # Strongest first: where the grid does not go in one piece, each piece starts from its stronger neighbour.
    order = penalties.to(features.device).argsort(descending=True)
    start = features.new_zeros(logits, inputs.shape[1])
    weights = features.new_zeros(count, logits, inputs.shape[1])
    objective = torch.zeros(count, dtype=torch.float64, device=features.device)
    iterations = torch.zeros(count, dtype=torch.int64, device=features.device)
    converged = torch.zeros(count, dtype=torch.bool, device=features.device)
    side_by_side = _piece(weights)
    for first in range(0, count, side_by_side):
        piece = order[first : first + side_by_side]
        grid = penalties.to(features.device)[piece]
        solved = minimise(problem, grid, start.flatten().expand(len(piece), -1), max_iterations, tolerance)
        weights[piece] = solved.weights.view(-1, *start.shape)
        objective[piece], iterations[piece], converged[piece] = solved[1:]
        start = weights[piece[-1]]
    return Fit(
        weights=weights[..., :-1] @ axes.T,
        biases=weights[..., -1],
        objective=objective,
        iterations=iterations,
        converged=converged,
    )


def judge(weights: Tensor, biases: Tensor, features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """What each of G solutions makes of M examples: the classes it gives them, int64 [G, M], and its mean log-loss,
    float64 [G].

    Args:
        targets: int64 [M]; an example with -1, of a class that was not fitted, does not count in the loss.
    """
    answers = torch.empty(len(weights), len(features), dtype=torch.int64, device=features.device)
    loss = torch.zeros(len(weights), dtype=torch.float64, device=features.device)
    for rows in row_blocks(features, weights.shape[0] * max(2, weights.shape[1])):
        logits = _all_logits(weights, biases, features[rows])
        answers[:, rows] = logits.argmax(1)
        known = targets[rows] >= 0
        logits = logits[..., known]
        logits -= logits.logsumexp(1, keepdim=True)
        block = targets[rows][known].expand(len(weights), 1, -1)
        loss -= logits.gather(1, block).sum((1, 2), dtype=torch.float64)
    return answers, loss / (targets >= 0).sum()


def predict(weights: Tensor, biases: Tensor, features: Tensor) -> Tensor:
    """Classes that one solution (weights [K, D], biases [K]) gives to M examples: int64 [M]."""
    answers = [
        _all_logits(weights[None], biases[None], features[rows])[0].argmax(0)
        for rows in row_blocks(features, max(2, weights.shape[0]))
    ]
    return torch.cat(answers)


def _all_logits(weights: Tensor, biases: Tensor, features: Tensor) -> Tensor:
    """[G, classes, M]; for two classes, the first has logit zero."""
    logits = weights @ features.T + biases[..., None]
    return torch.cat([torch.zeros_like(logits), logits], dim=1) if logits.shape[1] == 1 else logits


def _piece(weights: Tensor) -> int:
    """How many penalties to solve side by side.

    On a CPU a few hundred logits keep the matrix product busy; beyond, warm starts save more than batching does. On a
    GPU the memory for L-BFGS is the limit: 2 m + 10 copies of the weights within 2^30 numbers.
    """
    count, logits, width = weights.shape
    room = (1 << 30) // ((2 * MEMORY + 10) * logits * width) if weights.is_cuda else 128 // logits
    return max(1, min(count, room))


def row_blocks(features: Tensor, logits: int) -> list[slice]:
    """Rows whose logits (that many per row) stay in a CPU's cache, or within a quarter of a GiB on a GPU."""
    size = max(64, (1 << 26 if features.is_cuda else 1 << 18) // max(1, logits))
    return [slice(start, start + size) for start in range(0, len(features), size)]


def principal_axes(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features along the eigenvectors of their covariance [N, R], the variances [R], the eigenvectors [D, R].

    R = min(N, D). With fewer examples than features, the optimal weights lie in the span of the examples, so that the
    rest is left out first: exact, and the eigenproblem is no larger than N.
    """
    size, width = features.shape
    span = None
    if size < width:
        span = torch.linalg.qr(features.T).Q
        features = features @ span
    variances, axes = torch.linalg.eigh(features.T @ features / size)
    if len(variances):  # below this floor eigenvalues are rounding error
        variances = variances.clamp(min=10 * torch.finfo(features.dtype).eps * float(variances[-1]))
    return features @ axes, variances, axes if span is None else span @ axes


class _Problem(NamedTuple):
    """What all penalties share. P = D + 1: the last column of `inputs` is one, and its weight is the bias."""

    inputs: Tensor  #: [N, P]
    variances: Tensor  #: [P]
    targets: Tensor  #: int64 [N]
    classes: int

    def evaluate(self, weights: Tensor, penalties: Tensor) -> Value:
        """At weights [G, K P], for penalties float64 [G]."""
        count, (size, width) = len(weights), self.inputs.shape
        matrix = weights.view(-1, width)
        gradient = torch.zeros_like(matrix)
        loss = torch.zeros_like(penalties)
        curvature = torch.zeros_like(penalties)
        for rows in row_blocks(self.inputs, len(matrix)):
            inputs, targets = self.inputs[rows], self.targets[rows]
            logits = (matrix @ inputs.T).view(count, -1, len(inputs))
            part = _binary(logits, targets) if self.classes == 2 else multinomial(logits, targets)
            loss += part[0]
            curvature += part[1]
            gradient.addmm_(part[2].view(len(matrix), -1), inputs)
        gradient = gradient.div_(size).view(count, -1, width)
        shrunk = weights.view(count, -1, width)[..., :-1]
        gradient[..., :-1] += penalties.to(gradient.dtype)[:, None, None] * shrunk
        squares = torch.linalg.vector_norm(shrunk.flatten(1), dim=1).double().square()
        return Value(loss / size + 0.5 * penalties * squares, gradient.view(count, -1), curvature / size)

    def initial_inverse(self, curvature: Tensor, penalties: Tensor) -> Tensor:
        """Diagonal of H0, 1 / (c s + lambda), without penalty for the bias: [G, K P]."""
        diagonal = curvature.to(self.inputs.dtype)[:, None] * self.variances
        diagonal[:, :-1] += penalties.to(self.inputs.dtype)[:, None]
        return diagonal.reciprocal_().repeat(1, 1 if self.classes == 2 else self.classes)


def multinomial(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Summed loss [G], summed mean over classes of p (1 - p) [G], and p - onehot [G, K, n], in place of `logits`.

    All of it is built from the odds against the right class, not from 1 - p, so that a loss of 1e-6 still has all
    its digits in float32; on separable classes under weak penalties that is where the optimum lies.
    """
    count, classes, _ = logits.shape
    index = targets.expand(count, 1, -1)
    highest = logits.amax(1, keepdim=True)
    behind = highest - logits.gather(1, index)
    others = logits.sub_(highest).exp_().scatter_(1, index, 0.0)
    against = others.sum(1, keepdim=True)
    own = behind.neg().exp_()
    loss = (behind + torch.log1p(against + (own - 1))).sum((1, 2), dtype=torch.float64)
    scale = (against + own).reciprocal_()
    missing = against * scale  # 1 - p of the right class
    residual = others.mul_(scale).scatter_(1, index, -missing)
    squares = torch.linalg.vector_norm(residual.flatten(1), dim=1).double().square()
    # sum_k p_k (1 - p_k) = 2 (1 - p_y) - ||p - onehot||^2
    curvature = (2 * missing.sum((1, 2), dtype=torch.float64) - squares) / classes
    return loss, curvature, residual


def _binary(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `multinomial`, for one logit [G, 1, n] that speaks for class 1."""
    against = 1 - 2 * targets.to(logits.dtype)  # +1 where a high logit is wrong
    wrong = logits * against
    loss = torch.nn.functional.softplus(wrong, threshold=80.0).sum((1, 2), dtype=torch.float64)
    missing = torch.sigmoid(wrong)
    curvature = (missing * (1 - missing)).sum((1, 2), dtype=torch.float64)
    return loss, curvature, missing * against
