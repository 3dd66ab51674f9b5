"""One's own recordings: WAV, FLAC, Ogg or MP3, in a folder a class, or told by their names or by a table.

{name: audio, config: {path: FOLDER}}
the spoken digits, speakers held out, as FSDD names its files:
    {path: recordings, pattern: '(?P<digit>\\d)_(?P<speaker>\\w+)_\\d+', label: digit, group: speaker}
its official split, and who speaks beside what is said:
    {path: recordings, pattern: (as above), tasks: [digit, speaker], group: speaker, test: "*_[0-4].wav"}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets._audio_files import Recordings, from_names, from_table
from harness.datasets._catalogue import (
    Catalogue,
    check_classes,
    check_known,
    class_names,
    codes_among,
    listed,
    majority,
)
from harness.datasets._dataset import SPLITS, DatasetError, SplitName, Task, Writer
from harness.datasets._own_examples import Ids, LabelledConfig, require_inside
from harness.datasets._own_sounds import OwnSounds, SoundConfig
from harness.datasets._splits import UNDECIDED
from methods import Settings


@dataclass(frozen=True, kw_only=True)
class AudioConfig(SoundConfig, LabelledConfig):
    """Attributes:
    train, val, test: inside `path` a folder, a file that lists names, or a pattern of names ("*_[0-4].wav"); what none
        of them names is for train.
    table: one for all recordings, inside `path`; its columns say what they are.
    pattern: a regular expression for the whole of a name inside `path`, without ending; its named groups are columns,
        and those that are called label, group and split are taken for these.
    file, label, group, split: columns; file and label have usual names. Without a column of labels, the first folder of
        a name is its class.
    tasks: columns, each a task of its own name; in place of `label` and `task`. The first is equally frequent in all
        splits. A group that is a task too is not kept whole: methods may know who it is, and splits share it.
    labels: none: a corpus to pretrain on, whatever its folders are called.
    metric: what the board ranks.
    """

    table: str | None = None
    pattern: str | None = None
    file: str | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None
    tasks: tuple[str, ...] = ()
    labels: Literal["given", "none"] = "given"
    metric: Literal["accuracy", "macro_f1"] = "accuracy"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_inside(table=self.table)
        if self.table is not None and self.pattern is not None:
            raise ValueError("pattern: `table` says what the recordings are; leave out one of them")
        if self.file is not None and self.table is None:
            raise ValueError("file: is a column of `table`, which is not given")
        told = ("label", self.label), ("group", self.group), ("split", self.split), ("tasks", self.tasks)
        if self.table is self.pattern is None and (column := next((name for name, value in told if value), None)):
            raise ValueError(f"{column}: is a column of `table`, or a group of `pattern`; neither is given")
        if self.pattern is not None:
            _check_pattern(self.pattern)
        named = next((split for split in SPLITS if isinstance(getattr(self, split), str)), None)
        if named and (self.table or self.split):
            raise ValueError(f"{named}: `{'table' if self.table else 'split'}` says the splits; leave out one of them")
        if self.tasks and (self.label is not None or self.task != "class"):
            raise ValueError("tasks: stands in place of `label` and `task`; leave these out")
        if len(self.tasks) > 1 and self.classes:
            raise ValueError("classes: are of one task, but `tasks` has several")
        if self.tasks and self.labels == "none":
            raise ValueError("tasks: a corpus without labels has none; leave out one of them")

    def column(self, what: Literal["group", "split"]) -> str | None:
        """The column of groups or of splits: as told, or in a pattern what is called so."""
        told: str | None = getattr(self, what)
        by_pattern = self.pattern is not None and what in re.compile(self.pattern).groupindex
        return told or (what if by_pattern else None)


class Audio(OwnSounds):
    """One's own: recordings in a folder a class, below train, val and test folders if there are such; or with labels
    from a pattern of their names, or a table. LibriSpeech has a reader of its own.

    Recordings that lie in one folder, without pattern and table, have no labels: a corpus to pretrain on.
    """

    name: ClassVar[str] = "audio"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = AudioConfig
    config: AudioConfig

    @property
    def folds(self) -> int:
        return self.config.folds

    @property
    def names(self) -> Sequence[str]:
        return self._found.names

    @property
    def labelled(self) -> bool:
        return bool(self._names_of_labels)

    @property
    def tasks(self) -> Mapping[str, Task]:
        train, metric, found = self._parts["train"], self.config.metric, {}
        for name, classes in self._classes.items():
            shares = np.bincount(self._labels[name][train], minlength=len(classes)) / len(train)
            chance = majority(shares, metric)
            found[name] = Task(name=name, kind="class", metric=metric, classes=classes, chance=chance)
        return found

    def strata(self) -> Ids:
        return next(iter(self._labels.values()), np.zeros(len(self._catalogue), np.int64))

    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        for name, labels in self._labels.items():
            try:
                check_classes(self._classes[name], labels, parts, self.config.folds)
            except DatasetError as error:
                raise DatasetError(f"task {name!r}: {error}") from error

    def files(self) -> Sequence[str]:
        lists = [getattr(self.config, split) for split in SPLITS]
        tables = [name for name in (self.config.table, *lists) if isinstance(name, str)]
        return [*(name for name in tables if (self.root / name).is_file() and name not in self.names), *self.names]

    def catalogue(self) -> Catalogue:
        found, config = self._found, self.config
        group = config.column("group")
        asked = group is not None and group in self._columns_of_labels.values()
        if asked and config.folds:
            raise DatasetError(f"{group!r} is a task, and the group that `folds` keep whole; leave out one of them")
        splits = found.splits(config.column("split"))
        first: dict[str, int] = {}
        return Catalogue(
            given=np.array([SPLITS.index(split) if split else UNDECIDED for split in splits], np.int8),
            groups=np.array(found.column(group)) if group else None,
            parted=asked,
            alike=np.array([first.setdefault(self._digests[name], row) for row, name in enumerate(self.names)]),
        )

    def write_labels(self, ids: Ids, lengths: Ids, writer: Writer) -> None:
        for name, labels in self._labels.items():
            writer.labels(name, labels[ids])

    @cached_property
    def _found(self) -> Recordings:
        config = self.config
        if config.table is not None:
            return from_table(self.root, config.table, config.file)
        named = {split: value for split in SPLITS if isinstance(value := getattr(config, split), str)}
        return from_names(self.root, named, config.pattern)

    @cached_property
    def _columns_of_labels(self) -> Mapping[str, str]:
        """The column that holds each task's labels."""
        config = self.config
        if config.tasks or config.labels == "none":
            return {column: column for column in config.tasks}
        usual = self._found.usual_label()
        column = config.label or (usual if usual not in (config.column("split"), config.column("group")) else None)
        return {} if column is None else {config.task: column}

    @cached_property
    def _names_of_labels(self) -> Mapping[str, NDArray[np.str_]]:
        """By task the class of each recording [N]."""
        found, config = self._found, self.config
        if self._columns_of_labels or config.labels == "none":
            return {task: np.array(found.column(column)) for task, column in self._columns_of_labels.items()}
        folders = found.folders()
        bare = [name for name, folder in zip(found.names, folders, strict=True) if folder is None]
        if bare and len(bare) < len(folders):
            raise DatasetError(
                listed(f"{self.root}: {len(folders) - len(bare):,} recordings lie in folders of classes, not so", bare)
                + "\n  move them, or say `labels: none` if this is a corpus without labels"
            )
        return {} if bare else {config.task: np.array(folders)}

    @cached_property
    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        if self.config.classes and self._names_of_labels:
            ((task, labels),) = self._names_of_labels.items()
            check_known(labels, self.config.classes)
            return {task: self.config.classes}
        return {task: class_names(labels) for task, labels in self._names_of_labels.items()}

    @cached_property
    def _labels(self) -> Mapping[str, Ids]:
        """By task indices into its classes [N]."""
        return {task: codes_among(self._classes[task], names) for task, names in self._names_of_labels.items()}


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"pattern: is no regular expression: {error}") from error
    if not groups:
        raise ValueError(f"pattern: {pattern} names nothing; write what it finds as in (?P<label>\\w+)_(?P<group>\\w+)")
