"""Random convex sets of pixels: intersections of half-planes, as bit rows, in exact integer arithmetic.

An image is [side] words of 64 bits; bit x of word y is the pixel in column x of row y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.datasets._procedural import below, words

Rows = NDArray[np.uint64]

MOST_HALF_PLANES = 64
_UNITS = 256  # fixed-point steps per pixel
_ANGLES = 8192
_CANDIDATES = 4096  # at a time: many, so that numpy pays, yet few tens of megabytes
_ONE = np.uint64(1)

# Normals of the lines, in half a turn, scaled to integers: no platform's cosine is off by enough to change one.
# Half a step aside, so that none is vertical (which keeps the division below safe).
_turn = (np.arange(_ANGLES) + 0.5) * (np.pi / _ANGLES) - np.pi / 2
_NORMALS = np.rint(np.stack([np.cos(_turn), np.sin(_turn)]) * 32768)


def geometric(percent: float, word: NDArray[np.int64]) -> NDArray[np.int64]:
    """Trials up to the first success, at most `MOST_HALF_PLANES` (larger values are redrawn): [N] words -> [N]."""
    missed, cumulative = 1.0, []
    for _ in range(MOST_HALF_PLANES):
        missed *= 1.0 - percent
        cumulative.append(1.0 - missed)
    thresholds = np.rint(np.array(cumulative) / cumulative[-1] * 2.0**32).astype(np.int64)
    return np.searchsorted(thresholds, word, side="right") + 1


def lines(word: NDArray[np.int64], side: int) -> Rows:
    """Half-planes bounded by lines through a uniform point at a uniform angle: words [K, 3] -> [K, side].

    Each line is a x + b y = c with a > 0; the half-plane is the pixels whose centre has a x + b y >= c. The quotient
    in float64 is exact enough: its distance from the next integer is either 0 or more than its rounding.
    """
    a, b = _NORMALS[:, below(_ANGLES, word[:, 0])]
    across, down = below(side * _UNITS, word[:, 1:]).T
    centres = _UNITS * np.arange(side) + _UNITS // 2
    beyond = (a * (across - _UNITS // 2) + b * down)[:, None] - b[:, None] * centres
    beyond /= (_UNITS * a)[:, None]
    first = np.clip(np.ceil(beyond, out=beyond), 0, side, out=beyond).astype(np.intp)
    from_column = np.array([(1 << side) - (1 << column) for column in range(side + 1)], np.uint64)
    planes: Rows = from_column.take(first)
    return planes


def convex_sets(purpose: str, counts: NDArray[np.int64], least: int, side: int) -> Rows:
    """For each count G, an intersection of G half-planes with at least `least` pixels: [N] -> [N, side].

    The distribution is that of redrawing all G half-planes until they leave `least` pixels, which would take 2^G
    trials. Its equal, in few: G lines cut the image into cells, and a random side of each line picks one of the cells,
    all alike. So draw the lines, a uniform pixel, take the cell around it (chosen in proportion to its area), and
    accept it with probability least / area (which undoes the proportion).
    """
    found: Rows = np.zeros((len(counts), side), np.uint64)
    pending, attempt = np.arange(len(counts)), 0
    while len(pending):
        batch = pending[:_CANDIDATES]
        example = np.repeat(batch, min(64, _CANDIDATES // len(batch)))
        cells, area = _cells(f"{purpose}/{attempt}", counts[example], side)
        dice = words(f"{purpose}/{attempt}/accept", len(example), 1)[:, 0]
        accepted = np.flatnonzero((area >= least) & (dice * area < least << 32))
        done, first = np.unique(example[accepted], return_index=True)
        found[done] = cells[accepted[first]]
        pending, attempt = np.concatenate([np.setdiff1d(batch, done), pending[len(batch) :]]), attempt + 1
    return found


def _cells(purpose: str, counts: NDArray[np.int64], side: int) -> tuple[Rows, NDArray[np.int64]]:
    """The cell around a uniform pixel among `counts` random lines, and its area: [N, side], [N]."""
    planes = lines(words(f"{purpose}/lines", int(counts.sum()), 3), side)
    column, row = below(side, words(f"{purpose}/pixel", len(counts), 2)).T
    held = planes[np.arange(len(planes)), np.repeat(row, counts)] >> np.repeat(column, counts).astype(np.uint64) & _ONE
    planes ^= np.where(held, np.uint64(0), full(side))[:, None]
    cells = np.bitwise_and.reduceat(planes, np.cumsum(counts) - counts, axis=0)
    return cells, areas(cells)


def full(side: int) -> np.uint64:
    """A row with every pixel set."""
    return np.uint64((1 << side) - 1)


def areas(rows: Rows) -> NDArray[np.int64]:
    """Pixels set: [N, side] -> [N]."""
    counted: NDArray[np.int64] = np.bitwise_count(rows).sum(axis=1, dtype=np.int64)
    return counted


def pixels(rows: Rows) -> NDArray[np.bool_]:
    """[N, side] -> [N, side, side], indexed by row and column."""
    bits = rows[:, :, None] >> np.arange(rows.shape[1], dtype=np.uint64) & _ONE
    return bits.astype(bool)


def hull_areas(rows: Rows) -> NDArray[np.int64]:
    """Pixels in the convex hull of the pixels set (of their centres): [N, side] -> [N].

    A set of pixels is convex if it holds all pixels of its hull, that is, if the two areas are equal. The hull's
    left end in row y is the least of the chords between the left ends of rows above and below; the right end alike.
    """
    side = rows.shape[1]
    image = pixels(rows).transpose(1, 0, 2)  # [side, N, side]: the loop below then runs over adjacent memory
    occupied: NDArray[np.bool_] = np.asarray(image.any(axis=2))
    left = np.where(occupied, image.argmax(axis=2), 0)
    right = np.where(occupied, side - 1 - image[:, :, ::-1].argmax(axis=2), 0)
    low, high = np.where(occupied, left, side), np.where(occupied, right, -1)
    for top in range(side):
        for bottom in range(top + 2, side):
            gap, between = bottom - top, slice(top + 1, bottom)
            share = np.arange(1, gap)[:, None]
            both = occupied[top] & occupied[bottom]
            chord_left = left[top] * (gap - share) + left[bottom] * share
            chord_right = right[top] * (gap - share) + right[bottom] * share
            np.minimum(low[between], -(-chord_left // gap), out=low[between], where=both)
            np.maximum(high[between], chord_right // gap, out=high[between], where=both)
    spanned: NDArray[np.int64] = np.maximum(high - low + 1, 0).sum(axis=0)
    return spanned
