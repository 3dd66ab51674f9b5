"""scikit-learn's solvers, and what they say of themselves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Kernel values that a block of rows outside train may take: 64 MiB of float64.
_BLOCK = 1 << 23


def fit(model: Any, inputs: NDArray[np.float64], targets: NDArray[np.int64]) -> bool:
    """Fit a scikit-learn classifier; whether its solver met its own tolerance."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(inputs, targets)
    return not any(issubclass(warning.category, ConvergenceWarning) for warning in heard)


def rbf(rows: Tensor, train: Tensor, gamma: float) -> NDArray[np.float64]:
    """exp(-gamma ||r - t||^2) for every pair: float64 [M, D], [N, D] -> [M, N]; computed where they lie."""
    kernel = np.empty((len(rows), len(train)))
    norms = train.square().sum(1)
    for start, block in _blocks(rows, len(train)):
        distances = torch.addmm(norms + block.square().sum(1, keepdim=True), block, train.T, alpha=-2)
        kernel[start : start + len(block)] = distances.clamp_(min=0).mul_(-gamma).exp_().cpu().numpy()
    return kernel


def rbf_predictions(models: list[Any], rows: Tensor, train: Tensor, gamma: float) -> list[NDArray[np.int64]]:
    """What each of several models on the same kernel says of `rows`, a block of the kernel at a time: int64 [M]."""
    answers: list[list[NDArray[np.int64]]] = [[] for _ in models]
    for _, block in _blocks(rows, len(train)):
        kernel = rbf(block, train, gamma)
        for own, model in zip(answers, models, strict=True):
            own.append(model.predict(kernel))
    return [np.concatenate(own) for own in answers]


def _blocks(rows: Tensor, width: int) -> Iterator[tuple[int, Tensor]]:
    size = max(_BLOCK // width, 1)
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size]
