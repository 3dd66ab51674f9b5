"""Sequences for pretraining: two pieces of text, the second of which follows the first, or comes from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods._keys import Keys
from methods._sentences import Corpus
from methods._wordpiece import CLS, PAD, SEP
from methods.bert._config import SPECIAL, BertConfig

#: Labels of a sequence, as the released code numbers them; UNASKED where there is no second piece.
NEXT, ELSEWHERE, UNASKED = 0, 1, -1

_Tokens = NDArray[np.int32]


class Pair(NamedTuple):
    """Two pieces of text; the second is None where the document has one sentence or none."""

    first: _Tokens
    second: _Tokens | None
    label: int


def sample_pairs(corpus: Corpus, ids: Tensor, keys: Keys, config: BertConfig) -> list[Pair]:
    """One sequence from each of these documents, short enough for `max_length`."""
    dice: list[list[float]] = keys.fold("pairs").uniform(9).tolist()
    return [_pair(corpus, document, thrown, config) for document, thrown in zip(ids.tolist(), dice, strict=True)]


def _pair(corpus: Corpus, document: int, dice: Sequence[float], config: BertConfig) -> Pair:
    most = config.max_length - SPECIAL
    aim = most if dice[0] >= config.short_sequences else 2 + int(dice[1] * (most - 1))
    start, stop = _chunk(corpus, document, aim, dice[2])
    if stop - start < 2:
        first = corpus.piece(start, stop) if stop > start else corpus.tokens[:0]
        return Pair(_cut(first, min(len(first), most), dice[6]), None, UNASKED)
    cut = start + 1 + int(dice[3] * (stop - start - 1))
    first, second, label = corpus.piece(start, cut), corpus.piece(cut, stop), NEXT
    if config.nsp and len(corpus.filled) < 2:
        label = UNASKED
    elif config.nsp and dice[4] < 0.5:
        second, label = _elsewhere(corpus, document, len(second), dice[5], dice[7]), ELSEWHERE
    kept = shared(len(first), len(second), most)
    return Pair(_cut(first, kept[0], dice[6]), _cut(second, kept[1], dice[8]), label)


def _chunk(corpus: Corpus, document: int, aim: int, die: float) -> tuple[int, int]:
    """Consecutive sentences of a document, enough of them for `aim` tokens, at least two if it has two: all of a
    document that is shorter, else from a random start of those from which it goes on long enough."""
    begin, end = int(corpus.documents[document]), int(corpus.documents[document + 1])
    bounds = corpus.sentences[begin : end + 1]
    last = int(np.searchsorted(bounds, bounds[-1] - aim, side="right")) - 1  # the last start with enough behind it
    start = min(int(die * (max(last, 0) + 1)), max(end - begin - 2, 0))
    stop = int(np.searchsorted(bounds, bounds[start] + aim))
    return begin + start, begin + min(max(stop, start + 2), end - begin)


def _elsewhere(corpus: Corpus, document: int, room: int, which: float, where: float) -> _Tokens:
    """Sentences in a row from another document, enough of them for `room` tokens if it has so many: as long as what
    they stand for, since else the length would tell that they do."""
    others = corpus.filled
    own = int(np.searchsorted(others, document))
    pick = int(which * (len(others) - 1))
    other = int(others[pick + (pick >= own)])
    begin, end = int(corpus.documents[other]), int(corpus.documents[other + 1])
    bounds = corpus.sentences[begin : end + 1]
    last = int(np.searchsorted(bounds, bounds[-1] - room, side="right")) - 1  # the last start with enough behind it
    start = min(int(where * (max(last, 0) + 1)), end - begin - 1)
    full = int(np.searchsorted(bounds, bounds[start] + room))
    return corpus.piece(begin + start, begin + min(max(full, start + 1), end - begin))


def _cut(tokens: _Tokens, length: int, die: float) -> _Tokens:
    """`length` tokens in a row; what is too much goes partly from the front and partly from the end, by chance."""
    front = int(die * (len(tokens) - length + 1))
    return tokens[front : front + length]


def shared(first: int, second: int, most: int) -> tuple[int, int]:
    """What is left of two lengths when the longer gives way, token by token, until both have room (the second if they
    are equal), as in the released code."""
    if first + second <= most:
        return first, second
    if first <= most // 2:
        return first, most - first
    return (most - second, second) if second <= most // 2 else (most - most // 2, most // 2)


def assembled(pairs: Sequence[Pair], length: int) -> dict[str, Tensor]:
    """[CLS] first [SEP] second [SEP] of each pair, padded.

    Returns:
        tokens, segments (0 up to the first [SEP], 1 after it): int64 [N, length]; lengths: int64 [N];
        next: int64 [N], the labels.
    """
    tokens = np.full((len(pairs), length), PAD, dtype=np.int64)
    segments = np.zeros((len(pairs), length), dtype=np.int64)
    lengths = np.empty(len(pairs), dtype=np.int64)
    tokens[:, 0] = CLS
    for row, (first, second, _) in enumerate(pairs):
        middle = 1 + len(first)
        tokens[row, 1:middle] = first
        tokens[row, middle] = SEP
        end = middle + 1
        if second is not None:
            end += len(second)
            tokens[row, middle + 1 : end] = second
            tokens[row, end] = SEP
            end += 1
            segments[row, middle + 1 : end] = 1
        lengths[row] = end
    return {
        "tokens": torch.from_numpy(tokens),
        "segments": torch.from_numpy(segments),
        "lengths": torch.from_numpy(lengths),
        "next": torch.tensor([pair.label for pair in pairs], dtype=torch.int64),
    }
