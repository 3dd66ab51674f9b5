"""Answers in words against the formulas of SQuAD 1.1's official script, written out character by character."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics import METRICS

WORDS = ["the", "The", "a", "cat", "Cat,", "sat", "on", "an", "mat.", "--", "theatre", "Ana", "é", "3.5", "it's"]
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def _tokens(text: str) -> list[str]:
    kept = "".join(character for character in text.lower() if character not in PUNCTUATION)
    return [word for word in kept.split() if word not in ("a", "an", "the")]


def _f1(prediction: str, target: str) -> float:
    predicted, wanted = _tokens(prediction), _tokens(target)
    left, shared = list(wanted), 0
    for word in predicted:
        if word in left:
            left.remove(word)
            shared += 1
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def test_equal_the_official_formulas() -> None:
    generator = np.random.default_rng(0)

    def phrase() -> str:
        return " ".join(generator.choice(WORDS, generator.integers(0, 5)))

    predictions = [phrase() for _ in range(300)]
    targets = [[phrase() for _ in range(generator.integers(1, 4))] for _ in predictions]
    pairs = list(zip(predictions, targets, strict=True))
    exact = [max(float(_tokens(given) == _tokens(each)) for each in accepted) for given, accepted in pairs]
    f1 = [max(_f1(given, each) for each in accepted) for given, accepted in pairs]
    assert 0 < np.mean(exact) < np.mean(f1) < 1
    for name, expected in (("span_exact", exact), ("span_f1", f1)):
        metric = METRICS[name]
        assert metric.outcomes is not None
        assert metric.outcomes(predictions, targets) == pytest.approx(expected)
        assert metric.compute(predictions, targets) == pytest.approx(np.mean(expected))


def test_by_hand() -> None:
    metric = METRICS["span_f1"]
    assert metric.compute(["The  Cat!"], [["cat"]]) == 1
    assert metric.compute(["cat sat"], [["dog", "a cat"]]) == pytest.approx(2 / 3)
    assert METRICS["span_exact"].compute(["cat sat", "dog"], [["cat"], ["x", "the dog."]]) == 0.5


@pytest.mark.parametrize("name", ["span_f1", "span_exact"])
def test_missing_answers_are_refused(name: str) -> None:
    for predictions, targets in (([], []), (["x"], [[]]), (["x"], [["x"], ["y"]])):
        with pytest.raises(ValueError, match=r"accepted answer|zip"):
            METRICS[name].compute(predictions, targets)
