"""The vocabulary, and where tokens lie in the bytes of a text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from methods._wordpiece import SPECIAL_TOKENS, UNK, WordPiece, byte_offsets, readable, train_vocabulary

TEXTS = ["the lower the newer", "Lower, newer; the newest slow lowest.", "newest lowest, thé slower"] * 4
TRAIN = """
import random
from methods._wordpiece import train_vocabulary
dice = random.Random(0)
words = ["".join(dice.choice("abcdefghij") for _ in range(dice.randint(2, 7))) for _ in range(200)]
texts = [" ".join(dice.choice(words) for _ in range(12)) for _ in range(150)]
print("|".join(train_vocabulary(texts, 250, True)))
"""


def test_training_gives_the_same_vocabulary_in_every_process_and_on_any_number_of_threads() -> None:
    """Many merges tie here; the library's own order of characters differs from process to process."""
    root = Path(__file__).parents[2]
    settings = [{"TOKENIZERS_PARALLELISM": "false"}, {"RAYON_NUM_THREADS": "5"}, {"RAYON_NUM_THREADS": "2"}]
    found = {
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            cwd=root,
            env={**os.environ, **extra},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for extra in settings
    }
    assert len(found) == 1
    assert found.pop().count("|") == 249


def test_frequent_words_become_tokens_and_others_are_spelt() -> None:
    wordpiece = WordPiece(train_vocabulary(TEXTS, 64, lowercase=True), lowercase=True)
    tokens = [[wordpiece.vocabulary[token] for token in ids] for ids in wordpiece.tokens(["The thenest", "§"])]
    assert tokens[0][0] == "the"
    assert tokens[0][1].startswith("the")
    assert all(piece.startswith("##") for piece in tokens[0][2:])
    assert tokens[1] == ["[UNK]"]
    assert wordpiece.vocabulary[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS


def test_case_and_accents_are_kept_if_asked() -> None:
    kept = train_vocabulary(TEXTS, 100, lowercase=False)
    assert {"L", "é"} <= {piece.removeprefix("##")[:1] for piece in kept}
    assert not {"L", "é"} & {piece.removeprefix("##")[:1] for piece in train_vocabulary(TEXTS, 100, lowercase=True)}


def test_a_corpus_that_allows_fewer_entries_gives_fewer_and_never_more_are_asked_for() -> None:
    assert len(train_vocabulary(TEXTS, 30_000, lowercase=True)) < 100
    alphabet = ["".join(chr(0x3400 + 64 * row + column) + " " for column in range(64)) for row in range(64)]
    few = train_vocabulary([*alphabet, *["a b c a b a"] * 9], 40, lowercase=True)
    assert len(few) <= 40
    assert {"a", "b", "c"} <= set(few)  # the most frequent characters stay


@pytest.mark.parametrize("text", ["plain words, only", "Grüße aus 東京 – naïve café 😀 end", ""])
def test_tokens_begin_where_their_words_do(text: str) -> None:
    raw = text.encode()
    wordpiece = WordPiece(train_vocabulary([text] * 3, 200, lowercase=True), lowercase=True)
    ((tokens, begins),) = wordpiece.located([raw])
    assert (np.diff(begins) > 0).all()
    plain = WordPiece(train_vocabulary([text] * 3, 200, lowercase=False), lowercase=False)
    ((tokens, begins),) = plain.located([raw])
    for token, begin in zip(tokens, begins.tolist(), strict=True):
        piece = plain.vocabulary[token].removeprefix("##").encode()
        assert token == UNK or raw[begin : begin + len(piece)] == piece


def test_bytes_that_are_not_utf_8_are_left_out_and_move_nothing() -> None:
    raw = b"a \xff\xfe b\xc3 \xe6\x9d c \xe6\x9d\xb1 d"
    assert [
        raw[begin:end] for begin, end in zip(*(byte_offsets(raw)[s] for s in (np.s_[:-1], np.s_[1:])), strict=True)
    ] == [character.encode("utf-8", "surrogateescape") for character in raw.decode("utf-8", "surrogateescape")]
    assert len(readable(raw)) + 1 == len(byte_offsets(raw))
    wordpiece = WordPiece([*SPECIAL_TOKENS, "a", "b", "c", "d", "東"], lowercase=True)
    ((tokens, begins),) = wordpiece.located([raw])
    assert [wordpiece.vocabulary[token] for token in tokens] == ["a", "b", "c", "東", "d"]
    assert begins.tolist() == [0, 5, 11, 13, 17]


def test_text_cannot_name_special_tokens() -> None:
    wordpiece = WordPiece(train_vocabulary([*TEXTS, "[ ] mask cls sep"] * 2, 100, lowercase=False), lowercase=False)
    (tokens,) = wordpiece.tokens(["[CLS] [MASK] [SEP] [PAD]"])
    assert min(tokens) >= UNK
    assert not set(tokens) & {0, 2, 3, 4}
