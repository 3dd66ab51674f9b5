"""CoNLL-U (universaldependencies.org/format.html): sentences, where their words lie in the text, and their tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.datasets._dataset import DatasetError

#: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
COLUMNS = 10
_WORD, _RANGE, _EMPTY = re.compile(r"[1-9]\d*"), re.compile(r"([1-9]\d*)-([1-9]\d*)"), re.compile(r"\d+\.[1-9]\d*")


@dataclass(kw_only=True)
class Token:
    """What stands in the text as one piece: a word, or several syntactic words in one ("don't", French "du")."""

    form: str
    spaced: bool  #: whether a blank follows
    last: int  #: ID of its last word
    words: list[tuple[str, str]] = field(default_factory=list)  #: (form, tag) of its syntactic words


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """Attributes:
    line: of its first word or comment.
    text: as it is stored.
    intervals: (begin, end) of each syntactic word in bytes of the text as UTF-8.
    tags: of each syntactic word.
    document: its number in the file, from 1; 0 if the file names none.
    agrees: whether the text is that of the comment `# text`, or there is none.
    """

    line: int
    text: str
    intervals: tuple[tuple[int, int], ...]
    tags: tuple[str, ...]
    document: int
    agrees: bool


def read_sentences(text: str, path: Path) -> Iterator[Sentence]:
    """All sentences of a file.

    Raises:
        DatasetError: names the line that breaks the format.
    """
    block: list[tuple[int, str]] = []
    document = 0
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.strip():
            block.append((number, line))
            document += line.startswith("# newdoc")
        elif block:
            yield _sentence(block, document, path)
            block = []


def _sentence(block: Sequence[tuple[int, str]], document: int, path: Path) -> Sentence:
    said = next((line.partition("=")[2].strip() for _, line in block if re.match(r"#\s*text\s*=", line)), None)
    tokens = _tokens([(number, line) for number, line in block if not line.startswith("#")], path)
    if not tokens:
        raise DatasetError(f"{path}, line {block[0][0]}: a sentence without words; take it out")
    places = None if said is None else _found(tokens, said)
    whole = said if said is not None and places is not None else _joined(tokens)
    starts = places if places is not None else _found(tokens, whole)
    assert starts is not None  # of the forms in what was joined of them
    intervals, tags = [], []
    for token, start in zip(tokens, starts, strict=True):
        for (begin, end), (_, tag) in zip(_inside(token), token.words, strict=True):
            before = len(whole[: start + begin].encode())
            intervals.append((before, before + len(whole[start + begin : start + end].encode())))
            tags.append(tag)
    return Sentence(
        line=block[0][0],
        text=whole,
        intervals=tuple(intervals),
        tags=tuple(tags),
        document=document,
        agrees=said is None or places is not None,
    )


def _tokens(lines: Sequence[tuple[int, str]], path: Path) -> list[Token]:
    """The tokens of one sentence, with their words; empty nodes (ID 8.1) stand in no text and are left out."""
    tokens: list[Token] = []
    words = 0
    for number, line in lines:
        cells = line.rstrip("\r").split("\t")
        where = f"{path}, line {number}"
        if len(cells) != COLUMNS or not all(cells):
            raise DatasetError(
                f"{where}: {len([cell for cell in cells if cell])} columns, where CoNLL-U has {COLUMNS}, parted by "
                'tabs and none of them empty ("_" stands for nothing)'
            )
        place, form, tag, misc = cells[0], cells[1], cells[3], cells[9]
        spaced = "SpaceAfter=No" not in misc.split("|")
        inside = bool(tokens) and words < tokens[-1].last
        if many := _RANGE.fullmatch(place):
            first, last = int(many[1]), int(many[2])
            if inside or first != words + 1 or last < first:
                raise DatasetError(f"{where}: the range {place} does not begin after word {words}, or ends before it")
            tokens.append(Token(form=form, spaced=spaced, last=last))
        elif _WORD.fullmatch(place):
            if int(place) != words + 1:
                raise DatasetError(f"{where}: the ID {place} follows {words}; words are numbered from 1")
            if tag == "_":
                raise DatasetError(f"{where}: the word {form!r} has no tag (UPOS, the fourth column)")
            words += 1
            if not inside:
                tokens.append(Token(form=form, spaced=spaced, last=words))
            tokens[-1].words.append((form, tag))
        elif not _EMPTY.fullmatch(place):
            raise DatasetError(f"{where}: the ID {place!r} is neither a number, nor a range as 1-2, nor 1.1")
    if tokens and words < tokens[-1].last:
        raise DatasetError(
            f"{path}, line {lines[-1][0]}: the sentence ends within a range, before word {tokens[-1].last}"
        )
    return tokens


def _joined(tokens: Sequence[Token]) -> str:
    return "".join(token.form + " " * token.spaced for token in tokens).strip()


def _found(tokens: Sequence[Token], text: str) -> list[int] | None:
    """Where each token begins in a text that consists of them and of blanks, or None if it does not."""
    places, at = [], 0
    for token in tokens:
        while at < len(text) and text[at].isspace() and not text.startswith(token.form, at):
            at += 1
        if not text.startswith(token.form, at):
            return None
        places.append(at)
        at += len(token.form)
    return None if text[at:].strip() else places


def _inside(token: Token) -> list[tuple[int, int]]:
    """Where the words of a token lie in it, in characters: one after the other if their forms make up its form ("do",
    "n't"), else each is all of it ("de" and "le" in "du")."""
    if len(token.words) == 1:
        return [(0, len(token.form))]
    forms = [form for form, _ in token.words]
    if "".join(forms) != token.form:
        return [(0, len(token.form))] * len(forms)
    ends = [sum(map(len, forms[: index + 1])) for index in range(len(forms))]
    return list(zip([0, *ends[:-1]], ends, strict=True))
