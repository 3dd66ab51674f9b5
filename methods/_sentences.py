"""Sentences: documents of them as tokens, read and tokenised once; those of like length together."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods._method import Source
from methods._wordpiece import WordPiece, readable

#: Documents whose sentences are tokenised together.
_AT_ONCE = 512


@dataclass(frozen=True)
class Corpus:
    """Tokens of all sentences one after the other; sentences without any are left out.

    Attributes:
        tokens: int32 [T].
        sentences: int64 [S + 1]; sentence s has tokens sentences[s] to sentences[s + 1].
        documents: int64 [D + 1]; document d has sentences documents[d] to documents[d + 1].
        filled: int64; documents that have a sentence, ascending.
    """

    tokens: NDArray[np.int32]
    sentences: NDArray[np.int64]
    documents: NDArray[np.int64]
    filled: NDArray[np.int64]

    @classmethod
    def read(cls, source: Source, wordpiece: WordPiece) -> Corpus:
        """Tokenises the column `text` of all examples."""
        tokens: list[NDArray[np.int32]] = []
        lengths: list[int] = []
        documents = np.zeros(len(source) + 1, dtype=np.int64)
        for first in range(0, len(source), _AT_ONCE):
            some = [sentences_of(source, index) for index in range(first, min(first + _AT_ONCE, len(source)))]
            found = wordpiece.tokens([sentence for sentences in some for sentence in sentences])
            for index, sentences in enumerate(some, start=first):
                kept = [ids for ids in (next(found) for _ in sentences) if ids]
                tokens += [np.array(ids, dtype=np.int32) for ids in kept]
                lengths += [len(ids) for ids in kept]
                documents[index + 1] = len(lengths)
        return cls(
            np.concatenate(tokens) if tokens else np.empty(0, dtype=np.int32),
            np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            documents,
            np.flatnonzero(np.diff(documents)),
        )

    def piece(self, first: int, last: int) -> NDArray[np.int32]:
        """The tokens of sentences `first` to before `last`."""
        return self.tokens[self.sentences[first] : self.sentences[last]]


class Corpora:
    """The corpora that a method has read, for as long as their sources are there. Each process reads them anew: they
    are no part of its state."""

    def __init__(self, wordpiece: WordPiece) -> None:
        self.wordpiece = wordpiece
        self._read: list[tuple[weakref.ref[Source], Corpus]] = []

    def of(self, source: Source) -> Corpus:
        for reference, corpus in self._read:
            if reference() is source:
                return corpus
        corpus = Corpus.read(source, self.wordpiece)
        self._read = [*(entry for entry in self._read if entry[0]() is not None), (weakref.ref(source), corpus)]
        return corpus

    def __deepcopy__(self, memo: dict[int, Any]) -> Corpora:
        return self  # copies of a method (fine-tuning makes them) need no copies of the corpus


def sentences_of(source: Source, index: int) -> list[str]:
    """The lines of a document that hold more than white space."""
    text = readable(source.columns["text"].row(index).tobytes())
    return [line for line in text.split("\n") if line and not line.isspace()]


def all_sentences(source: Source) -> Iterator[list[str]]:
    """Those of each document in turn."""
    return (sentences_of(source, index) for index in range(len(source)))


def of_like_length(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Groups of rows, ascending by length, so that little of what goes through an encoder together is padding: a group
    holds at most `most` tokens when its rows are filled up to the longest, or is one row."""
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or lengths[row] * (len(groups[-1]) + 1) > most:
            groups.append([])
        groups[-1].append(row)
    return groups
