"""The solver against scikit-learn's LogisticRegression, and its derivatives against autograd."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from harness.protocols import _lbfgs, _logistic

GRID = torch.tensor([1e-6, 1e-4, 1e-2, 1.0, 1e2], dtype=torch.float64)


def _problem(kind: str, classes: int, size: int = 240, width: int = 12) -> tuple[Tensor, Tensor]:
    """Standardised features [size, width] float64 and targets, of one kind of difficulty."""
    generator = np.random.default_rng(7)
    targets = np.concatenate([np.arange(classes), generator.integers(0, classes, size - classes)])
    spread = {"separable": 6.0, "overlapping": 0.5, "correlated": 1.0}[kind]
    features = spread * generator.normal(size=(classes, width))[targets] + generator.normal(size=(size, width))
    if kind == "correlated":  # variances over six decades, hidden from the standardisation by a mixing
        features = features @ np.diag(10.0 ** -np.linspace(0, 3, width)) @ generator.normal(size=(width, width))
    features = (features - features.mean(0)) / features.std(0)
    return torch.from_numpy(features), torch.from_numpy(targets)


def _objective(
    weights: NDArray[np.float64], biases: NDArray[np.float64], x: Tensor, y: Tensor, penalty: float
) -> float:
    """f as the docstring of _logistic.py has it, straight from torch's cross-entropy in float64."""
    logits = x.double() @ torch.from_numpy(weights).T + torch.from_numpy(biases)
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    return float(torch.nn.functional.cross_entropy(logits, y)) + penalty / 2 * float((weights**2).sum())


def _scikit_learn(x: Tensor, y: Tensor, penalty: float) -> float:
    """The minimum of f, by newton-cholesky in float64."""
    model = LogisticRegression(C=1 / (penalty * len(x)), solver="newton-cholesky", tol=1e-10, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at tol 1e-10 it may say that rounding stopped it
        model.fit(x.numpy(), y.numpy())
    return _objective(model.coef_, model.intercept_, x, y, penalty)


def _fit(x: Tensor, y: Tensor, classes: int, tolerance: float = 1e-6) -> _logistic.Fit:
    return _logistic.fit(x, y, classes, GRID, max_iterations=1000, tolerance=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("kind", ["separable", "overlapping", "correlated"])
def test_every_point_of_the_grid_reaches_scikit_learns_loss(kind: str, classes: int, dtype: torch.dtype) -> None:
    x, y = _problem(kind, classes)
    fit = _fit(x.to(dtype), y, classes)
    assert fit.converged.all()
    for index, penalty in enumerate(GRID.tolist()):
        ours = _objective(fit.weights[index].double().numpy(), fit.biases[index].double().numpy(), x, y, penalty)
        assert ours == pytest.approx(_scikit_learn(x, y, penalty), rel=1e-4)
        assert ours == pytest.approx(float(fit.objective[index]), rel=1e-5)


@pytest.mark.parametrize("classes", [2, 5])
def test_gradient_equals_autograd(classes: int) -> None:
    x, y = _problem("overlapping", classes)
    inputs = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
    problem = _logistic._Problem(inputs, torch.ones(inputs.shape[1], dtype=x.dtype), y, classes)
    logits = 1 if classes == 2 else classes
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(3, logits, inputs.shape[1], generator=generator, dtype=torch.float64, requires_grad=True)
    penalties = torch.tensor([1e-3, 0.1, 2.0], dtype=torch.float64)
    scores = weights @ inputs.T
    if logits == 1:
        scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
    loss = torch.nn.functional.cross_entropy(scores, y.expand(3, -1), reduction="none").mean(1)
    expected = loss + 0.5 * penalties * weights[..., :-1].square().sum((1, 2))
    chances = scores.softmax(1)
    curvature = (chances * (1 - chances)).mean((1, 2))
    with torch.no_grad():
        value = problem.evaluate(weights.detach().flatten(1), penalties)
    torch.testing.assert_close(value.objective, expected.detach())
    torch.testing.assert_close(value.curvature, curvature.detach())
    torch.testing.assert_close(value.gradient, torch.autograd.grad(expected.sum(), weights)[0].flatten(1))


def test_small_losses_keep_their_digits_in_float32() -> None:
    logits = torch.tensor([[[20.0], [3.0], [1.0]], [[25.0], [-3.0], [0.0]]])
    exact = torch.nn.functional.cross_entropy(logits.double(), torch.zeros(2, 1, dtype=torch.int64), reduction="none")
    loss, _, residual = _logistic.multinomial(logits.clone(), torch.tensor([0]))
    torch.testing.assert_close(loss, exact[:, 0], rtol=1e-5, atol=0)
    torch.testing.assert_close(residual[:, 0, 0].double(), (-exact).expm1()[:, 0], rtol=1e-5, atol=0)


def test_compact_form_equals_the_two_loop_recursion() -> None:
    generator = torch.Generator().manual_seed(1)
    count, memory, width = 3, 6, 9
    root = torch.randn(count, width, width, generator=generator, dtype=torch.float64)
    steps = torch.randn(count, memory, width, generator=generator, dtype=torch.float64)
    changes = steps @ (root @ root.mT + torch.eye(width, dtype=torch.float64))  # curvature is positive
    steps[1, 2] = changes[1, 2] = 0  # a pair that takes no part
    gradient = torch.randn(count, width, generator=generator, dtype=torch.float64)
    inverse = torch.rand(count, width, generator=generator, dtype=torch.float64) + 0.5
    order = torch.tensor([4, 5, 0, 1, 2, 3])
    got = _lbfgs.times_inverse_hessian(gradient, steps, changes, inverse, order)
    for g in range(count):
        q, pairs, shares = gradient[g].clone(), [(steps[g, i], changes[g, i]) for i in order.tolist()], []
        pairs = [(s, y) for s, y in pairs if float(s @ y) > 0]
        for s, y in reversed(pairs):
            shares.append((s @ q) / (s @ y))
            q = q - shares[-1] * y
        r = inverse[g] * q
        for (s, y), share in zip(pairs, reversed(shares), strict=True):
            r = r + s * (share - (y @ r) / (s @ y))
        torch.testing.assert_close(got[g], r)


def test_pieces_of_the_grid_give_the_same_as_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = _problem("overlapping", 4)
    whole = _fit(x, y, 4, tolerance=1e-9)
    monkeypatch.setattr(_logistic, "_piece", lambda weights: 2)
    pieces = _fit(x, y, 4, tolerance=1e-9)
    torch.testing.assert_close(pieces.objective, whole.objective, rtol=1e-7, atol=0)


def test_blocks_of_rows_change_nothing_but_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = _problem("overlapping", 4)
    whole = _fit(x, y, 4, tolerance=1e-9)
    monkeypatch.setattr(_logistic, "row_blocks", lambda rows, _: [slice(i, i + 7) for i in range(0, len(rows), 7)])
    torch.testing.assert_close(_fit(x, y, 4, tolerance=1e-9).objective, whole.objective, rtol=1e-8, atol=0)


def test_too_few_iterations_are_reported() -> None:
    x, y = _problem("separable", 4)
    fit = _logistic.fit(x, y, 4, GRID, max_iterations=3, tolerance=1e-8)
    assert fit.iterations.max() == 3
    assert not fit.converged[0]


def test_more_features_than_examples() -> None:
    x, y = _problem("overlapping", 3, size=30, width=80)
    fit = _fit(x.float(), y, 3)
    assert fit.converged.all()
    for index in (1, 2, 3):
        assert float(fit.objective[index]) == pytest.approx(_scikit_learn(x, y, float(GRID[index])), rel=1e-4)


@pytest.mark.parametrize("classes", [2, 4])
def test_judge_and_predict_agree_with_torch(classes: int) -> None:
    x, y = _problem("overlapping", classes)
    fit = _fit(x, y, classes)
    found, loss = _logistic.judge(fit.weights, fit.biases, x, y)
    more = torch.cat([x, x[:7]]), torch.cat([y, torch.full((7,), -1)])
    longer, same_loss = _logistic.judge(fit.weights, fit.biases, *more)
    torch.testing.assert_close(same_loss, loss)
    for index in range(len(GRID)):
        answers = _logistic.predict(fit.weights[index], fit.biases[index], x)
        assert torch.equal(found[index], answers)
        assert torch.equal(longer[index], torch.cat([answers, answers[:7]]))
        weights, biases = fit.weights[index].numpy(), fit.biases[index].numpy()
        assert float(loss[index]) == pytest.approx(_objective(weights, biases, x, y, penalty=0.0))
