"""The solver of spans against scipy and autograd on the objective as its docstring has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional

from harness.protocols import _span_logistic

GRID = torch.tensor([1e-3, 1e-1, 1.0], dtype=torch.float64)
LENGTHS = torch.tensor([4, 1, 7, 2, 5, 3, 6, 7, 4, 5])


def _problem(width: int = 5) -> tuple[Tensor, Tensor]:
    """Features float64 [M, width] and answers int64 [N, 2]; an answer's tokens differ from the others a little."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(int(LENGTHS.sum()), width, generator=generator, dtype=torch.float64)
    first = (torch.rand(len(LENGTHS), generator=generator) * LENGTHS).long()
    last = first + (torch.rand(len(LENGTHS), generator=generator) * (LENGTHS - first)).long()
    begins = LENGTHS.cumsum(0) - LENGTHS
    features[begins + first, 0] += 1.5
    features[begins + last, 1] += 1.5
    return features, torch.stack([first, last], dim=1)


def _objective(weights: Tensor, features: Tensor, answers: Tensor, penalty: float) -> Tensor:
    total = weights.new_zeros(())
    for own, (first, last) in zip(torch.split(features, LENGTHS.tolist()), answers.tolist(), strict=True):
        total = total - functional.log_softmax(own @ weights[0], 0)[first]
        total = total - functional.log_softmax(own @ weights[1], 0)[last]
    return total / len(LENGTHS) + penalty / 2 * weights.square().sum()


def _minimum(features: Tensor, answers: Tensor, penalty: float) -> tuple[float, Tensor]:
    def value(flat: Any) -> tuple[float, Any]:
        weights = torch.from_numpy(flat).view(2, -1).requires_grad_()
        objective = _objective(weights, features, answers, penalty)
        (gradient,) = torch.autograd.grad(objective, weights)
        return float(objective.detach()), gradient.flatten().numpy()

    start = np.zeros(2 * features.shape[1])
    found = minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-9})
    return float(found.fun), torch.from_numpy(found.x).view(2, -1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_penalty_equals_brute_force(dtype: torch.dtype) -> None:
    features, answers = _problem()
    features[:, 3] = torch.arange(len(LENGTHS)).repeat_interleave(LENGTHS)  # the same for all tokens of an example
    fit = _span_logistic.fit(features.to(dtype, copy=True), LENGTHS, answers, GRID, max_iterations=500, tolerance=1e-6)
    assert fit.converged.all()
    for index, penalty in enumerate(GRID.tolist()):
        objective, weights = _minimum(features, answers, penalty)
        ours = float(_objective(fit.weights[index].double(), features, answers, penalty))
        assert ours == pytest.approx(objective, rel=1e-5)
        assert ours == pytest.approx(float(fit.objective[index]), rel=1e-5)
        torch.testing.assert_close(fit.weights[index].double(), weights, atol=0.02, rtol=0.02)
        assert (fit.weights[index][:, 3] == 0).all()


def test_gradient_equals_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_span_logistic, "_ROOM", {False: 60, True: 60})  # several blocks
    features, answers = _problem()
    blocks = _span_logistic._blocks(LENGTHS.tolist(), answers, 3)
    assert len(blocks) > 2
    problem = _span_logistic._Problem(features, torch.ones(5, dtype=torch.float64), blocks)
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(3, 2, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    expected = torch.stack([_objective(weights[i], features, answers, float(GRID[i])) for i in range(3)])
    value = problem.evaluate(weights.detach().flatten(1), GRID)
    torch.testing.assert_close(value.objective, expected.detach())
    torch.testing.assert_close(value.gradient, torch.autograd.grad(expected.sum(), weights)[0].flatten(1))


def test_more_features_than_tokens_and_nothing_to_tell_them_apart() -> None:
    features, answers = _problem(width=90)
    fit = _span_logistic.fit(features.clone(), LENGTHS, answers, GRID, max_iterations=500, tolerance=1e-8)
    for index, penalty in enumerate(GRID.tolist()):
        ours = float(_objective(fit.weights[index], features, answers, penalty))
        assert ours == pytest.approx(_minimum(features, answers, penalty)[0], rel=1e-5)
    same = _span_logistic.fit(torch.ones(44, 3), LENGTHS, answers, GRID, max_iterations=500, tolerance=1e-6)
    assert (same.weights == 0).all()


def test_scores_and_their_loss() -> None:
    features, answers = _problem()
    weights = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    scores = _span_logistic.score(weights, features, LENGTHS)
    assert scores.shape == (3, 2, 10, 7)
    assert (scores.isfinite().sum(-1) == LENGTHS).all()
    losses = _span_logistic.log_loss(scores, answers)
    for own, loss in zip(weights, losses, strict=True):
        assert float(loss) / 10 == pytest.approx(float(_objective(own, features, answers, 0.0)))
