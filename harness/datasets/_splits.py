"""Which example belongs to which split, where files do not say it all: stratified shares that keep groups whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import listed
from harness.datasets._dataset import SPLITS, DatasetError, SplitName
from harness.datasets._procedural import shuffled

Ids = NDArray[np.int64]

#: In place of an index into `SPLITS`, for an example whose split nobody has said.
UNDECIDED = -1

#: What files, folders and columns call the splits.
SPELLINGS: Mapping[str, SplitName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
}


def named_split(name: str) -> SplitName | None:
    """The split that a file or folder is named after: "t10k-images.gz" -> test; None if it names none, or two."""
    parts = {SPELLINGS[part] for part in re.split(r"[^a-z0-9]+", name.lower()) if part in SPELLINGS}
    return parts.pop() if len(parts) == 1 else None


def column_of_splits(names: Sequence[str], column: str, places: Sequence[str]) -> list[SplitName]:
    """The splits that a column says, whose cells stand at these places.

    Raises:
        DatasetError: names the cells that say none.
    """
    lower = [name.lower() for name in names]
    wrong = [f"{place}: {name!r}" for place, name in zip(places, lower, strict=True) if name not in SPELLINGS]
    if wrong:
        raise DatasetError(listed(f"no split ({', '.join(SPELLINGS)}) in the column {column!r}", wrong))
    return [SPELLINGS[name] for name in lower]


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How much of the examples that no file assigns goes to val and to test.

    Attributes:
        val, test: below 1 a share of them, else a number of examples; None: none, since files have it.
        seed: of the random division.
    """

    val: float | None
    test: float | None
    seed: int


def divide(
    given: NDArray[np.int8], strata: Ids, together: Ids, shares: Shares, purpose: str
) -> dict[SplitName, NDArray[np.int64]]:
    """Ids per split, each in random order.

    What is train or undecided in `given` is divided: train keeps what val and test do not take. Every stratum is
    spread evenly over the whole before that is cut, so that classes are as frequent everywhere, to about one example.

    Args:
        given: [N], indices into `SPLITS` or `UNDECIDED`.
        strata: [N], classes, to be equally frequent in all splits.
        together: [N]; examples of equal code stay in one split.

    Raises:
        DatasetError: there is too little to divide.
    """
    parts = {split: np.flatnonzero(given == place) for place, split in enumerate(SPLITS)}
    pool = np.flatnonzero((given == UNDECIDED) | (given == SPLITS.index("train")))
    wanted = {split: _count(share, len(pool), split) for split, share in (("val", shares.val), ("test", shares.test))}
    parts["train"] = pool
    if any(wanted.values()):
        train = len(pool) - sum(wanted.values())
        if train < 1:
            taken = " and ".join(f"{count:,} for {split}" for split, count in wanted.items())
            raise DatasetError(f"{len(pool):,} examples leave none for train, with {taken}; ask for less")
        order, place = _spread(strata[pool], together[pool], f"{purpose}/split/{shares.seed}")
        owner = np.searchsorted([train, train + wanted["val"]], place, side="right")
        for index, split in enumerate(SPLITS):
            drawn = pool[order[owner == index]]
            if split == "train" or wanted[split]:
                parts[split] = drawn
            if not len(parts[split]) and (split == "train" or wanted[split]):
                units = len(np.unique(together[pool]))
                raise DatasetError(
                    f"{len(pool):,} examples in {units:,} groups that stay together leave none for {split}; "
                    "give splits of your own, or other shares"
                )
    return {split: ids[shuffled(f"{purpose}/{split}/order", len(ids))] for split, ids in parts.items()}


def at_most(ids: Ids, strata: Ids, limit: int | None, purpose: str) -> Ids:
    """A stratified part of some examples, in their order: all, or `limit` of them."""
    if limit is None or len(ids) <= limit:
        return ids
    order, _ = _spread(strata[ids], np.arange(len(ids)), purpose)
    chosen: Ids = ids[np.sort(order[:limit])]
    return chosen


def _count(share: float | None, size: int, split: str) -> int:
    if share is None:
        return 0
    count = int(share) if share >= 1 else round(share * size)
    if count < 1:
        raise DatasetError(f"{split}: a share of {share:g} of {size:,} examples is none; ask for more")
    return count


def _spread(strata: Ids, together: Ids, purpose: str) -> tuple[Ids, NDArray[np.float64]]:
    """An order in which every stratum is spread evenly, units of `together` whole and random among themselves.

    Returns:
        the order [N], and for each example in that order the middle of its unit, in examples from the start [N].
    """
    _, unit, weight = np.unique(together, return_inverse=True, return_counts=True)
    stratum = _most_frequent(unit, strata, len(weight))
    dice = shuffled(purpose, len(weight))
    by_stratum = dice[np.argsort(stratum[dice], kind="stable")]
    before = np.cumsum(weight[by_stratum]) - weight[by_stratum] / 2
    totals = np.bincount(stratum, weights=weight)
    start = np.cumsum(totals) - totals
    mine = stratum[by_stratum]
    place = np.empty(len(weight))
    place[by_stratum] = (before - start[mine]) / totals[mine]
    # Ties between strata fall as the dice do, or the first classes would always come first.
    units = dice[np.argsort(place[dice], kind="stable")]
    middle = np.empty(len(weight))
    middle[units] = np.cumsum(weight[units]) - weight[units] / 2
    order = np.argsort(middle[unit], kind="stable")
    return order, middle[unit][order]


def _most_frequent(unit: Ids, strata: Ids, units: int) -> Ids:
    """The most frequent stratum of each unit: [units]."""
    pairs, counts = np.unique(np.stack([unit, strata], axis=1), axis=0, return_counts=True)
    best = np.lexsort((-counts, pairs[:, 0]))
    found: Ids = pairs[best[np.searchsorted(pairs[best, 0], np.arange(units))], 1]
    return found
