"""How the sprites of a video move: every place, turn and size in every frame, in whole numbers.

Lengths are in sixteenths of a pixel and angles in half degrees, as in _drawing.py. K is the number of sprites that a
video has at most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.datasets._drawing import UNITS, Numbers, turned
from harness.datasets._procedural import Dice

MOST = 3  # sprites in a video
SIDE = 48  # of the picture for which lengths are given below
_ORDERS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Of N videos of T frames.

    Attributes:
        count: [N]; how many sprites there are. Sprite k exists if k < count; sprite 0 is the main one.
        order: [N, K]; the sprites from the farthest to the nearest.
        across, down: [N, K, T]; of the centre.
        angle: [N, K, T]; clockwise.
        radius: [N, K, T]; the size of a sprite of whatever shape: its area is 2.25 radius^2.
        scale: [N, K, T]; the radius, in 1024ths of its own average.
    """

    count: Numbers
    order: Numbers
    across: Numbers
    down: Numbers
    angle: Numbers
    radius: Numbers
    scale: Numbers


def motion(dice: Dice, side: int, frames: int) -> Motion:
    """Takes 38 numbers of the dice."""
    time = np.arange(frames)
    count, order = 1 + dice.below(MOST), _ORDERS[dice.below(len(_ORDERS))]
    # The main sprite is the largest, so that one can tell from the video which one it is.
    radius = each(lambda k: (8 if k else 10) * UNITS + dice.below(2 * UNITS))
    across, down = _swing(dice, time), _swing(dice, time)
    upright, turning = each(lambda k: dice.within(60)), each(lambda k: dice.within(12))
    breath, _ = turned(each(lambda k: dice.below(720))[..., None] + 18 * time)
    scale = 1024 + (160 * breath >> 10)
    return Motion(
        count=count,
        order=order,
        across=across * side // SIDE,
        down=down * side // SIDE,
        angle=upright[..., None] + turning[..., None] * time,
        radius=(radius[..., None] * scale >> 10) * side // SIDE,
        scale=scale,
    )


def _swing(dice: Dice, time: Numbers) -> Numbers:
    """A coordinate to and fro, [N, K, T], of a picture of 48 pixels; sprites may lean out of it, but never leave."""
    amplitude = each(lambda k: 4 * UNITS + dice.below(8 * UNITS))
    nearest = 7 * UNITS  # to the picture's edge
    middle = nearest + amplitude + each(lambda k: dice.below(SIDE * UNITS - 2 * (nearest + amplitude[:, k])))
    speed = each(lambda k: 10 + dice.below(14))  # half degrees a frame: a period of 31 to 72 frames
    cosine, _ = turned(each(lambda k: dice.below(720))[..., None] + speed[..., None] * time)
    return middle[..., None] + (amplitude[..., None] * cosine >> 10)


def apart(word: Numbers) -> NDArray[np.bool_]:
    """Whether no sprite lies much behind another in the first frame, were there all K: random words [N, any] -> [N]."""
    first = motion(Dice(word), SIDE, 1)
    clear = np.ones(len(word), np.bool_)
    for k in range(MOST):
        for other in range(k):
            square = sum((at[:, k, 0] - at[:, other, 0]) ** 2 for at in (first.across, first.down))
            least = (first.radius[:, k, 0] + first.radius[:, other, 0]) * 7 >> 3
            clear &= square >= least**2
    return clear


def each(number: Callable[[int], Numbers]) -> Numbers:
    """One number [N] for every sprite: [N, K]."""
    return np.stack([number(k) for k in range(MOST)], axis=1)
