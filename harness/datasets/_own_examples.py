"""What all datasets made of a user's own files have in common: where they lie, what identifies them, their splits."""

from __future__ import annotations

import hashlib
import os
import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import Catalogue, listed
from harness.datasets._dataset import SPLITS, Dataset, DatasetError, SplitName
from harness.datasets._digests import digest_of_files, file_digests
from harness.datasets._splits import Shares, at_most, divide
from methods import Settings

Ids = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SplitConfig(Settings):
    """Attributes:
    path: the folder or file; what is relative is so to the folder of the suite that says it.
    train, val, test: names inside `path` of what belongs to a split, where it is not named so. For val and test also a
        number: below 1 a share of the examples, else how many, taken from train. By default what files and folders are
        named after; else val is a tenth and test, where there are labels, a fifth.
    seed: of the random part of the split.
    limit: at most so many examples of each split.
    leaks: whether one example, or one group, may lie in two splits that the files give.
    """

    path: str
    train: str | None = None
    val: int | float | str | None = None
    test: int | float | str | None = None
    seed: int = 0
    limit: int | None = None
    leaks: Literal["refuse", "allow"] = "refuse"

    def __post_init__(self) -> None:
        require_inside(train=self.train, val=self.val, test=self.test)
        for name, share in (("val", self.val), ("test", self.test)):
            if isinstance(share, (int, float)) and not (0 < share < 1 or (share >= 1 and float(share).is_integer())):
                raise ValueError(f"{name}: {share} is neither a share between 0 and 1 nor a number of examples")
        if self.limit is not None and self.limit < 2:
            raise ValueError(f"limit: {self.limit} examples cannot hold two classes; give at least 2")


@dataclass(frozen=True, kw_only=True)
class LabelledConfig(SplitConfig):
    """Attributes:
    folds: at least 3: no split, but nested cross-validation over so many parts.
    classes: all there may be, in order; by default what the labels hold.
    task: how the board names the task.
    """

    folds: int = 0
    classes: tuple[str, ...] = ()
    task: str = "class"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds and self.folds < 3:
            raise ValueError(f"folds: {self.folds} parts do not make a train, a val and a test; give at least 3")
        if self.folds and not self.train == self.val == self.test is None:
            raise ValueError("folds: with folds there are no splits; leave out train, val and test")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: one of them is listed twice")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", self.task):
            raise ValueError(f"task: {self.task!r} may hold letters, digits, _ and - only")


def require_inside(**names: int | float | str | None) -> None:
    """Raises:
    ValueError: a setting names something outside `path`, which would not be found again where the folder moves.
    """
    for setting, name in names.items():
        if isinstance(name, str) and (Path(name).is_absolute() or ".." in Path(name).parts):
            raise ValueError(f"{setting}: {name} does not lie inside `path`; give its name in there")


class OwnExamples(Dataset):
    """Examples in files of the user's. A subclass knows one kind of file; it says what there is, and reads it."""

    licence: ClassVar[str] = "the user's own"
    locations: ClassVar[frozenset[str]] = frozenset({"path"})
    config: SplitConfig

    @abstractmethod
    def catalogue(self) -> Catalogue:
        """Every example, without decoding any. DatasetError where the files do not make sense."""

    @abstractmethod
    def files(self) -> Sequence[str]:
        """All files that decide the examples, by their names inside `folder`."""

    @abstractmethod
    def where(self, row: int) -> str:
        """An example as people find it: file, and row in it."""

    @property
    @abstractmethod
    def labelled(self) -> bool:
        """Whether there is a task; a corpus without one needs no test split."""

    @abstractmethod
    def strata(self) -> Ids:
        """Codes [N] of what is to be equally frequent in all splits, such as classes; zeros if nothing is."""

    @abstractmethod
    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        """DatasetError where a task cannot be learnt and tested on these rows of the catalogue."""

    @cached_property
    def root(self) -> Path:
        """The path of the settings, absolute.

        Raises:
            DatasetError: there is nothing.
        """
        path = Path(os.path.abspath(Path(self.config.path).expanduser()))  # noqa: PTH100 - resolve() follows links
        if not path.exists():
            raise DatasetError(f"there is no {path}; a relative `path` starts where the suite lies")
        return path

    @property
    def folder(self) -> Path:
        """The root, or where it lies if it is a file."""
        return self.root if self.root.is_dir() else self.root.parent

    def content(self) -> Mapping[str, Any]:
        return {"files": len(self._digests), "sha256": digest_of_files(self._digests)}

    @cached_property
    def _catalogue(self) -> Catalogue:
        return self.catalogue()

    @cached_property
    def _digests(self) -> dict[str, str]:
        return file_digests(self.folder, self.files())

    @cached_property
    def _parts(self) -> dict[SplitName, Ids]:
        """Rows of the catalogue by split, in random order."""
        known, purpose = self._catalogue, f"{self.name}/{self.version}"
        strata = self.strata()
        parts = divide(known.given, strata, known.together, self._shares(), purpose)
        if self.config.leaks == "refuse":
            self._refuse_shared(parts)
        limited = {s: at_most(ids, strata, self.config.limit, f"{purpose}/limit/{s}") for s, ids in parts.items()}
        self.check_parts(limited)
        return limited

    def _shares(self) -> Shares:
        given = {split: bool((self._catalogue.given == place).any()) for place, split in enumerate(SPLITS)}
        if self.folds and (given["val"] or given["test"]):
            raise DatasetError(f"{self.root} has a split of its own; leave out `folds`")
        if self.folds:
            return Shares(val=None, test=None, seed=self.config.seed)
        shares: dict[SplitName, int | float | str | None] = {"val": self.config.val, "test": self.config.test}
        for name, share in shares.items():
            if given[name] and isinstance(share, (int, float)):
                raise DatasetError(f"{self.root} has a {name} split of its own; leave out `{name}: {share:g}`")
        if given["val"] and not given["test"] and self.labelled and self.config.test is None:
            raise DatasetError(
                f"{self.root} has a val split, but no test split; name one with `test`, or give the share of train "
                "that it takes, as in `test: 0.2`"
            )
        val, test = self.config.val, self.config.test
        usual_test = 0.2 if self.labelled else None
        return Shares(
            val=None if given["val"] else val if isinstance(val, (int, float)) else 0.1,
            test=None if given["test"] else test if isinstance(test, (int, float)) else usual_test,
            seed=self.config.seed,
        )

    def _refuse_shared(self, parts: Mapping[SplitName, Ids]) -> None:
        """Raises:
        DatasetError: what belongs together lies in two splits.
        """
        known = self._catalogue
        owners: dict[int, tuple[SplitName, int]] = {}
        shared = []
        together = known.together
        for split, ids in parts.items():
            codes, first = np.unique(together[ids], return_index=True)
            for code, row in zip(codes.tolist(), ids[first].tolist(), strict=True):
                other, twin = owners.setdefault(code, (split, row))
                if other != split and known.whole is not None:
                    shared.append(f"group {str(known.whole[row])!r}: in {other} and in {split}")
                elif other != split:
                    shared.append(f"{self.where(twin)} in {other} is {self.where(row)} in {split}")
        self._leak("groups" if known.whole is not None else "examples", shared)

    def _refuse_repeats(self, split: SplitName, ids: Ids, contents: Iterable[NDArray[Any] | None], what: str) -> None:
        """Compare what was decoded with what the splits written before hold; with folds, with all other groups.

        Args:
            contents: of each of `ids`; None is compared with nothing.
            what: examples, for the message.

        Raises:
            DatasetError: the same is learnt from and tested on.
        """
        if split == "train":
            self._seen: dict[bytes, tuple[SplitName, int]] = {}
        groups = self._catalogue.whole  # only these keep examples out of different folds
        repeats = []
        for row, content in zip(ids.tolist(), contents, strict=True):
            if content is None:
                continue
            digest = hashlib.blake2b(content.tobytes(), digest_size=16).digest()
            other, twin = self._seen.setdefault(digest, (split, row))
            if other != split or (self.folds and twin != row and (groups is None or groups[twin] != groups[row])):
                repeats.append(f"{self.where(twin)} ({other}) is {self.where(row)} ({split})")
        self._leak(what, repeats)

    def _leak(self, what: str, shared: list[str]) -> None:
        if shared:
            across = "folds" if self.folds else "splits"
            raise DatasetError(
                listed(
                    f"{len(shared):,} {what} lie in two {across}, so that the test would be of what was learnt", shared
                )
                + "\n  take them out of one, or say `leaks: allow`"
            )
