"""Pointing from each target pixel at reference pixels, and copying their colours.

N clips, Q target pixels, P reference pixels (of all reference frames together), K colours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

#: A target pixel whose colour no reference pixel has, or no colour at all.
ABSENT = -1
#: Below this likelihood, quotients of float32 lose their digits.
_TINY = 1e-30


class Copied(NamedTuple):
    """What copying gives."""

    distribution: Tensor  #: [N, Q, K]: y_j, the predicted distribution over colours
    loss: Tensor  #: -log y_j[c_j], summed over target pixels whose colour is not `ABSENT`


def logits(targets: Tensor, references: Tensor, temperature: float, *, normalise: bool = False) -> Tensor:
    """f_i . f_j / T for targets [N, Q, D] and references [N, P, D]: float32 [N, Q, P]. Softmax over P makes it A."""
    targets, references = targets.float(), references.float()
    if normalise:
        targets, references = functional.normalize(targets, dim=-1), functional.normalize(references, dim=-1)
    return torch.bmm(targets / temperature, references.mT)


def copy(logits: Tensor, reference_colors: Tensor, target_colors: Tensor, colors: int) -> Copied:
    """Colours copied along A, and how likely the true ones are under the mixture (Eqs. 1 to 3).

    The loss is of the mixture: y is a distribution already and goes through no second softmax.

    Args:
        logits: [N, Q, P].
        reference_colors: int64 [N, P].
        target_colors: int64 [N, Q], or `ABSENT`: where no reference has the colour, the loss would be infinite and
            its gradient nil.
    """
    affinity = logits.softmax(-1)
    distribution = torch.bmm(affinity, functional.one_hot(reference_colors, colors).to(affinity.dtype))
    counted = target_colors != ABSENT
    likelihood = distribution.gather(2, target_colors.clamp_min(0)[..., None])[..., 0]
    plain = counted & (likelihood > _TINY)
    loss = -torch.where(plain, likelihood, 1.0).log().sum()
    tiny = counted & ~plain
    if tiny.any():  # seldom: where all pixels of the right colour are some 70 nats behind, sum in logarithms
        clip = tiny.nonzero(as_tuple=True)[0]
        behind = logits[tiny]
        same = reference_colors[clip] == target_colors[tiny][:, None]
        likeliest = behind.masked_fill(~same, -torch.inf).logsumexp(-1)
        loss = loss + (behind.logsumexp(-1) - likeliest).sum()
    return Copied(distribution, loss)


def without_absent(target_colors: Tensor, reference_colors: Tensor, colors: int) -> Tensor:
    """Target colours, `ABSENT` where no reference pixel of the clip has them: int64 [N, Q], [N, P] -> [N, Q]."""
    shown = torch.zeros(len(reference_colors), colors, dtype=torch.bool, device=reference_colors.device)
    shown.scatter_(1, reference_colors, True)
    return torch.where(shown.gather(1, target_colors), target_colors, ABSENT)
