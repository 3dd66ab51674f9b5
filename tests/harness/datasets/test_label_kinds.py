"""Sets of examples beside that of pretraining, and labels that differ in number from example to example."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import targets
from harness.datasets import Dataset, DatasetError, SplitName, Task, Writer
from harness.datasets.cache import Materialised, materialise
from harness.folds import folds_of
from methods import Settings, Spec

SENTENCES = ["the café shuts", "we run", ""]
WORDS = [[(0, 3), (4, 9), (10, 15)], [(0, 2), (3, 6)], []]
TAGS = [[0, 1, 2], [1, 2], []]
ANSWERS = [[(4, 9), (0, 9)], [(0, 2)], [(0, 1)]]


def text_of(words: str) -> Any:
    return np.frombuffer(words.encode(), np.uint8)


def write_sentences(writer: Writer) -> None:
    sentences = writer.of("sentences")
    sentences.ragged("text", [text_of(words) for words in SENTENCES])
    sentences.labelled_positions(
        "tag",
        [np.array(row, np.int64).reshape(-1, 2) for row in WORDS],
        [np.array(row, np.int64) for row in TAGS],
    )
    sentences.ragged_labels("answer", [np.array(row, np.int64) for row in ANSWERS])
    sentences.labels("length", np.array([3.0, 2.0, 0.0]))


@dataclass(frozen=True, kw_only=True)
class NothingToSet(Settings):
    pass


class Corpus(Dataset):
    """Documents to learn from, sentences with labels."""

    name = "corpus"
    version = 1
    licence = "none"
    Config = NothingToSet
    sentences: Callable[[Writer], None] = staticmethod(write_sentences)

    @property
    def spec(self) -> Spec:
        return Spec(modality="text", shape=(), size=2)

    @property
    def tasks(self) -> Mapping[str, Task]:
        told = {"chance": 0.0, "examples": "sentences"}
        return {
            "tag": Task(name="tag", kind="position", metric="accuracy", classes=("d", "n", "v"), **told),
            "answer": Task(name="answer", kind="span", metric="span_f1", **told),
            "length": Task(name="length", kind="regression", metric="spearman", **told),
        }

    def write(self, split: SplitName, writer: Writer) -> None:
        writer.ragged("text", [text_of("a b\nc"), text_of("d")])
        self.sentences(writer)


def corpus(folder: Path) -> Materialised:
    return materialise(Corpus(NothingToSet()), folder)


def test_a_set_of_its_own_has_its_own_examples_and_labels(tmp_path: Path) -> None:
    data = corpus(tmp_path)
    assert len(data.split("train").source) == data.spec.size == 2
    split = data.split("train", "sentences")
    assert len(split.source) == split.source.spec.size == 3
    assert [split.source.columns["text"].row(index).tobytes().decode() for index in range(3)] == SENTENCES
    assert [row.tolist() for row in split.rows("tag")] == TAGS
    assert [row.tolist() for row in split.intervals("tag")] == [[list(pair) for pair in row] for row in WORDS]
    assert split.labels("length").dtype == torch.float64
    with pytest.raises(DatasetError, match="no task 'tag'"):
        data.split("train").rows("tag")
    assert [len(part.ids) for part in folds_of(data, "tag")[0]] == [3, 3, 3], "a task is folded over its own examples"
    data.verify()


def test_answers_go_back_to_their_examples_in_any_order(tmp_path: Path) -> None:
    data = corpus(tmp_path)
    split, order = data.split("test", "sentences"), torch.tensor([2, 0, 1])
    tag, answer = data.tasks["tag"], data.tasks["answer"]
    flat = targets.for_protocol(split, tag, order)
    assert flat.tolist() == [0, 1, 2, 1, 2]
    rows = targets.answers(flat.numpy(), split, tag, order)
    assert (
        [row.tolist() for row in rows]
        == [row.tolist() for row in targets.truth(split, tag, order)]
        == [
            [],
            [0, 1, 2],
            [1, 2],
        ]
    )
    assert targets.truth(split, answer, torch.tensor([0, 1])) == [["café", "the café"], ["we"]]
    assert targets.answers(np.array([[4, 9], [3, 6]]), split, answer, torch.tensor([0, 1])) == ["café", "run"]
    folded = targets.in_order([rows[:1], rows[1:]], [order[:1], order[1:]])
    assert [row.tolist() for row in folded] == TAGS
    assert targets.stored(folded).tolist() == [0, 1, 2, 1, 2]


def nothing(writer: Writer) -> None:
    pass


def unknown_set(writer: Writer) -> None:
    writer.of("phrases")


def without_tags(writer: Writer) -> None:
    writer.of("sentences").ragged("text", [text_of("a")])
    writer.of("sentences").labels("length", np.ones(1))


def tags_as_labels(writer: Writer) -> None:
    writer.of("sentences").labels("tag", np.zeros(3, np.int64))


def lengths_as_classes(writer: Writer) -> None:
    writer.of("sentences").labels("length", np.zeros(3, np.int64))


def labels_of_another_set(writer: Writer) -> None:
    writer.labels("length", np.zeros(2))


def too_few_intervals(writer: Writer) -> None:
    writer.of("sentences").labelled_positions("tag", [np.zeros((0, 2), np.int64)], [np.zeros(1, np.int64)])


def an_empty_interval(writer: Writer) -> None:
    writer.of("sentences").labelled_positions("tag", [np.array([[3, 3]])], [np.zeros(1, np.int64)])


def an_unknown_tag(writer: Writer) -> None:
    writer.of("sentences").labelled_positions("tag", [np.array([[0, 3]])], [np.full(1, 3)])


def no_answer(writer: Writer) -> None:
    writer.of("sentences").ragged_labels("answer", [np.array([[0, 1]]), np.zeros((0, 2), np.int64)])


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        (nothing, r"split 'train', examples: none were written for \['sentences'\]"),
        (unknown_set, r"examples 'phrases': no task labels such a set; tasks label \['sentences'\]"),
        (without_tags, r"examples 'sentences', labels: none were written for \['answer', 'tag'\]"),
        (tags_as_labels, "task 'tag': a task of kind position has no single answer"),
        (lengths_as_classes, r"task 'length': must be float64 \[N\]"),
        (labels_of_another_set, r"task 'length': there is no such task; there are \[\]"),
        (too_few_intervals, r"row 0 must be int64 \[L, 2\] and int64 \[L\]"),
        (an_empty_interval, "row 0 has an interval that is empty"),
        (an_unknown_tag, "row 0: lie in 3..3, but there are 3 classes"),
        (no_answer, r"row 1 must be int64 \[A, 2\]"),
    ],
)
def test_what_breaks_the_contract_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sentences: Callable[[Writer], None], message: str
) -> None:
    monkeypatch.setattr(Corpus, "sentences", staticmethod(sentences))
    with pytest.raises(DatasetError, match=message):
        corpus(tmp_path)
