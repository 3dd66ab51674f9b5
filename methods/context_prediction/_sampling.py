"""Where patches lie, and which make pairs, for a whole batch at once."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from methods._keys import Keys
from methods.context_prediction._config import ContextPredictionConfig

#: (down, right) of the second patch from the first, in the order of labels.
OFFSETS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))
#: The label of pairs that are not there.
ABSENT = -1


class Layout(NamedTuple):
    """Patches and pairs of N images: room for G patches and P pairs in each, not all of which are there."""

    corners: Tensor  #: int64 [N, G, 2]; top and left of each patch
    present: Tensor  #: bool [N, G]
    pairs: Tensor  #: int64 [N, P, 2]; the two patches of a pair
    labels: Tensor  #: int64 [N, P]; ABSENT where there is no such pair


def lay_out(sizes: Tensor, keys: Keys, config: ContextPredictionConfig, largest: tuple[int, int]) -> Layout:
    """Patches of images of the given sizes.

    Args:
        sizes: int64 [N, 2]; heights and widths.
        largest: bound on the sizes, which decides how much room the layout has.
    """
    if config.sampler == "grid":
        return _grid(sizes, keys, config, largest)
    return _uniform(sizes, keys, config)


def _grid(sizes: Tensor, keys: Keys, config: ContextPredictionConfig, largest: tuple[int, int]) -> Layout:
    """As the released code: origin uniform below one pitch; as many rows and columns as fit from there; each patch
    jittered, then moved back into the image where it left it."""
    rows, columns = ((side + config.gap) // config.pitch for side in largest)
    device, count = sizes.device, len(sizes)
    origin = keys.fold("origin").integers(config.pitch, config.grids, 2)
    shape = (sizes[:, None] + config.gap - origin) // config.pitch  # [N, grids, 2]
    cell = torch.cartesian_prod(torch.arange(rows, device=device), torch.arange(columns, device=device)).view(-1, 2)
    jitter = keys.fold("jitter").integers(2 * config.jitter + 1, config.grids, len(cell), 2) - config.jitter
    corners = origin[:, :, None] + cell * config.pitch + jitter
    corners = corners.clamp_min_(0).minimum((sizes - config.patch)[:, None, None])
    present = (cell < shape[:, :, None]).all(-1).flatten(1)
    pairs, labels = _neighbours(rows, columns, config.grids, device)
    there = present[:, pairs].all(-1)
    return Layout(
        corners.flatten(1, 2),
        present,
        pairs.expand(count, -1, -1),
        torch.where(there, labels, ABSENT),
    )


@lru_cache(maxsize=16)
def _neighbours(rows: int, columns: int, grids: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """All ordered pairs of neighbours in a full grid, and their labels: int64 [P, 2], [P]."""
    pairs, labels = [], []
    for label, (down, right) in enumerate(OFFSETS):
        for row in range(max(0, -down), min(rows, rows - down)):
            for column in range(max(0, -right), min(columns, columns - right)):
                pairs.append((row * columns + column, (row + down) * columns + column + right))
                labels.append(label)
    one = torch.tensor(pairs, dtype=torch.int64, device=device).view(-1, 2)
    each = torch.arange(grids, device=device)[:, None, None] * (rows * columns)
    return (one + each).flatten(0, 1), torch.tensor(labels, dtype=torch.int64, device=device).repeat(grids)


def _uniform(sizes: Tensor, keys: Keys, config: ContextPredictionConfig) -> Layout:
    """The first patch anywhere, whatever the image shows; the second at one of the neighbouring places that lie in the
    image, all equally likely, jittered against the first as two patches of the grid are. A first patch without such a
    place makes no pair."""
    device, count = sizes.device, len(sizes)
    room = (sizes - config.patch + 1)[:, None]  # places along each axis
    first = (keys.fold("first").uniform(config.pairs, 2).double() * room).long()
    jitter = keys.fold("jitter").integers(2 * config.jitter + 1, config.pairs, 2, 2) - config.jitter
    jitter = jitter[:, :, 0] - jitter[:, :, 1]
    offsets = torch.tensor(OFFSETS, device=device) * config.pitch
    places = (first + jitter)[:, :, None] + offsets  # [N, pairs, 8, 2]
    inside = ((places >= 0) & (places < room[:, :, None])).all(-1)
    dice = keys.fold("neighbour").uniform(config.pairs, len(OFFSETS)) + inside.float()
    label = dice.argmax(-1)
    second = places.gather(2, label[:, :, None, None].expand(-1, -1, -1, 2))[:, :, 0]
    there = inside.any(-1)
    second = torch.where(there[..., None], second, first)
    return Layout(
        torch.stack([first, second], dim=2).flatten(1, 2),
        there.repeat_interleave(2, dim=1),
        torch.arange(2 * config.pairs, device=device).view(-1, 2).expand(count, -1, -1),
        torch.where(there, label, ABSENT),
    )
