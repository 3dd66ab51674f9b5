"""Bags of words and tf-idf."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from harness.baselines import Baseline, roster
from harness.baselines._vocabulary import Vocabulary
from harness.pairing import for_source
from methods import Source, Spec
from tests.toys import ToyColumn, ToySource

TRAIN = ["the dog sees the cat.\nA dog!", "Zoë sees a ship, the ship", "", "cat, cat and cat"]
TEST = ["a cat sees zoë", "nothing known", "", "the the the dog"]


def texts(*columns: list[str]) -> Source:
    """Texts under `text` and, of pairs, `second`."""
    held = [ToyColumn([np.frombuffer(text.encode(), np.uint8) for text in column]) for column in columns]
    spec = Spec(modality="text", shape=(), size=len(columns[0]))
    return ToySource(spec, dict(zip(("text", "second"), held, strict=False)))


def features(baseline: Baseline, some: list[str]) -> Tensor:
    batch = baseline.examples(texts(some), torch.arange(len(some)))
    return baseline.encode(batch)[baseline.name].pooled


@pytest.mark.parametrize(("name", "reference"), [("bag_of_words", CountVectorizer), ("tfidf", TfidfVectorizer)])
def test_features_are_those_of_scikit_learn(name: str, reference: type[CountVectorizer]) -> None:
    vectorizer = reference(token_pattern=r"\w+").fit(TRAIN)
    baseline = roster()[name](texts(TRAIN))
    order = [vectorizer.vocabulary_[word] for word in Vocabulary(texts(TRAIN)).words]
    for some in (TRAIN, TEST):
        expected = vectorizer.transform(some).toarray()[:, order]
        found = features(baseline, some)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, torch.from_numpy(expected).float())


def test_only_the_most_frequent_words_are_counted() -> None:
    vocabulary = Vocabulary(texts(TRAIN), most=3)
    assert vocabulary.words == ["cat", "the", "a"]  # 4, 3, and of those with 2 the alphabetically first
    assert vocabulary.counts(texts(TEST), [3, 0]).tolist() == [[0, 3, 0], [1, 0, 1]]


def test_examples_are_taken_by_their_ids_and_pairs_are_joined() -> None:
    baseline = roster()["bag_of_words"](texts(TRAIN))
    pairs = texts(TEST, TRAIN)
    encoder = for_source(baseline, pairs)
    joined = encoder.encode(encoder.examples(pairs, torch.tensor([3, 0])))["bag_of_words"].pooled
    u, v = features(baseline, TEST)[[3, 0]], features(baseline, TRAIN)[[3, 0]]
    torch.testing.assert_close(joined, torch.cat([u, v, (u - v).abs(), u * v], dim=1))


@pytest.mark.parametrize("name", ["bag_of_words", "tfidf"])
def test_texts_without_words_are_no_error(name: str) -> None:
    baseline = roster()[name](texts(["", "...", "\n"]))
    assert features(baseline, ["", "words"]).tolist() == [[0], [0]]


def test_bytes_that_are_no_text_are_read_around() -> None:
    broken = ToySource(
        Spec(modality="text", shape=(), size=1), {"text": ToyColumn([np.frombuffer(b"a\xff ship", np.uint8)])}
    )
    assert Vocabulary(broken).words == ["a", "ship"]
