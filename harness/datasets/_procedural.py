"""What the procedural image sets share: keyed integers, balanced classes, and splits that never share an image.

Everything that decides a pixel is integer arithmetic on keyed random words, so that every platform gives the same
bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from harness.datasets._dataset import SPLITS, SplitName
from methods import Keys


def words(purpose: str, count: int, width: int) -> NDArray[np.int64]:
    """Independent uniform integers in [0, 2^32), a function of the purpose alone: [count, width].

    Raw words of Philox, whose stream numpy promises to keep (NEP 19), unlike what its Generator makes of them. Not
    `Keys`: nothing here needs a stream per example, and millions of words cost a third of the time this way.
    """
    key = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=16).digest(), "big")
    raw = np.random.Philox(key=key).random_raw(-(-count * width // 2))
    halves = np.stack([raw >> np.uint64(32), raw & np.uint64(0xFFFFFFFF)], axis=1)
    return halves.reshape(-1)[: count * width].reshape(count, width).astype(np.int64)


def below(high: int | NDArray[np.int64], word: NDArray[np.int64]) -> NDArray[np.int64]:
    """Words scaled to integers in [0, high), each equally likely up to high / 2^32."""
    scaled: NDArray[np.int64] = (word * high) >> 32
    return scaled


def owned(split: SplitName, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the examples behind `codes` (equal for equal examples) this split may use: about a third of them.

    Every distinct example belongs to one split, by a hash of itself. Splits are then disjoint by construction, each
    can be drawn without the others, and none is favoured: dropping from test what train already has would thin out
    exactly the likely examples there.
    """
    owners = Keys.of(0, "owner", torch.from_numpy(codes)).integers(len(SPLITS)).numpy()
    mine: NDArray[np.bool_] = owners == SPLITS.index(split)
    return mine


def owned_words(split: SplitName, name: str, purpose: str, width: int, chunk: int) -> Iterator[NDArray[np.int64]]:
    """Without end: random words of examples of dataset `name` that this split owns, [chunk, width] at a time."""
    odd = words(f"{name}/hash", width, 1)[:, 0] | 1
    kept = np.empty((0, width), np.int64)
    round_number = 0
    while True:
        while len(kept) < chunk:
            drawn = words(f"{purpose}/{round_number}", 16 * chunk, width)
            kept = np.concatenate([kept, drawn[owned(split, drawn @ odd)]])
            round_number += 1
        yield kept[:chunk]
        kept = kept[chunk:]


class Dice:
    """The random words of N examples, [N, width], one column after the other."""

    def __init__(self, word: NDArray[np.int64]) -> None:
        self._rest = iter(word.T)

    def below(self, high: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """[N], uniform over 0..high - 1."""
        return below(high, next(self._rest))

    def within(self, bound: int) -> NDArray[np.int64]:
        """[N], uniform over -bound..bound."""
        return self.below(2 * bound + 1) - bound


def halves(size: int) -> tuple[int, int]:
    """Examples of class 0 and of class 1 in a split; equal, or one more of class 0."""
    return size - size // 2, size // 2


def shuffled(purpose: str, size: int) -> NDArray[np.int64]:
    """A random order of `size` examples."""
    word = words(purpose, size, 2)
    return np.lexsort((word[:, 1], word[:, 0]))


def check_sizes(train: int, val: int, test: int, classes: int = 2) -> None:
    """Raises:
    ValueError: a split is too small to hold every class.
    """
    for name, size in zip(SPLITS, (train, val, test), strict=True):
        if size < classes:
            raise ValueError(f"{name}: {size} examples cannot hold {classes} classes; give at least {classes}")
