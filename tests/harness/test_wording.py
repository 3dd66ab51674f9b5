from __future__ import annotations

import math

import pytest

from harness.wording import about, difference, duration, number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.86049, "0.860"), (-0.0004, "0.000"), (-0.5, "−0.500"), (123.456, "123.5"), (None, "–"), (math.nan, "–")],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0711, "+0.071"), (-0.0711, "−0.071"), (0.0, "0.000"), (None, "–")])
def test_differences_carry_their_sign(value: float | None, text: str) -> None:
    assert difference(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (59.6, "60 s"), (161, "2.7 min"), (4000, "67 min"), (7200, "2.0 h"), (None, "–")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "a few seconds"),
        (42, "about 40 s"),
        (130, "about 2 min"),
        (5600, "about 93 min"),
        (9000, "about 2.5 h"),
        (72000, "about 20 h"),
    ],
)
def test_estimates_are_no_more_precise_than_they_are(seconds: float, text: str) -> None:
    assert about(seconds) == text
