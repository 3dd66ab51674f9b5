"""Clips of references and a target."""

from __future__ import annotations

import torch
from torch import Tensor

from methods._keys import Keys
from methods._method import Source
from methods._videos import COLUMN, frames
from methods.colorization._config import ColorizationConfig


def clips(source: Source, ids: Tensor, keys: Keys, config: ColorizationConfig) -> Tensor:
    """A clip of each video: uint8 [N, references + 1, C, H, W], the last frame being the target.

    The target is any frame before which there are enough; in a video that is too short for that, references before the
    first frame are the first frame again.

    Raises:
        ValueError: a video has a single frame.
    """
    lengths = require_two_frames(source, ids)
    span = config.references * config.stride
    first = lengths.sub(1).clamp(max=span)  # the earliest target
    target = first + (keys.fold("target").uniform(1)[:, 0].double() * (lengths - first)).long()
    back = torch.arange(config.references, -1, -1) * config.stride
    return frames(source, ids, (target[:, None] - back).clamp_min(0))


def require_two_frames(source: Source, ids: Tensor) -> Tensor:
    """Frames of each video: int64 [N].

    Raises:
        ValueError: one has fewer than two.
    """
    lengths = source.columns[COLUMN].lengths(ids)
    short = (lengths < 2).nonzero()
    if len(short):
        row = int(short[0])
        raise ValueError(
            f"video {int(ids[row])} has {int(lengths[row])} frame(s); colours are copied from a frame before the "
            "target, which takes two: leave such videos out of the data set"
        )
    return lengths
