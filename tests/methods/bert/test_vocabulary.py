"""What is fitted before training: the vocabulary of the corpus, and which corpora have none."""

from __future__ import annotations

import pytest

from methods import Keys
from methods.bert import Bert
from tests.methods.bert.texts import source_of, tiny
from tests.toys import toy_source


def test_fitted_state_is_plain_and_the_same_for_every_seed() -> None:
    source = toy_source("text")
    states = [Bert.fit(tiny(), source, Keys.of(seed, "fit")) for seed in (0, 1)]
    assert states[0] == states[1]
    assert all(isinstance(piece, str) for piece in states[0]["vocabulary"])


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (["one\ntwo"], "1 documents of at most 2 sentences: set nsp: false"),
        (["one", "two", ""], "2 documents of at most 1 sentences: set nsp: false"),
        (["", " \n\t\n"], "0 documents of at most 0 sentences: set nsp: false"),
    ],
)
def test_a_corpus_that_allows_no_next_sentences_is_refused(documents: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bert.fit(tiny(), source_of(documents), Keys.of(0, "fit"))
    if any(document.strip() for document in documents):
        assert Bert.fit(tiny(nsp=False), source_of(documents), Keys.of(0, "fit"))["vocabulary"]


def test_a_corpus_without_text_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the 2 documents holds any text"):
        Bert.fit(tiny(nsp=False), source_of(["", "\n \n"]), Keys.of(0, "fit"))
