"""What the datasets made of a user's own texts have in common: their files, their examples, what is written."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import Catalogue, coded
from harness.datasets._dataset import SPLITS, SplitName, Writer
from harness.datasets._own_examples import Ids, OwnExamples
from harness.datasets._splits import UNDECIDED
from harness.datasets._text_files import text_files
from methods import Spec

_log = logging.getLogger(__name__)

#: A sentence of more bytes is told of: it is more than most encoders read at once.
LONG = 2048


class Example(NamedTuple):
    """One example as it was found.

    Attributes:
        place: where in its file, for people: "line 12".
        text, second: as they are stored, save what `OwnTexts.stored` does to the first.
        label: as the dataset's own task has it.
        group: what may not be parted: the document, the article.
        split: where the file itself says so.
    """

    place: str
    text: str
    second: str | None = None
    label: Any = None
    group: str | None = None
    split: SplitName | None = None


class OwnTexts(OwnExamples):
    """Texts in files of the user's. A subclass knows one format; it reads a file, and says what its task is.

    Everything is read into memory. A sentence of whatever length is kept whole: methods cut what is beyond their own
    limit. How many are longer than `LONG` bytes is logged.
    """

    endings: ClassVar[tuple[str, ...]]

    @abstractmethod
    def read(self, path: Path) -> Sequence[Example]:
        """The examples of one file. DatasetError, with file and line, where it makes no sense."""

    @abstractmethod
    def write_labels(self, examples: Sequence[Example], writer: Writer) -> None:
        """The labels of these examples."""

    def stored(self, example: Example) -> str:
        """The text of an example as methods see it: one sentence a line, where there are several."""
        return example.text

    @property
    def spec(self) -> Spec:
        grouped = self._catalogue.groups is not None
        return Spec(modality="text", shape=(), size=len(self._parts["train"]), groups=grouped)

    def files(self) -> Sequence[str]:
        return list(self._files)

    def where(self, row: int) -> str:
        index = int(np.searchsorted(self._starts, row, side="right")) - 1
        path = list(self._files.values())[index][0]
        return f"{path}, {self._examples[row].place}"

    def catalogue(self) -> Catalogue:
        given = []
        for (_, split), examples in zip(self._files.values(), self._by_file, strict=True):
            told = [example.split or split for example in examples]
            given += [SPLITS.index(each) if each else UNDECIDED for each in told]
        grouped = any(example.group is not None for example in self._examples)
        return Catalogue(
            given=np.array(given, np.int8),
            groups=np.array([example.group for example in self._examples]) if grouped else None,
            alike=self._alike(),
        )

    def strata(self) -> Ids:
        return np.zeros(len(self._catalogue), np.int64)

    def write(self, split: SplitName, writer: Writer) -> None:
        ids = self._parts[split]
        examples = [self._examples[row] for row in ids.tolist()]
        texts = [_bytes(self.stored(example)) for example in examples]
        self._tell_long(split, ids, texts)
        writer.ragged("text", texts)
        if self._examples[0].second is not None:
            writer.ragged("second", [_bytes(example.second or "") for example in examples])
        self.write_labels(examples, writer)
        if self._catalogue.groups is not None:
            writer.groups(coded(self._catalogue.groups)[ids])

    @cached_property
    def _files(self) -> dict[str, tuple[Path, SplitName | None]]:
        return text_files(self.root, self.endings, {split: getattr(self.config, split) for split in SPLITS})

    @cached_property
    def _by_file(self) -> list[Sequence[Example]]:
        return [self.read(path) for path, _ in self._files.values()]

    @cached_property
    def _examples(self) -> list[Example]:
        return [example for examples in self._by_file for example in examples]

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(len(examples) for examples in self._by_file[:-1])], dtype=np.int64)

    def _refuse_shared(self, parts: Mapping[SplitName, Ids]) -> None:
        """Also what says the same in two groups; with folds, in two places that nothing keeps together."""
        super()._refuse_shared(parts)
        groups, alike = self._catalogue.groups, self._catalogue.alike
        assert alike is not None
        seen: dict[int, tuple[SplitName, int]] = {}
        repeats = []
        for split, ids in parts.items() if groups is not None or self.folds else ():
            for row in ids.tolist():
                other, twin = seen.setdefault(int(alike[row]), (split, row))
                parted = twin != row and (groups is None or groups[twin] != groups[row])
                if other != split or (self.folds and parted):
                    repeats.append(f"{self.where(twin)} ({other}) is {self.where(row)} ({split})")
        self._leak("texts", repeats)

    def _alike(self) -> Ids:
        """For each example the first that says the same: [N]."""
        first: dict[tuple[str, str | None], int] = {}
        return np.array([first.setdefault((e.text, e.second), row) for row, e in enumerate(self._examples)], np.int64)

    def _tell_long(self, split: SplitName, ids: Ids, texts: Sequence[NDArray[np.uint8]]) -> None:
        longest = [max(map(len, text.tobytes().split(b"\n")), default=0) for text in texts]
        beyond = [place for place, size in enumerate(longest) if size > LONG]
        if beyond:
            worst = max(beyond, key=longest.__getitem__)
            _log.warning(
                "%s: %d of %d texts have a sentence of more than %d bytes, the longest one of %d in %s; they are kept "
                "whole, and an encoder reads of them what it can",
                *(split, len(beyond), len(texts), LONG, longest[worst], self.where(int(ids[worst]))),
            )


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)
