"""Late fusion: from the fc6 codes of two patches to the eight places."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from methods.context_prediction._sampling import OFFSETS
from methods.context_prediction._towers import initialise


class Fusion(nn.Module):
    """fc7 on both codes together (normalised), fc8, fc9 with eight outputs."""

    def __init__(self, units: int) -> None:
        super().__init__()
        # fc7 of a concatenation is the sum of two linear maps. A patch is in up to 16 pairs: mapping it once as the
        # first and once as the second of a pair costs far less than mapping every pair.
        self.fc7 = nn.Linear(units, 2 * units, bias=False)
        self.rest = nn.Sequential(
            nn.BatchNorm1d(units, affine=False),
            nn.ReLU(inplace=True),
            nn.Linear(units, units),
            nn.ReLU(inplace=True),
            nn.Linear(units, len(OFFSETS)),
        )
        initialise(self)
        with torch.no_grad():
            self.fc7.weight /= math.sqrt(2)  # a unit of fc7 has the inputs of two codes

    def forward(self, codes: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Logits of pairs: [M, units] and indices int64 [P], [P] -> [P, 8]."""
        as_first, as_second = self.fc7(codes).chunk(2, dim=1)
        logits: Tensor = self.rest(as_first[first] + as_second[second])
        return logits
