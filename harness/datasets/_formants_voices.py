"""Voices: who speaks, and how the pitch of an utterance runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets._grammar_dice import Dice

_EVERY = 40  # blocks between two points of the contour


class Voice(NamedTuple):
    """Attributes:
    pitch: Hz, on average.
    tract: all formants, in 1000ths of those of the phones; a longer vocal tract has lower ones.
    tilt: how much weaker the high harmonics of the glottis are, in 1000ths.
    breath: noise of the open glottis, in 256ths of the voice.
    jitter: how unsteady the pitch is from block to block, in 1000ths.
    """

    pitch: int
    tract: int
    tilt: int
    breath: int
    jitter: int


# Neither pitch nor tract tells a voice, only both with the rest: neighbours in one are apart in another.
VOICES = (
    Voice(88, 1040, 20, 10, 6),
    Voice(99, 840, 120, 30, 10),
    Voice(111, 1130, 300, 6, 4),
    Voice(124, 930, 10, 50, 14),
    Voice(139, 1190, 60, 20, 4),
    Voice(155, 810, 200, 8, 8),
    Voice(173, 1080, 5, 60, 5),
    Voice(194, 890, 30, 12, 12),
    Voice(217, 1160, 150, 40, 6),
    Voice(243, 980, 80, 16, 4),
)


def pitch_contour(voice: Voice, blocks: int, dice: Dice) -> NDArray[np.int64]:
    """Of one utterance, in 256ths of Hz, by block: it falls, with rises and dips on the way. [blocks]

    The whole utterance is up to 6 % higher or lower than the voice's average.
    """
    level = voice.pitch * (940 + dice.below(121))  # thousandths of Hz
    points = 2 + blocks // _EVERY
    fall = 60 + dice.below(80)
    heights = np.array([1000 + fall * (points - 2 * at) // (2 * points) + dice.below(101) - 50 for at in range(points)])
    block = np.arange(blocks)
    before, part = block // _EVERY, block % _EVERY
    height = (heights[before] * (_EVERY - part) + heights[before + 1] * part) // _EVERY
    unsteady = np.array([dice.below(2 * voice.jitter + 1) - voice.jitter for _ in range(blocks)])
    contour: NDArray[np.int64] = level * (height + unsteady) * 256 // 1_000_000
    return contour
