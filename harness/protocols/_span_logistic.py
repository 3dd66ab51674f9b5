"""Conditional logistic regression over the tokens of each example, for a whole grid of L2 penalties at once.

Example i has tokens l with features x_il; its answer runs from token s_i to token t_i. Each penalty lambda has two
vectors, u for starts and v for ends:

    f(u, v) = 1/N sum_i [-log softmax_l(u x_il)[s_i] - log softmax_l(v x_il)[t_i]]  +  lambda/2 (||u||^2 + ||v||^2)

What all tokens of an example share cancels in the softmax, a bias and the pooled question among it, so features are
centred within each example, and those that then are zero are left out. As in _logistic.py, features are turned to the
principal axes of this covariance, near which the Hessian is almost diagonal at the start, and all penalties are solved
side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from harness.protocols._lbfgs import Minima, Value, minimise
from harness.protocols._logistic import multinomial, principal_axes

#: Scores held at a time, of all penalties together: within a CPU's cache, or a quarter of a GiB on a GPU.
_ROOM = {True: 1 << 26, False: 1 << 18}


def fit(
    features: Tensor, lengths: Tensor, answers: Tensor, penalties: Tensor, *, max_iterations: int, tolerance: float
) -> Minima:
    """Minimise f for every penalty, on the device and in the precision of `features`; weights [G, 2, D].

    Args:
        features: float [M, D], the tokens of one example after those of the other, of comparable scale; overwritten.
        lengths: int64 [N], at least one each, M in all.
        answers: int64 [N, 2], first and last token, counted within the example.
        penalties: float64 [G], positive.
    """
    within(features, lengths)
    varying = (features != 0).any(0)
    # An encoder that gives the same for all tokens leaves nothing; one feature of zeros then learns nothing.
    varying[0] |= not varying.any()
    inputs, variances, axes = principal_axes(features if varying.all() else features[:, varying])
    problem = _Problem(inputs, variances, _blocks(lengths.tolist(), answers, len(penalties)))
    start = inputs.new_zeros(len(penalties), 2 * inputs.shape[1])
    solved = minimise(problem, penalties.to(features.device), start, max_iterations, tolerance)
    weights = features.new_zeros(len(penalties), 2, features.shape[1])
    weights[..., varying] = solved.weights.view(len(penalties), 2, -1) @ axes.T
    return solved._replace(weights=weights)


def within(features: Tensor, lengths: Tensor) -> None:
    """Take each example's mean from its tokens, in place: [M, D]."""
    for tokens in torch.split(features, lengths.tolist()):
        tokens -= tokens.double().mean(0).to(tokens.dtype)


def score(weights: Tensor, features: Tensor, lengths: Tensor) -> Tensor:
    """Of each token as start and as end, [G, 2, N, L] from weights [G, 2, D] and features [M, D]; minus infinity
    beyond an example's own tokens."""
    longest = max(int(lengths.max()), 1)
    mask = torch.arange(longest, device=features.device) < lengths[:, None]
    scores = features.new_full((*weights.shape[:2], *mask.shape), -torch.inf)
    scores[..., mask] = weights @ features.T
    return scores


def log_loss(scores: Tensor, answers: Tensor) -> Tensor:
    """The first part of f, summed over examples: float64 [G] from [G, 2, N, L] and int64 [N, 2]."""
    behind = scores.logsumexp(-1) - scores.gather(-1, answers.T[None, ..., None].expand(len(scores), -1, -1, 1))[..., 0]
    return behind.sum((1, 2), dtype=torch.float64)


class _Block(NamedTuple):
    """Consecutive examples whose scores are held together, padded to the longest of them, L, as [L, n]."""

    rows: slice  #: their tokens
    shape: tuple[int, int]  #: (L, n)
    where: Tensor  #: int64 [tokens], the place of each in a flattened [L, n]
    answers: Tensor  #: int64 [n, 2]


def _blocks(lengths: list[int], answers: Tensor, penalties: int) -> list[_Block]:
    room = _ROOM[answers.is_cuda] // (2 * penalties)
    found, first, row = [], 0, 0
    while first < len(lengths):
        last, longest = first + 1, lengths[first]
        while last < len(lengths) and max(longest, lengths[last]) * (last + 1 - first) <= room:
            longest = max(longest, lengths[last])
            last += 1
        own = torch.tensor(lengths[first:last], device=answers.device)
        mask = torch.arange(longest, device=answers.device) < own[:, None]
        example, token = mask.nonzero(as_tuple=True)
        rows = slice(row, row + int(own.sum()))
        found.append(_Block(rows, (longest, last - first), token * (last - first) + example, answers[first:last]))
        first, row = last, rows.stop
    return found


class _Problem(NamedTuple):
    """What all penalties share."""

    inputs: Tensor  #: [M, P]
    variances: Tensor  #: [P]
    blocks: list[_Block]

    def evaluate(self, weights: Tensor, penalties: Tensor) -> Value:
        """At weights [G, 2 P]. The curvature is the mean over examples of 1 - sum_l p_l^2."""
        count, width = len(weights), self.inputs.shape[1]
        matrix = weights.view(-1, width)
        gradient = torch.zeros_like(matrix)
        loss, curvature = torch.zeros_like(penalties), torch.zeros_like(penalties)
        size = 0
        for rows, (longest, examples), where, answers in self.blocks:
            inputs = self.inputs[rows]
            scores = (matrix @ inputs.T).view(count, 2, -1)
            for which in (0, 1):
                padded = scores.new_full((count, longest * examples), -torch.inf)
                padded[:, where] = scores[:, which]
                part = multinomial(padded.view(count, longest, examples), answers[:, which])
                loss += part[0]
                curvature += part[1] * (longest / 2)  # it comes as a mean over the places; of two softmaxes
                scores[:, which] = part[2].view(count, -1)[:, where]
            gradient.addmm_(scores.view(len(matrix), -1), inputs)
            size += examples
        gradient = gradient.div_(size).view(count, -1)
        gradient += penalties.to(gradient.dtype)[:, None] * weights
        squares = torch.linalg.vector_norm(weights, dim=1).double().square()
        return Value(loss / size + 0.5 * penalties * squares, gradient, curvature / size)

    def initial_inverse(self, curvature: Tensor, penalties: Tensor) -> Tensor:
        """Diagonal of H0, 1 / (c s + lambda): [G, 2 P]."""
        dtype = self.inputs.dtype
        diagonal = curvature.to(dtype)[:, None] * self.variances + penalties.to(dtype)[:, None]
        return diagonal.reciprocal_().repeat(1, 2)
