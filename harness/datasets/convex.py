"""Convex (Larochelle et al., ICML 2007): is the white region convex? The last image task of Vincent 2010, Table 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import Dataset, SplitName, Task, Writer
from harness.datasets._halfplanes import Rows, areas, convex_sets, geometric, hull_areas, pixels
from harness.datasets._procedural import below, check_sizes, halves, owned, shuffled, words
from methods import Settings, Spec

_STRATA = 100  # of fill, in an image: 8 pixels wide at 28 x 28


@dataclass(frozen=True, kw_only=True)
class ConvexConfig(Settings):
    """Attributes:
    train, val, test: examples per split; Larochelle's test split has 50000.
    image_size: height and width in pixels.
    """

    train: int = 6500
    val: int = 1500
    test: int = 10_000
    image_size: int = 28

    def __post_init__(self) -> None:
        check_sizes(self.train, self.val, self.test)
        if not 16 <= self.image_size <= 64:
            raise ValueError(f"image_size: {self.image_size} is not between 16 and 64")


class Convex(Dataset):
    """White regions on black, 255 and 0.

    Positives: the intersection of G half-planes, G ~ Geometric(0.195), at least 19 pixels. Negatives: the union of 2
    to 4 such sets with G ~ Geometric(0.07), at least 10 pixels each, kept if not convex. A half-plane is bounded by a
    line through a uniform point at a uniform angle; G is kept while its half-planes are redrawn, and is at most 64.
    A region is convex if it holds every pixel of the hull of its pixels.

    The published description goes no further and leaves the mean fill of the classes apart (0.22 and 0.29 here).
    Fill is therefore matched: both classes have the same number of examples in every one of a hundred strata of fill,
    so that fill tells nothing. Classes are equally frequent (to one example); no image lies in two splits.
    """

    name: ClassVar[str] = "convex"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "generated; no rights reserved"
    Config: ClassVar[type[Settings]] = ConvexConfig
    config: ConvexConfig

    @property
    def spec(self) -> Spec:
        side = self.config.image_size
        return Spec(modality="image", shape=(1, side, side), size=self.config.train)

    @property
    def tasks(self) -> Mapping[str, Task]:
        classes = ("not convex", "convex")
        return {"convexity": Task(name="convexity", kind="class", metric="accuracy", classes=classes, chance=0.5)}

    def write(self, split: SplitName, writer: Writer) -> None:
        size = {"train": self.config.train, "val": self.config.val, "test": self.config.test}[split]
        purpose = f"{self.name}/{self.version}/{split}"
        negatives, positives = _matched(split, purpose, halves(size)[0], self.config.image_size)
        rows = np.concatenate([negatives, positives])[:size]
        order = shuffled(f"{purpose}/order", size)
        image = np.where(pixels(rows[order]), 255, 0).astype(np.uint8)
        writer.dense("image", image[:, None])
        writer.labels("convexity", np.repeat(np.arange(2), halves(size))[order])


def _matched(split: SplitName, purpose: str, count: int, side: int) -> tuple[Rows, Rows]:
    """`count` negatives and `count` positives that this split owns, paired by stratum of fill."""
    negatives: Rows = np.empty((0, side), np.uint64)
    positives: Rows = np.empty((0, side), np.uint64)
    pairs: NDArray[np.int64] = np.empty((0, 2), np.int64)
    round_number = 0
    while len(pairs) < count:
        # Overlap of the fills is about 0.8, and a third of the images is this split's own.
        draws = 4 * (count - len(pairs)) + 64
        at = f"{purpose}/{round_number}"
        negatives = np.concatenate([negatives, _negatives(split, f"{at}/negative", draws, side)])
        positives = np.concatenate([positives, _positives(split, f"{at}/positive", draws, side)])
        pairs = pair_by_fill(areas(negatives), areas(positives), side)
        round_number += 1
    # A random part of the pairs: their order follows the strata.
    chosen = pairs[shuffled(f"{purpose}/pairs", len(pairs))[:count]]
    return negatives[chosen[:, 0]], positives[chosen[:, 1]]


def pair_by_fill(first: NDArray[np.int64], second: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """As many disjoint pairs of equal stratum as there are: areas [N], [M] -> indices [pairs, 2]."""
    strata = [np.asarray(area * _STRATA // (side * side + 1)) for area in (first, second)]
    pairs = []
    for stratum in range(_STRATA):
        one, other = (np.flatnonzero(fills == stratum) for fills in strata)
        common = min(len(one), len(other))
        pairs.append(np.stack([one[:common], other[:common]], axis=1))
    return np.concatenate(pairs)


def _positives(split: SplitName, purpose: str, count: int, side: int) -> Rows:
    """At most `count`: those that this split owns."""
    draws = words(f"{purpose}/count", count, 1)[:, 0]
    return _own(split, convex_sets(purpose, geometric(0.195, draws), least=19, side=side))


def _negatives(split: SplitName, purpose: str, count: int, side: int) -> Rows:
    """At most `count`: those that this split owns and that turned out not to be convex."""
    parts = 2 + below(3, words(f"{purpose}/parts", count, 1)[:, 0])
    draws = words(f"{purpose}/count", int(parts.sum()), 1)[:, 0]
    sets = convex_sets(purpose, geometric(0.07, draws), least=10, side=side)
    unions = _own(split, np.bitwise_or.reduceat(sets, np.cumsum(parts) - parts, axis=0))
    return unions[hull_areas(unions) > areas(unions)]


def _own(split: SplitName, rows: Rows) -> Rows:
    """Those that belong to this split, by a hash of the image: its rows under odd multipliers, summed mod 2^64."""
    odd = words("convex/hash", rows.shape[1], 1)[:, 0] | 1
    codes = (rows * odd.astype(np.uint64)).sum(axis=1).view(np.int64)
    return rows[owned(split, codes)]
