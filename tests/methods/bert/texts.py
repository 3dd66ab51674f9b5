"""Texts for the tests of BERT: sources from given documents, and corpora whose tokens say where they come from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from methods import Spec
from methods._sentences import Corpus
from methods._wordpiece import SPECIAL_TOKENS
from methods.bert import Bert, BertConfig
from tests.toys import ToyColumn, ToySource, toy_source


def source_of(texts: Sequence[str | bytes], second: Sequence[str | bytes] | None = None) -> ToySource:
    """A source of these texts, beside others if given."""
    columns = {"text": texts} if second is None else {"text": texts, "second": second}
    stored = {
        name: ToyColumn(
            [np.frombuffer(each if isinstance(each, bytes) else each.encode(), np.uint8) for each in column]
        )
        for name, column in columns.items()
    }
    return ToySource(Spec(modality="text", shape=(), size=len(texts)), stored)


def numbered_corpus(documents: Sequence[Sequence[int]]) -> Corpus:
    """Documents given by the lengths of their sentences. Every token of the corpus is another number, ascending."""
    lengths = [length for sentences in documents for length in sentences]
    counts = np.array([len(sentences) for sentences in documents])
    return Corpus(
        np.arange(sum(lengths), dtype=np.int32) + len(SPECIAL_TOKENS),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        np.concatenate([[0], np.cumsum(counts)]),
        np.flatnonzero(counts),
    )


def tiny(**config: object) -> BertConfig:
    """A model for tests; without dropout, so that equal inputs give equal outputs in training mode too."""
    values = {"vocabulary": 64, "layers": 2, "width": 32, "heads": 2, "max_length": 24, "dropout": 0.0, **config}
    return BertConfig(**values)  # type: ignore[arg-type]


def tiny_bert(source: ToySource | None = None, **config: object) -> tuple[Bert, ToySource]:
    """An untrained model, and the source that its vocabulary is of."""
    from harness.pretrain import build

    given = source or toy_source("text", size=40)
    method, _ = build(Bert, tiny(**config), given, seed=0)
    assert isinstance(method, Bert)
    return method, given
