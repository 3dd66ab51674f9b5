"""Metrics of answers in words: those of SQuAD 1.1 (Rajpurkar et al. 2016), from 0 to 1 and not to 100.

Predictions are one string per example, targets the accepted answers of each; the best of these counts. Before they are
compared, case, punctuation, English articles and the amount of whitespace are taken out, as by its official script.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.metrics._metric import Metric

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """What of an answer is compared."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact(prediction: str, target: str) -> float:
    """1 where both say the same, else 0."""
    return float(normalised(prediction) == normalised(target))


def word_f1(prediction: str, target: str) -> float:
    """F1 of the words of `prediction` as a bag against those of `target`; 0 where they share none."""
    predicted, wanted = normalised(prediction).split(), normalised(target).split()
    shared = sum((Counter(predicted) & Counter(wanted)).values())
    return 2 * shared / (len(predicted) + len(wanted)) if shared else 0.0


def span_exact(predictions: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
    """Share of examples whose answer is an accepted one."""
    return float(np.mean(exact_outcomes(predictions, targets)))


def exact_outcomes(predictions: Sequence[str], targets: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Of each example: float64 [N], 0 or 1."""
    return _best(exact, predictions, targets)


def span_f1(predictions: Sequence[str], targets: Sequence[Sequence[str]]) -> float:
    """Mean over examples of the best F1 in words."""
    return float(np.mean(f1_outcomes(predictions, targets)))


def f1_outcomes(predictions: Sequence[str], targets: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Of each example: float64 [N]."""
    return _best(word_f1, predictions, targets)


def _best(
    compare: Callable[[str, str], float], predictions: Sequence[str], targets: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    if not len(targets) or not all(len(accepted) for accepted in targets):
        raise ValueError("need at least one example, and an accepted answer of each")
    pairs = zip(predictions, targets, strict=True)
    return np.array([max(compare(given, answer) for answer in accepted) for given, accepted in pairs])


ANSWERS = (
    Metric("span_exact", higher_is_better=True, compute=span_exact, outcomes=exact_outcomes),
    Metric("span_f1", higher_is_better=True, compute=span_f1, outcomes=f1_outcomes),
)
