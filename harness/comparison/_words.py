"""A comparison as a sentence that claims no more than its numbers do."""

from __future__ import annotations

import math

from harness.comparison._answer import Comparison, Row
from harness.statistics import Interval


def sentence(result: Comparison, first: Row, second: Row) -> str:
    """The verdict in words, without a full stop: "sdae beats sae on rectangles by 1.1 points (0.6 to 1.6), 5 seeds"."""
    names, where = f"{result.first} and {result.second}", f"on {result.question.where}"
    if result.gain is None:
        return f"{names} cannot be compared {where}: {_why_not(first, second)}"
    bounds, over = _bounds(result), _over(result, first, second)
    if result.verdict == "undecided":
        if result.interval is not None and result.interval.low == result.interval.high == 0:
            return f"{names} cannot be told apart {where}: they score the same throughout, {over}"
        sign = "+" if result.gain > 0 else ""
        difference = f"a difference of {sign}{_amount(result, result.gain)}{bounds}, {over}"
        return f"{names} cannot be told apart {where}: {difference}, which is {_noise(result)}"
    amount = _amount(result, abs(result.gain))
    if result.verdict == "unknown":
        side = "above" if (result.gain >= 0) == result.question.higher_is_better else "below"
        stands = f"{result.first} scores {amount} {side} {result.second}" if result.gain else f"{names} score the same"
        return f"{stands} {where}{bounds}, {over}; {_unknown(result)}"
    if result.verdict == "beats":
        return f"{result.first} beats {result.second} {where} by {amount}{bounds}, {over}"
    return f"{result.first} does not beat {result.second} {where}: it is worse by {amount}{bounds}, {over}"


def _why_not(first: Row, second: Row) -> str:
    for row in (first, second):
        if not row.scores:
            return f"{row.label} has no score"
    ours, theirs = (", ".join(map(str, sorted(row.scores))) for row in (first, second))
    return f"no seed is common to both ({first.label} has {ours}; {second.label} has {theirs})"


def _over(result: Comparison, first: Row, second: Row) -> str:
    """How many seeds, and of whom if only one of the two depends on them."""
    if not result.seeds:
        return "neither depends on a seed"
    text = f"{result.seeds} seed{'s' * (result.seeds != 1)}"
    random = [row.label for row in (first, second) if not row.deterministic]
    return text if len(random) == 2 else f"{text} of {random[0]}"


def _noise(result: Comparison) -> str:
    """Why nothing is claimed."""
    interval = result.interval
    if interval is not None and not _holds_zero(interval):
        if result.p is not None and result.p <= 1 - result.confidence:
            return f"no more than one of {result.comparisons} comparisons may show by chance (Holm)"
        return "within the noise over test examples by the exact test"
    if result.basis == "both":
        parts = {"seeds": result.over_seeds, "test examples": result.over_examples}
        noisy = [f"over {name}" for name, part in parts.items() if part is not None and _holds_zero(part)]
        return f"within the noise {' and '.join(noisy) or 'over seeds and test examples together'}"
    return f"within the noise over {'seeds' if result.basis == 'seeds' else 'test examples'}"


def _unknown(result: Comparison) -> str:
    if not result.seeds:
        return "without outcomes per test example the noise is not known"
    if result.basis == "examples":
        return "one seed cannot tell whether others would agree"
    return "one seed tells nothing of the noise"


def _holds_zero(interval: Interval) -> bool:
    return interval.low <= 0 <= interval.high


def _bounds(result: Comparison) -> str:
    """The interval behind the verdict, turned where the sentence says how much worse the first is."""
    interval = result.interval
    if interval is None:
        return ""
    low, high = interval.low, interval.high
    if result.verdict != "undecided" and interval.mean < 0:
        low, high = -high, -low
    what = {"both": "", "seeds": " on this test set", "examples": " over test examples", None: ""}[result.basis]
    return f" ({_number(result, low)} to {_number(result, high)}{what})"


def _amount(result: Comparison, gain: float) -> str:
    return f"{_number(result, gain)}{' points' if result.question.proportion else ''}"


def _number(result: Comparison, value: float) -> str:
    """Points (hundredths) of a share, with a decimal at least, else units of the metric; about as many digits as the
    interval is worth."""
    share = result.question.proportion
    scale = 100.0 if share else 1.0
    size = scale * max(map(abs, result.interval or (value,)))
    digits = (1 if share else 2) - (math.floor(math.log10(size)) if size > 0 else 0)
    text = f"{scale * value:.{min(9, max(int(share), digits))}f}"
    return text.lstrip("-") if not text.strip("-0.") else text.replace("-", "−")
