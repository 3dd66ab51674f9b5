"""Which examples a solution is fitted on, chosen on and tested on: a dataset's own splits, or nested cross-validation.

Of a dataset without a split, each of k parts is the test set once. The part after it takes the place of val: settings
are chosen there, so that the choice is nested inside each fold and never sees what it is tested on. The other k - 2
parts are train. Every example is tested exactly once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets import DatasetError, SplitName
from harness.datasets.cache import Materialised


class Part(NamedTuple):
    """Some examples of one split."""

    split: SplitName
    ids: Tensor  #: int64 [N]


class Fold(NamedTuple):
    """Three parts without a common example."""

    train: Part
    val: Part
    test: Part


def folds_of(data: Materialised, task: str) -> list[Fold]:
    """The one fold of a dataset with splits, or all that it is cross-validated over.

    The same for every method, protocol and seed, so that results can be compared example by example. Classes are
    spread evenly, where an example has one; examples of one group (speaker, document) stay together.

    Raises:
        DatasetError: there are fewer groups, or fewer examples of a class, than folds.
    """
    if not data.folds:
        examples = data.tasks[task].examples
        return [Fold(*(_whole(data, split, examples) for split in ("train", "val", "test")))]
    place = torch.from_numpy(_places(data, task))
    parts = [Part("train", (place == index).nonzero().flatten()) for index in range(data.folds)]
    return [_fold(parts, test) for test in range(data.folds)]


def _whole(data: Materialised, split: SplitName, examples: str) -> Part:
    return Part(split, torch.arange(len(data.split(split, examples).source)))


def _fold(parts: list[Part], test: int) -> Fold:
    val = (test + 1) % len(parts)
    others = [part.ids for index, part in enumerate(parts) if index not in (test, val)]
    return Fold(Part("train", torch.cat(others).sort().values), parts[val], parts[test])


def _places(data: Materialised, task: str) -> NDArray[np.int64]:
    """The part that each example belongs to: int64 [N]."""
    # Imported here: it takes a second, and datasets with splits do without.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    asked = data.tasks[task]
    split = data.split("train", asked.examples)
    classes = asked.whole and bool(asked.classes)
    labels = split.labels(task).numpy() if classes else np.zeros(len(split.source), np.int64)
    groups = split.source.groups
    names, counts = np.unique(labels, return_counts=True)
    if not classes and len(labels) < data.folds:
        raise DatasetError(f"task {task!r}: {len(labels)} examples are too few for {data.folds} folds; lower `folds`")
    if counts.min() < data.folds:
        scarce = asked.classes[int(names[counts.argmin()])]
        raise DatasetError(
            f"task {task!r}: class {scarce!r} has {counts.min()} examples, too few for {data.folds} folds; "
            "lower `folds`, or leave the class out"
        )
    splitter: Any
    if groups is None:
        splitter, blocks = StratifiedKFold(data.folds, shuffle=True, random_state=0), None
    else:
        blocks = groups.take(torch.arange(len(groups))).numpy()
        if len(np.unique(blocks)) < data.folds:
            raise DatasetError(
                f"task {task!r}: {len(np.unique(blocks))} groups are too few for {data.folds} folds; lower `folds`"
            )
        splitter = StratifiedGroupKFold(data.folds, shuffle=True, random_state=0)
    place = np.empty(len(labels), np.int64)
    for index, (_, test) in enumerate(splitter.split(labels, labels, blocks)):
        place[test] = index
    return place
