"""What is known of a user's examples before any is decoded: label, split and group of each; and what is wrong there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import DatasetError, SplitName
from harness.mistakes import suggestion

#: Offenders that one message names.
NAMED = 10


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """One row an example, in an order that depends on the files alone.

    Attributes:
        given: int8 [N], the index in `SPLITS` of the split that the files say, or `UNDECIDED`.
        labels: names of classes [N]; None for a corpus without labels.
        classes: all there may be, in order, where the files say so.
        groups: names of groups [N], or None.
        parted: whether groups may lie in several splits, because who they are is what a task asks; they are then known
            to methods and nothing else.
        alike: int64 [N]; equal codes are known to be the same example, which must not fall into two splits.
    """

    given: NDArray[np.int8]
    labels: NDArray[np.str_] | None = None
    classes: tuple[str, ...] = ()
    groups: NDArray[np.str_] | None = None
    parted: bool = False
    alike: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.given)

    @property
    def whole(self) -> NDArray[np.str_] | None:
        """The groups if they may not be parted."""
        return None if self.parted else self.groups

    @property
    def together(self) -> NDArray[np.int64]:
        """Codes of what may not be parted: the groups, else what is alike, else each example alone. [N]"""
        if self.whole is not None:
            return coded(self.whole)
        return np.arange(len(self)) if self.alike is None else self.alike


def coded(names: NDArray[np.str_]) -> NDArray[np.int64]:
    """The place of each name among all, sorted: int64 [N]."""
    codes: NDArray[np.int64] = np.unique(names, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return codes


def class_names(labels: NDArray[np.str_]) -> tuple[str, ...]:
    """The different labels; whole numbers in their own order, anything else by the alphabet."""
    names = [str(name) for name in np.unique(labels)]
    if all(name.removeprefix("-").isdecimal() for name in names):
        names.sort(key=int)
    return tuple(names)


def codes_among(classes: Sequence[str], names: NDArray[np.str_]) -> NDArray[np.int64]:
    """Indices of names [N] in `classes`, which holds them all: int64 [N]."""
    order = np.argsort(classes)
    codes: NDArray[np.int64] = order[np.searchsorted(np.array(classes)[order], names)].astype(np.int64)
    return codes


def check_known(labels: NDArray[np.str_], classes: Sequence[str]) -> None:
    """Raises:
    DatasetError: a label is not among the classes that the configuration lists.
    """
    unknown = sorted(set(labels.tolist()) - set(classes))
    if unknown:
        raise DatasetError(
            listed("labels that are not in `classes`", [f"{name!r}; {suggestion(name, classes)}" for name in unknown])
        )


def check_classes(
    classes: Sequence[str], labels: NDArray[np.int64], parts: Mapping[SplitName, NDArray[np.int64]], folds: int
) -> None:
    """Every class must be learnable and, without splits of its own, be in every fold.

    Raises:
        DatasetError: names the classes and how many examples each has.
    """
    counts: dict[SplitName, NDArray[np.int64]] = {
        split: np.bincount(labels[ids], minlength=len(classes)) for split, ids in parts.items()
    }
    total = np.bincount(labels, minlength=len(classes))
    if np.count_nonzero(total) < 2:
        only = classes[int(total.argmax())]
        raise DatasetError(f"all examples are of the class {only!r}; a task needs two classes at least")
    spread = np.sum(list(counts.values()), axis=0)
    few = [f"{classes[k]!r}: {spread[k]}" for k in np.flatnonzero((total > 0) & (spread < folds)).tolist()]
    if few:
        raise DatasetError(
            listed(f"classes with fewer examples than the {folds} folds", few)
            + "\n  add examples, leave these classes out, or ask for fewer folds"
        )
    alone = [f"{classes[k]!r}" for k in np.flatnonzero(total == 1).tolist()]
    if alone:
        raise DatasetError(
            listed("classes with one example, which cannot be both learnt and tested", alone)
            + "\n  add examples, or leave these classes out"
        )
    unlearnable = []
    for k in np.flatnonzero((counts["train"] == 0) & (total > 0)).tolist():
        where = ", ".join(f"{count[k]} in {split}" for split, count in counts.items() if count[k])
        unlearnable.append(f"{classes[k]!r}: {where}" if where else f"{classes[k]!r}: left out by `limit`")
    if unlearnable:
        raise DatasetError(
            listed("classes without an example in train", unlearnable)
            + "\n  add some to train, leave these classes out, or give other shares or another `seed`"
        )


def majority(shares: NDArray[np.float64], metric: str) -> float:
    """What always naming the most frequent class gives: shares of the classes [K] -> accuracy, or macro F1."""
    most = float(shares.max())
    return most if metric == "accuracy" else 2 * most / (1 + most) / len(shares)


def listed(what: str, items: Sequence[str]) -> str:
    """A message over several lines: the first offenders, and how many more there are."""
    more = [f"and {len(items) - NAMED:,} more"] if len(items) > NAMED else []
    return "\n    ".join([f"{what}:", *items[:NAMED], *more])
