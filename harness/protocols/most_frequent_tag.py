"""The most frequent tag of each word in train: what context must beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets import Task
from harness.protocols._protocol import EncodedSplit, Needs, Protocol, Solution, View
from methods import Keys, Settings


@dataclass(frozen=True, kw_only=True)
class MostFrequentTagConfig(Settings):
    """There is nothing to choose."""


class MostFrequentTag(Protocol):
    """Each word by itself, as it is written: the class that it has most often in train, of equally frequent ones the
    lower. A word that train does not hold is given the most frequent class of all. No feature is read."""

    name = "most_frequent_tag"
    version = 1
    kinds = frozenset({"position"})
    needs: ClassVar[Needs] = "input"
    modalities = frozenset({"text"})
    Config = MostFrequentTagConfig
    config: MostFrequentTagConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """No randomness: `keys` is not used."""
        targets = view.train_targets.cpu().numpy()
        index: dict[bytes, int] = {}
        rows = np.fromiter((index.setdefault(word, len(index)) for word in _words(view.train)), np.int64, len(targets))
        counts = np.zeros((len(index), len(task.classes)), np.int64)
        np.add.at(counts, (rows, targets), 1)
        tag_of: NDArray[np.int64] = counts.argmax(axis=1)
        fallback = int(counts.sum(axis=0).argmax())
        places = [index.get(word) for word in _words(view.test)]
        predictions = np.array([fallback if place is None else tag_of[place] for place in places], np.int64)
        unseen = sum(place is None for place in places)
        selection = {
            "rule": "most frequent class of the word in train, then the lower; of an unseen word, that of all words",
            "words": len(index),
            "ambiguous": int((np.count_nonzero(counts, axis=1) > 1).sum()),
            "unseen": unseen,
            "fallback": fallback,
        }
        return Solution(predictions=predictions, selection=selection)


def _words(split: EncodedSplit) -> Iterator[bytes]:
    """The bytes at each labelled position, in the order of the answers."""
    if split.positions is None:
        raise ValueError("most_frequent_tag needs a task whose labels lie at positions of a text")
    text = split.source.columns["text"]
    for example, intervals in zip(split.ids.tolist(), split.positions, strict=True):
        row = text.row(example).tobytes()
        yield from (row[begin:end] for begin, end in intervals.tolist())
