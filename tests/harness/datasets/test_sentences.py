from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets._sentences import sentences


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("It rained. We left! Why? Nobody knew", ["It rained.", "We left!", "Why?", "Nobody knew"]),
        ("Mr. Smith met J. R. Jones (cf. Fig. 2). They ate.", ["Mr. Smith met J. R. Jones (cf. Fig. 2).", "They ate."]),
        ("H. americanus is larger, e.g. Maine. It swims.", ["H. americanus is larger, e.g. Maine.", "It swims."]),
        ('She said "Go." Then he went.', ['She said "Go."', "Then he went."]),
        ("A mass of 6 kg ( 13 lb ) . It has claws .", ["A mass of 6 kg ( 13 lb ) .", "It has claws ."]),
        ("It grew 3.5 cm. of late", ["It grew 3.5 cm. of late"]),
        ("Version 2.0 is out... 40 people came.", ["Version 2.0 is out...", "40 people came."]),
        ("雨が降った。帰った。", ["雨が降った。", "帰った。"]),
        ("  \t", []),
        ("...", ["..."]),
    ],
)
def test_where_sentences_end(paragraph: str, expected: list[str]) -> None:
    assert sentences(paragraph) == expected


@given(st.text(alphabet="aA. !?\"')。\t", max_size=40))
def test_only_blanks_are_lost(paragraph: str) -> None:
    found = sentences(paragraph)
    assert "".join("".join(found).split()) == "".join(paragraph.split())
    assert all(sentence == sentence.strip() != "" for sentence in found)
