"""What a sequence for pretraining is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from methods import Keys
from methods._sentences import Corpus
from methods._wordpiece import CLS, PAD, SEP
from methods.bert._config import BertConfig
from methods.bert._pairs import ELSEWHERE, NEXT, UNASKED, Pair, assembled, sample_pairs, shared
from tests.methods.bert.texts import numbered_corpus, tiny

#: Documents of very different numbers and lengths of sentences; one is empty, two have a single sentence.
MIXED = numbered_corpus([[5, 4, 6, 3], [], [9], [40, 2], [3] * 30, [1, 1], [200], [7, 7, 7, 7, 7]])


def pairs(corpus: Corpus, config: BertConfig, times: int, seed: int = 0) -> list[tuple[int, Pair]]:
    """Every document in turn, `times` over."""
    ids = torch.arange(len(corpus.documents) - 1).repeat(times)
    keys = Keys.of(seed, "pairs", torch.arange(len(ids)))
    return list(zip(ids.tolist(), sample_pairs(corpus, ids, keys, config), strict=True))


def document_of(corpus: Corpus, token: int) -> int:
    sentence = np.searchsorted(corpus.sentences, token - corpus.tokens[0], side="right") - 1
    return int(np.searchsorted(corpus.documents, sentence, side="right") - 1)


def test_half_of_the_second_pieces_follow_and_the_others_are_from_elsewhere() -> None:
    config = tiny(max_length=64)
    found = [(one, pair) for one, pair in pairs(MIXED, config, 400) if pair.label != UNASKED]
    for document, (first, second, label) in found:
        assert second is not None
        assert len(first) > 0
        assert len(second) > 0
        assert document_of(MIXED, int(first[0])) == document_of(MIXED, int(first[-1])) == document
        other = document_of(MIXED, int(second[0]))
        assert (other == document) == (label == NEXT)
        assert np.array_equal(second, np.arange(second[0], second[0] + len(second)))  # tokens in a row
        if label == NEXT and len(first) + len(second) < config.max_length - 3:
            assert second[0] == first[-1] + 1
    for document in {document for document, _ in found}:  # of every document, so that A never tells the answer
        labels = [pair.label for one, pair in found if one == document]
        assert abs(np.mean(labels) - 0.5) < 4 * math.sqrt(0.25 / len(labels))


def test_documents_without_two_sentences_are_not_asked_what_follows() -> None:
    found = pairs(MIXED, tiny(max_length=64), 50)
    asked = {document for document, pair in found if pair.label != UNASKED}
    assert asked == {0, 3, 4, 5, 7}
    assert all((pair.second is None) == (pair.label == UNASKED) for _, pair in found)
    assert all(len(pair.first) == {1: 0, 2: 9, 6: 61}[one] for one, pair in found if pair.second is None)


def test_length_does_not_tell_whether_the_second_piece_follows() -> None:
    corpus = numbered_corpus([[4] * 6 for _ in range(50)])
    found = [pair for _, pair in pairs(corpus, tiny(max_length=64, short_sequences=0.0), 60)]
    lengths = {label: [len(p.second) for p in found if p.second is not None and p.label == label] for label in (0, 1)}
    spread = math.sqrt(sum(np.var(values) / len(values) for values in lengths.values()))
    assert abs(np.mean(lengths[NEXT]) - np.mean(lengths[ELSEWHERE])) < 4 * spread
    assert {len(pair.first) + len(pair.second) for pair in found if pair.second is not None} == {24}


def test_sequences_without_room_are_filled_alike() -> None:
    dice = np.random.default_rng(0)
    corpus = numbered_corpus([dice.integers(2, 7, dice.integers(4, 10)).tolist() for _ in range(60)])
    found = [pair for _, pair in pairs(corpus, tiny(max_length=28, short_sequences=0.0), 60)]
    full = {
        label: np.mean([len(p.first) + len(p.second) == 25 for p in found if p.second is not None and p.label == label])
        for label in (NEXT, ELSEWHERE)
    }
    assert 0.5 < full[NEXT] < 0.9
    assert abs(full[NEXT] - full[ELSEWHERE]) < 0.06, ".18 where sentences from elsewhere are cut by their number too"


def test_sequences_are_as_long_as_they_may_be_but_for_the_short_ones() -> None:
    corpus = numbered_corpus([[5] * 100 for _ in range(20)])
    full = [p for _, p in pairs(corpus, tiny(max_length=64, nsp=False, short_sequences=0.0), 20)]
    assert {len(p.first) + len(p.second) for p in full if p.second is not None} == {61}
    mixed = [p for _, p in pairs(corpus, tiny(max_length=64, nsp=False), 200)]
    short = np.mean([len(p.first) + len(p.second) < 61 for p in mixed if p.second is not None])
    likely = 0.1 * 56 / 60  # aims of 57 and more are filled up by whole sentences
    assert abs(short - likely) < 4 * math.sqrt(likely * (1 - likely) / len(mixed))


def test_every_sentence_comes_up() -> None:
    corpus = numbered_corpus([[6] * 40, [6] * 40])
    found = [pair for _, pair in pairs(corpus, tiny(max_length=32), 400)]
    seen = {int(token) for p in found for piece in (p.first, p.second) if piece is not None for token in piece}
    assert len(seen) == len(corpus.tokens)


def test_without_next_sentence_prediction_the_second_piece_always_follows() -> None:
    found = [pair for _, pair in pairs(MIXED, tiny(max_length=64, nsp=False), 50)]
    assert {pair.label for pair in found} == {NEXT, UNASKED}


def test_a_lone_document_is_not_paired_with_itself() -> None:
    assert {pair.label for _, pair in pairs(numbered_corpus([[5, 5, 5]]), tiny(), 20)} == {UNASKED}


@pytest.mark.parametrize("length", [8, 9, 24, 64])
def test_nothing_is_longer_than_max_length(length: int) -> None:
    found = [pair for _, pair in pairs(MIXED, tiny(max_length=length), 50)]
    batch = assembled(found, length)
    assert batch["lengths"].max() <= length
    for row, pair in enumerate(found):
        second = [] if pair.second is None else [*pair.second.tolist(), SEP]
        expected = [CLS, *pair.first.tolist(), SEP, *second]
        size = len(expected)
        assert batch["lengths"][row] == size
        assert batch["tokens"][row].tolist() == expected + [PAD] * (length - size)
        segments = [0] * (2 + len(pair.first)) + [1] * len(second)
        assert batch["segments"][row].tolist() == segments + [0] * (length - size)
        assert batch["next"][row] == pair.label


def test_the_longer_piece_gives_way_as_in_the_released_code() -> None:
    for first in range(1, 14):
        for second in range(1, 14):
            for most in range(2, 14):
                left = [first, second]
                while sum(left) > most:
                    left[0 if left[0] > left[1] else 1] -= 1
                assert shared(first, second, most) == tuple(left)
