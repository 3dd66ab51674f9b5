"""What a dataset is: where examples, splits and tasks come from.

A dataset writes its columns once per machine into a folder (see cache.py); every worker maps that folder into
memory. Pretraining sees a split's `source`, which holds no labels. Evaluation sees `labels` too, but those of the
test split are read in one place only, where the metrics are (evaluation.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from methods import Settings, Spec, TaskKind

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


class DatasetError(Exception):
    """A dataset cannot be used. The message is for people: what, where, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One labelled problem of a dataset.

    Attributes:
        name: as suites write it; also the name of its label column.
        kind: decides which protocols apply.
        metric: name in metrics.py of the number that is ranked.
        classes: names of the classes, in label order; empty where the kind has none.
        chance, ceiling: of the metric, constants of the task, for normalised scores.
        also: names of further metrics that are reported beside the ranked one.
        examples: the set of examples that it labels, by name (see `Writer.of`); "" is what pretraining sees.
    """

    name: str
    kind: TaskKind
    metric: str
    classes: tuple[str, ...] = ()
    chance: float
    ceiling: float = 1.0
    also: tuple[str, ...] = ()
    examples: str = ""

    @property
    def whole(self) -> bool:
        """Whether an example has one answer: a class or a number."""
        return self.kind in ("class", "pair", "regression")


class Writer(Protocol):
    """Takes the columns of one split, in any order.

    Every method raises DatasetError naming dataset, split and column if the values break the contract.
    """

    def of(self, examples: str) -> Writer:
        """The writer of another set of examples of the same split, for tasks whose unit is not that of pretraining:
        sentences beside documents. Its columns and labels are written like those of the set that pretraining sees."""
        ...

    def dense(self, name: str, values: NDArray[Any]) -> None:
        """An input of all examples: [N, ...]."""
        ...

    def ragged(self, name: str, rows: Sequence[NDArray[Any]]) -> None:
        """An input whose rows differ in length along their first axis."""
        ...

    def groups(self, values: NDArray[np.int64]) -> None:
        """Opaque identities: int64 [N]."""
        ...

    def labels(self, task: str, values: NDArray[Any]) -> None:
        """One answer an example: int64 [N], indices into `Task.classes`, where the task has classes; else float64 [N]
        (regression, similarity of pairs)."""
        ...

    def labelled_positions(
        self, task: str, intervals: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.int64]]
    ) -> None:
        """Of a task of kind position, for each example where its labels lie, int64 [L, 2] (begin, end) in bytes of
        its text or samples of its audio, and what they are, int64 [L]. L may be zero."""
        ...

    def ragged_labels(self, task: str, rows: Sequence[NDArray[Any]]) -> None:
        """Labels of other kinds, a row an example: span -> int64 [A, 2], the accepted answers as (begin, end) in bytes
        of its text; masks -> uint8 [T, H, W], 0 for the background and 1.. for objects; keypoints -> float32
        [T, K, 3], (x, y, visible) in pixels of its video, K the number of `Task.classes`."""
        ...


class Dataset(ABC):
    """One dataset under one configuration.

    Class attributes:
        name: as suites write it.
        version: bump when the content may change.
        licence: of the examples, for the report.
        Config: a frozen dataclass deriving from `methods.Settings`.
        locations: fields of the Config that are paths to the user's files. They are not part of identity: `content`
            says what lies there, and a folder that moves is the same data.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    licence: ClassVar[str]
    Config: ClassVar[type[Settings]]
    locations: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: Any) -> None:
        self.config = config

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """Known before anything is generated."""

    @property
    @abstractmethod
    def tasks(self) -> Mapping[str, Task]:
        """The labelled problems by name."""

    @property
    def folds(self) -> int:
        """0 for a dataset with splits of its own. Otherwise, at least 3: it writes all examples as "train" alone, and
        its tasks are cross-validated over so many parts (see harness/folds.py)."""
        return 0

    @property
    def transductive(self) -> bool:
        """Whether train holds the examples that are tested, without their labels, for want of others. Records say so
        of what was pretrained on them."""
        return False

    @property
    def splits(self) -> tuple[SplitName, ...]:
        """What `write` is asked for."""
        return ("train",) if self.folds else SPLITS

    def content(self) -> Mapping[str, Any]:
        """What identifies the examples beyond (name, version, config): digests of the user's own files. JSON."""
        return {}

    @abstractmethod
    def write(self, split: SplitName, writer: Writer) -> None:
        """Generate or read one split. Deterministic: the same (name, version, config) give the same bytes."""
