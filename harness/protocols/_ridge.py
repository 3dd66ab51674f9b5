"""Ridge regression over a whole grid of penalties from one eigendecomposition.

For N examples x_i with values y_i, features centred, each penalty lambda has its own weights w [D]:

    f(w) = 1/(2N) sum_i (y_i - w x_i - b)^2  +  lambda/2 ||w||^2

scikit-learn's `Ridge(alpha=N lambda)`; the bias b, free of penalty, is the mean of y. With the covariance X'X/N =
V diag(s) V', w = V diag(1 / (s + lambda)) V' X'y/N for every lambda at once. With fewer examples than features it is
the Gram matrix XX'/N = U diag(s) U' that is decomposed, and w = X' U diag(1 / (s + lambda)) U'y/N: the eigenproblem is
never larger than the smaller of the two.
"""

from __future__ import annotations

import torch
from torch import Tensor


def fit(features: Tensor, targets: Tensor, penalties: Tensor) -> tuple[Tensor, Tensor]:
    """Weights float64 [G, D] and the bias, a float64 scalar.

    Args:
        features: float64 [N, D], centred; float32 would round the eigenvalues by more than the weak penalties.
        targets: float64 [N].
        penalties: float64 [G], positive.
    """
    size, width = features.shape
    bias = targets.mean()
    centred = (targets - bias) / size
    if size >= width:
        variances, axes = torch.linalg.eigh(features.T @ features / size)
        along = axes.T @ (features.T @ centred)
    else:
        variances, axes = torch.linalg.eigh(features @ features.T / size)
        along = axes.T @ centred
    # Below zero an eigenvalue is rounding error.
    solved = along / (variances.clamp(min=0) + penalties.to(features.device)[:, None]) @ axes.T
    return (solved if size >= width else solved @ features), bias
