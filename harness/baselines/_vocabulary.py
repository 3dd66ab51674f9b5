"""How often the words of a vocabulary occur in texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from methods import Source

#: Most words that are counted: the features are dense, and those of a large corpus must fit in memory.
WORDS = 4096
_WORD = re.compile(r"\w+")


class Vocabulary:
    """The most frequent words of a training set, in lower case; of equally frequent ones the alphabetically first.

    Attributes:
        words: in order of their frequency.
        documents: of the training set, how many texts hold each word: int64 [V].
        texts: of the training set.
    """

    def __init__(self, train: Source, most: int = WORDS) -> None:
        frequency: Counter[str] = Counter()
        holding: Counter[str] = Counter()
        for index in range(len(train)):
            found = list(_words(train, index))
            frequency.update(found)
            holding.update(set(found))
        self.words = sorted(frequency, key=lambda word: (-frequency[word], word))[:most]
        self.documents = np.array([holding[word] for word in self.words], np.int64)
        self.texts = len(train)
        self._index = {word: place for place, word in enumerate(self.words)}

    def counts(self, source: Source, ids: list[int]) -> NDArray[np.float32]:
        """Of these texts: float32 [N, max(V, 1)]; other words are left out."""
        counts = np.zeros((len(ids), max(len(self.words), 1)), np.float32)
        for row, index in enumerate(ids):
            for word in _words(source, index):
                if word in self._index:
                    counts[row, self._index[word]] += 1
        return counts


def _words(source: Source, index: int) -> Iterator[str]:
    """What stands between spaces and punctuation. Bytes that are no UTF-8 are replaced: no text is refused."""
    text = source.columns["text"].row(index).tobytes().decode(errors="replace")
    return (match.group().lower() for match in _WORD.finditer(text))
