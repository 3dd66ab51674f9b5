"""Treebanks in CoNLL-U: sentences whose words have parts of speech."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from harness.datasets._catalogue import check_classes, class_names, codes_among
from harness.datasets._conllu_sentences import Sentence, read_sentences
from harness.datasets._dataset import DatasetError, SplitName, Task, Writer
from harness.datasets._encodings import read_text
from harness.datasets._own_examples import Ids, SplitConfig
from harness.datasets._own_texts import Example, OwnTexts
from methods import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ConlluConfig(SplitConfig):
    """Attributes:
    train, val, test: patterns of file names, where these do not tell the split.
    leaks: whether one sentence may stand in two splits; in most treebanks some short ones do ("Yes.").
    """

    leaks: Literal["refuse", "allow"] = "allow"


class Conllu(OwnTexts):
    """One's own: Universal Dependencies treebanks (.conllu), an example a sentence, its task the UPOS tag of each word.

    The text of a sentence is that of its comment `# text` where the forms of its words make it up, else (and where
    there is none) the forms put together, with a blank between them save after `SpaceAfter=No`. Tagged are syntactic
    words: of a token of several (1-2) each has its own part of the token where their forms make up that of the token,
    as in "do" + "n't"; else each has the whole token, as "de" and "le" have "du". Empty nodes (8.1) are left out.
    Documents (`# newdoc`) are groups.
    """

    name: ClassVar[str] = "conllu"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = ConlluConfig
    config: ConlluConfig
    endings: ClassVar[tuple[str, ...]] = (".conllu",)

    @property
    def labelled(self) -> bool:
        return True

    @property
    def tasks(self) -> Mapping[str, Task]:
        train = np.concatenate([self._codes[row] for row in self._parts["train"].tolist()])
        chance = float(np.bincount(train).max() / len(train))
        task = Task(name="upos", kind="position", metric="position_accuracy", classes=self._classes, chance=chance)
        return {task.name: task}

    def read(self, path: Path) -> Sequence[Example]:
        found = list(read_sentences(read_text(path), path))
        rebuilt = [sentence for sentence in found if not sentence.agrees]
        if rebuilt:
            _log.warning(
                "%s: `# text` of %d of %d sentences is not made up of their words, first in line %d; it is rebuilt",
                *(path, len(rebuilt), len(found), rebuilt[0].line),
            )
        if not found:
            raise DatasetError(f"{path}: has no sentence")
        return [
            Example(
                f"line {sentence.line}",
                sentence.text,
                label=sentence,
                group=f"{path.name}, document {sentence.document}" if found[-1].document else None,
            )
            for sentence in found
        ]

    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        """Of words, not of sentences."""
        ends = np.cumsum([0, *map(len, self._codes)])
        words = {
            split: np.concatenate([np.arange(ends[row], ends[row + 1]) for row in [*ids.tolist()]] or [ends[:0]])
            for split, ids in parts.items()
        }
        check_classes(self._classes, np.concatenate(self._codes), words, 0)

    def write_labels(self, examples: Sequence[Example], writer: Writer) -> None:
        sentences: list[Sentence] = [example.label for example in examples]
        writer.labelled_positions(
            "upos",
            [np.array(sentence.intervals, np.int64) for sentence in sentences],
            [codes_among(self._classes, np.array(sentence.tags)) for sentence in sentences],
        )

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        return class_names(np.array(sorted({tag for example in self._examples for tag in example.label.tags})))

    @cached_property
    def _codes(self) -> list[Ids]:
        """Tags of the words of each sentence, as indices into the classes."""
        places = {name: place for place, name in enumerate(self._classes)}
        return [np.array([places[tag] for tag in example.label.tags], np.int64) for example in self._examples]
