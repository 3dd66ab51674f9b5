"""Each word is given the tag that it has most often in train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets import Task
from harness.protocols import Solution, View, roster
from harness.protocols.most_frequent_tag import MostFrequentTag, MostFrequentTagConfig
from methods import Features, Keys, Source, Spec
from tests.harness.protocols.views import NoEncoder
from tests.toys import ToyColumn, ToySource

TASK = Task(name="tag", kind="position", metric="position_accuracy", classes=("n", "v", "d"), chance=0.3)
N, V, D = range(3)


@dataclass
class Words:
    """Texts whose words are labelled; no feature can be had."""

    source: Source
    ids: Tensor
    positions: Sequence[NDArray[np.int64]] | None

    def __len__(self) -> int:
        return sum(map(len, self.positions or ()))

    def pooled(self) -> Tensor:
        raise AssertionError("no feature is read")

    def stream(self) -> Iterator[Features]:
        raise AssertionError("no feature is read")


def words(texts: list[str], ids: list[int] | None = None) -> Words:
    """Some of these texts, each word labelled; positions are in bytes."""
    rows = [np.frombuffer(text.encode(), np.uint8) for text in texts]
    source = ToySource(Spec(modality="text", shape=(), size=len(texts)), {"text": ToyColumn(rows)})
    chosen = list(range(len(texts))) if ids is None else ids
    return Words(source, torch.tensor(chosen), [_intervals(texts[index]) for index in chosen])


def _intervals(text: str) -> NDArray[np.int64]:
    lengths = np.array([len(word.encode()) for word in text.split()], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    return np.stack([ends - lengths, ends], axis=1).reshape(-1, 2)


def solved(train: Words, tags: list[int], test: Words) -> Solution:
    view = View(NoEncoder(), "raw", train, test, test, torch.tensor(tags), torch.empty(0, dtype=torch.int64))
    return MostFrequentTag(MostFrequentTagConfig()).solve(view, TASK, Keys.of(0, "tags"))


def test_words_get_their_most_frequent_tag_and_unseen_ones_that_of_all() -> None:
    train = words(["the zoë sails", "zoë sails the sails", "sails zoë"])
    solution = solved(train, [D, N, V, N, V, D, N, N, N], words(["sails the zoë", "Sails ship"]))
    # "sails" is a verb twice and a noun twice: the lower. Of all words a noun is most frequent.
    assert solution.predictions.tolist() == [N, D, N, N, N]
    assert solution.predictions.dtype == np.int64
    assert solution.selection | {"rule": ""} == {"rule": "", "words": 3, "ambiguous": 1, "unseen": 2, "fallback": N}


def test_positions_are_those_of_the_examples_that_are_asked_for() -> None:
    train = words(["a b", "b c", "c a"], [2, 0])  # c a, a b
    solution = solved(train, [V, D, D, N], words(["x a", "b c"], [1]))
    assert solution.predictions.tolist() == [N, V]


def test_it_is_for_positions_in_texts() -> None:
    assert roster()["most_frequent_tag"] is MostFrequentTag
    assert MostFrequentTag.kinds == {"position"}
    assert MostFrequentTag.modalities == {"text"}
    train = words(["a"])
    train.positions = None
    with pytest.raises(ValueError, match="positions of a text"):
        solved(train, [N], words(["a"]))
