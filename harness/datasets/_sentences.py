"""Sentences of a paragraph, by a simple rule."""

from __future__ import annotations

import re

#: Words that end with a full stop inside a sentence.
ABBREVIATIONS = frozenset(
    (
        *("mr", "mrs", "ms", "dr", "prof", "rev", "hon", "st", "sr", "jr", "gen", "col", "capt", "lt", "sgt", "maj"),
        *("adm", "gov", "sen", "rep", "vs", "etc", "cf", "vol", "pp", "fig", "figs", "eq", "al", "approx", "ca", "inc"),
        *("ltd", "co", "corp", "dept", "univ", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct"),
        *("nov", "dec"),
    )
)

#: An end, what closes after it, and the first letter of what follows. Chinese and Japanese put no blank between.
_END = re.compile(r"""[.!?…]+['")\]’”»]*(?=\s+(\S))|[。！？]+[」』”]?""")


def sentences(paragraph: str) -> list[str]:
    """The sentences of one paragraph, without blanks around them; none of a blank one.

    A sentence ends after . ! ? or … (and quotes or brackets that close right there) where a blank follows and then no
    small letter, unless the full stop is that of a known abbreviation or of a single letter ("J. Smith"). A full stop
    that stands alone, as in texts that are tokenised, is no abbreviation's.
    """
    found, start = [], 0
    for end in _END.finditer(paragraph):
        if (end[1] or "").islower() or _abbreviates(paragraph[start : end.start()], end[0]):
            continue
        found.append(paragraph[start : end.end()].strip())
        start = end.end()
    found.append(paragraph[start:].strip())
    return [sentence for sentence in found if sentence]


def _abbreviates(before: str, end: str) -> bool:
    if end != "." or not before or before[-1].isspace():
        return False
    word = before.split()[-1].lstrip("('\"[“‘«").lower()
    return word in ABBREVIATIONS or (len(word) == 1 and word.isalpha()) or bool(re.fullmatch(r"(\w\.)+\w", word))
