"""Features on a common scale, as train has it."""

from __future__ import annotations

import torch
from torch import Tensor


class Scaler:
    """Centres and scales features by the mean and deviation of train; features constant there are left out.

    Args:
        train: float [N, width].
        each: scale every feature by its own deviation; otherwise all by one number, the root of their mean variance,
            so that distances keep their proportions.

    Attributes:
        width: features before.
        varying: bool [width].
    """

    def __init__(self, train: Tensor, dtype: torch.dtype, *, each: bool = True) -> None:
        deviation, mean = torch.std_mean(train.double(), dim=0, correction=0)
        # Rounding leaves a constant float32 feature a deviation of up to about 1e-7 of its size.
        self.varying = deviation > 1e-6 * mean.abs()
        self.width = train.shape[1]
        self._mean, self._deviation = mean[self.varying], deviation[self.varying]
        if not each:
            self._deviation = self._deviation.square().mean().sqrt()
        self._dtype = dtype

    @property
    def constant(self) -> int:
        """How many features are left out."""
        return self.width - int(self.varying.sum())

    def __call__(self, features: Tensor, split: str) -> Tensor:
        """[N, width] -> [N, varying features].

        Raises:
            ValueError: the features of `split` are not finite.
        """
        if not features.isfinite().all():
            raise ValueError(f"the encoder's features of {split} are not finite")
        scaled: Tensor = (features[:, self.varying].double() - self._mean) / self._deviation
        return scaled.to(self._dtype)
