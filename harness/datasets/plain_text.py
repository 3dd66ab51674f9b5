"""Plain text files: a corpus of documents to pretrain on."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError, SplitName, Task, Writer
from harness.datasets._encodings import Encoding, read_text
from harness.datasets._own_examples import Ids, SplitConfig
from harness.datasets._own_texts import Example, OwnTexts
from harness.datasets._sentences import sentences
from methods import Settings

_log = logging.getLogger(__name__)

#: "= Title =", "= = Section = =", "== Section ==": as many marks on both sides.
_HEADING = re.compile(r"\s*(=(?: ?=)*)\s*[^=\s].*?\s*(=(?: ?=)*)\s*")


@dataclass(frozen=True, kw_only=True)
class PlainTextConfig(SplitConfig):
    """Attributes:
    train, val, test: patterns of file names, where these do not tell the split; val and test also a share of documents.
    documents: what parts them: blank lines; headings as in wikitext (" = Title = "; blank lines then only part
        paragraphs); or nothing, a document a file.
    sentences: split: a line is a paragraph, whose sentences are found by a rule; lines: a line is a sentence.
    encoding: of all files.
    """

    documents: Literal["blank_lines", "headings", "files"] = "blank_lines"
    sentences: Literal["split", "lines"] = "split"
    encoding: Encoding = "utf-8"


class PlainText(OwnTexts):
    """One's own: documents in plain text files (.txt), without labels.

    A document is stored one sentence a line. Sentences end after . ! ? or … where a blank follows and then no small
    letter, save after abbreviations and single letters (see `_sentences.sentences`). Headings are marks, not
    sentences: they are left out, as BERT's authors left them out of Wikipedia (Devlin 2018, section 3.1). A document
    of one sentence is kept; it has no next sentence, and how many there are is logged.
    """

    name: ClassVar[str] = "plain_text"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = PlainTextConfig
    config: PlainTextConfig
    endings: ClassVar[tuple[str, ...]] = (".txt",)

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {}

    @property
    def labelled(self) -> bool:
        return False

    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        return

    def read(self, path: Path) -> Sequence[Example]:
        lines = read_text(path, self.config.encoding).split("\n")
        pieces = {"blank_lines": _between_blanks, "headings": _under_headings, "files": _whole}
        found = [Example(f"line {line}", "\n".join(text)) for line, text in pieces[self.config.documents](lines, path)]
        empty = [f"{path}, {example.place}" for example in found if not example.text]
        if empty:
            raise DatasetError(listed("documents without text", empty) + "\n  fill them, or take them out")
        return found

    def stored(self, example: Example) -> str:
        lines = [line.strip() for line in example.text.split("\n")]
        if self.config.sentences == "split":
            lines = [sentence for line in lines for sentence in sentences(line)]
        return "\n".join(line for line in lines if line)

    def write_labels(self, examples: Sequence[Example], writer: Writer) -> None:
        alone = sum("\n" not in self.stored(example) for example in examples)
        if alone:
            _log.info("%d of %d documents are of one sentence, which has no next one", alone, len(examples))


def heading(line: str) -> int:
    """The level of a heading, 1 for that of a document; 0 for any other line."""
    found = _HEADING.fullmatch(line)
    if found is None:
        return 0
    level = found[1].count("=")
    return level if level == found[2].count("=") else 0


#: The lines of a document that are not blank, and the number of its first one in the file.
_Piece = tuple[int, list[str]]


def _between_blanks(lines: Sequence[str], path: Path) -> Iterator[_Piece]:
    start, piece = 0, list[str]()
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            start = start if piece else number
            piece.append(line)
        elif piece:
            yield start, piece
            piece = []


def _under_headings(lines: Sequence[str], path: Path) -> Iterator[_Piece]:
    """Raises:
    DatasetError: there is text before the first heading, or no heading.
    """
    start, piece = 0, list[str]()
    for number, line in enumerate(lines, 1):
        level = heading(line)
        if level == 1:
            if start:
                yield start, piece
            start, piece = number, []
        elif line.strip() and not level:
            if not start:
                raise DatasetError(
                    f"{path}, line {number}: text before the first heading; with `documents: headings` a document "
                    'begins with a line as " = Title = "'
                )
            piece.append(line)
    yield max(start, 1), piece


def _whole(lines: Sequence[str], path: Path) -> Iterator[_Piece]:
    yield 1, [line for line in lines if line.strip()]
