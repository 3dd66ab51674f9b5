"""Ridge regression against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from harness.protocols import _ridge

GRID = torch.tensor([1e-6, 1e-3, 1.0, 1e2], dtype=torch.float64)


@pytest.mark.parametrize(("size", "width"), [(60, 9), (20, 35)], ids=["more examples", "more features"])
def test_every_penalty_equals_scikit_learns(size: int, width: int) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(size, width)) @ np.diag(10.0 ** -np.linspace(0, 2, width))
    features[:, 1] = features[:, 0]  # of two equal features each gets half
    features -= features.mean(0)
    targets = generator.normal(size=size) + 5
    weights, bias = _ridge.fit(torch.from_numpy(features), torch.from_numpy(targets), GRID)
    for own, penalty in zip(weights.numpy(), GRID.tolist(), strict=True):
        reference = Ridge(alpha=penalty * size, solver="svd").fit(features, targets)
        assert own == pytest.approx(reference.coef_, rel=1e-6, abs=1e-9)
        assert float(bias) == pytest.approx(reference.intercept_)
