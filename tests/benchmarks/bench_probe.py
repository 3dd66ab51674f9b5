"""The linear probe's whole grid against scikit-learn's LogisticRegression: `python -m tests.benchmarks.bench_probe`.

One thread each, taking turns, processor seconds (others may use the machine), best of the rounds. Both get the same
standardised features and the same grid; ours float32, scikit-learn float32 too where that reaches equal loss.

Equal loss: every point of the grid lies within 1e-4 of the minimum, relative, which a run of ours in float64 at a
tolerance of 1e-10 tells (the tests check that minimum against newton-cholesky). Ours runs at the protocol's default
tolerance. scikit-learn gets the loosest `tol` of a ladder, one for the whole grid, that reaches it, in float32 or
else in float64: its default of 1e-4 bounds the gradient, and under weak penalties misses by orders of magnitude. Where
even the tightest tol leaves a point short, the row says by how much.

Features are tanh of mixed factors with decaying variances, so correlated, as those of an encoder are.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor

from harness.protocols import _logistic
from harness.protocols.linear import LinearConfig

CASES = ((2, 500, 1000), (10, 64, 1000), (10, 500, 5000), (41, 256, 10000), (100, 512, 5000))
LADDER = tuple((dtype, 10.0**-digits) for dtype in (torch.float32, torch.float64) for digits in range(4, 10))
EQUAL = 1e-4


def problem(classes: int, width: int, size: int) -> tuple[Tensor, Tensor]:
    """Standardised float32 features [size, width] and targets int64 [size]."""
    generator = np.random.default_rng(0)
    deviations = 3 * np.arange(1, width + 1) ** -0.7
    targets = np.concatenate([np.arange(classes), generator.integers(0, classes, size - classes)])
    centers = 0.6 * generator.normal(size=(classes, width))
    factors = (centers[targets] + generator.normal(size=(size, width))) * deviations
    features = np.tanh(factors @ np.linalg.qr(generator.normal(size=(width, width)))[0])
    features = (features - features.mean(0)) / features.std(0)
    return torch.from_numpy(features).float(), torch.from_numpy(targets)


def objective(weights: NDArray[np.float64], biases: NDArray[np.float64], x: Tensor, y: Tensor, penalty: float) -> float:
    """Of _logistic.py, in float64."""
    logits = x.double() @ torch.from_numpy(weights).T + torch.from_numpy(biases)
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    return float(torch.nn.functional.cross_entropy(logits, y)) + penalty / 2 * float((weights**2).sum())


def excess(weights: Sequence[object], biases: Sequence[object], x: Tensor, y: Tensor, best: Tensor) -> float:
    """The worst relative distance from the minimum over the grid."""
    found = [
        objective(np.asarray(w, dtype=float), np.asarray(b, dtype=float), x, y, float(penalty))
        for w, b, penalty in zip(weights, biases, LinearConfig().penalties(), strict=True)
    ]
    return float((torch.tensor(found, dtype=torch.float64) / best - 1).max())


def run_ours(x: Tensor, y: Tensor, classes: int) -> tuple[float, _logistic.Fit]:
    config = LinearConfig()
    start = time.process_time()
    with torch.inference_mode():
        fit = _logistic.fit(
            x, y, classes, config.penalties(), max_iterations=config.max_iterations, tolerance=config.tolerance
        )
    return time.process_time() - start, fit


def run_theirs(x: Tensor, y: Tensor, dtype: torch.dtype, tolerance: float) -> tuple[float, list[LogisticRegression]]:
    features, targets = x.to(dtype).numpy(), y.numpy()
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [
            LogisticRegression(C=1 / (penalty * len(x)), tol=tolerance, max_iter=10_000).fit(features, targets)
            for penalty in LinearConfig().penalties().tolist()
        ]
    return time.process_time() - start, models


def compare(classes: int, width: int, size: int, rounds: int) -> None:
    x, y = problem(classes, width, size)
    grid = LinearConfig().penalties()
    best = _logistic.fit(x.double(), y, classes, grid, max_iterations=10_000, tolerance=1e-10).objective
    for dtype, tolerance in LADDER:
        models = run_theirs(x, y, dtype, tolerance)[1]
        their_excess = excess([m.coef_ for m in models], [m.intercept_ for m in models], x, y, best)
        if their_excess <= EQUAL:
            break
    run_ours(x, y, classes)
    ours, theirs = [], []
    for _ in range(rounds):
        seconds, fit = run_ours(x, y, classes)
        ours.append(seconds)
        theirs.append(run_theirs(x, y, dtype, tolerance)[0])
    our_excess = excess(list(fit.weights.numpy()), list(fit.biases.numpy()), x, y, best)
    ratio, bar = min(ours) / min(theirs), 0.2 if classes <= 10 else 0.8
    print(
        f"{classes:4d} classes x {width} features x {size:5d} rows: ours {min(ours):.3f} s (excess {our_excess:.0e}), "
        f"scikit-learn {min(theirs):.3f} s ({str(dtype)[6:]}, tol {tolerance:g}, excess {their_excess:.0e}), "
        f"ratio {ratio:.2f}, bar {bar} {'met' if ratio <= bar else 'MISSED'}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)), help="rows of the table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for case in arguments.cases:
            compare(*CASES[case], rounds=arguments.rounds)


if __name__ == "__main__":
    main()
