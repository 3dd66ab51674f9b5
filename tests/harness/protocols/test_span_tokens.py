"""Tokens and bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.protocols._span_tokens import Placed, best_spans, ends, place, real
from methods import Features

TEXT = np.frombuffer("  Ah, Zoë  ran\nhome again ".encode(), np.uint8)
BEGINS = np.array([2, 4, 6, 8, 12, 16, 18])  # Ah | , | Zo | ë | ran | ho | me; "again" is beyond the limit


def test_tokens_end_where_the_next_begins_or_their_word_ends() -> None:
    assert ends(BEGINS, TEXT).tolist() == [4, 5, 8, 10, 15, 18, 20]
    assert ends(np.array([2]), TEXT).tolist() == [5], "the last one ends with its word"
    assert ends(np.array([], np.int64), TEXT).tolist() == []
    assert ends(np.array([16]), TEXT[:18]).tolist() == [18], "or with the text"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((6, 10), (2, 3)),
        ((7, 8), (2, 2)),  # within a token
        ((4, 15), (1, 4)),
        ((6, 12), (2, 3)),  # with the blanks behind
        ((16, 26), None),  # "home again": its end was not read
        ((21, 26), None),
        ((0, 2), None),  # no token
        ((0, 20), (0, 6)),
    ],
)
def test_answers_in_tokens(answer: tuple[int, int], expected: tuple[int, int] | None) -> None:
    assert place(np.array(answer), BEGINS, ends(BEGINS, TEXT)) == expected


def test_an_answer_found_as_tokens_comes_back_as_its_own_bytes() -> None:
    tokens = Placed([BEGINS, BEGINS[:0]], [ends(BEGINS, TEXT), BEGINS[:0]])
    answers = [np.array([[6, 15], [0, 1]]), np.array([[0, 3]])]
    places = tokens.places(answers)
    assert places.tolist() == [[2, 4], [-1, -1]], "the first accepted one; no token at all"
    assert tokens.bytes(np.array([[2, 4], [0, 0]])).tolist() == [[6, 15], [0, 0]]
    assert tokens.lengths().tolist() == [7, 0]


def test_best_spans_equal_a_search_of_all() -> None:
    generator = torch.Generator().manual_seed(0)
    starts, stops = torch.randn(2, 3, 5, 9, generator=generator)
    starts[:, 1, 6:] = stops[:, 1, 6:] = -torch.inf
    found = best_spans(starts, stops, longest=4)
    for g in range(3):
        for n in range(5):
            tried = {(i, j): float(starts[g, n, i] + stops[g, n, j]) for i in range(9) for j in range(i, min(i + 4, 9))}
            assert tuple(found[g, n].tolist()) == max(tried, key=lambda pair: tried[pair])


def test_best_spans_of_no_tokens_and_of_ties() -> None:
    nothing = torch.full((2, 3), -torch.inf)
    assert best_spans(nothing, nothing).tolist() == [[0, 0], [0, 0]]
    assert best_spans(nothing[:, :0], nothing[:, :0]).tolist() == [[0, 0], [0, 0]]
    assert best_spans(torch.zeros(1, 4), torch.zeros(1, 4)).tolist() == [[0, 0]]


def test_padding_and_the_question_are_no_tokens_of_the_text() -> None:
    local = torch.arange(12.0).view(2, 3, 2)
    mask = torch.tensor([[False, True, True], [True, False, False]])
    found = real(Features(local[:, 0], local, mask, torch.tensor([[0.0, 0.0, 4.0], [7.0, 0.0, 0.0]])))
    assert found.local.tolist() == [[2, 3], [4, 5], [6, 7]]
    assert (found.lengths.tolist(), found.begins.tolist()) == ([2, 1], [0, 4, 7])
    with pytest.raises(ValueError, match="centers"):
        real(Features(local[:, 0], local, mask))
