"""Pictures in folders: a folder a class, or a table that says what each file is; without labels, a corpus."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import Catalogue, listed
from harness.datasets._dataset import SPLITS, DatasetError, SplitName
from harness.datasets._decoding import Encoded
from harness.datasets._found_files import named_files, other_endings
from harness.datasets._own_examples import Ids, require_inside
from harness.datasets._pictures import PictureConfig, PictureImages
from harness.datasets._splits import SPELLINGS, UNDECIDED
from harness.datasets._tables import Table, read_table
from methods import Settings

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})


@dataclass(frozen=True, kw_only=True)
class ImagesConfig(PictureConfig):
    """Attributes:
    train, val, test: a folder of classes, or a table, inside `path`.
    table: one for all examples, inside `path`.
    images: the folder inside `path` from which tables name the files.
    file, label, group, split: columns of the tables; file and label have usual names. Where there is no label column,
        the first folder of a file's name is its class.
    """

    table: str | None = None
    images: str = ""
    file: str | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_inside(table=self.table, images=self.images)
        named = [
            s for s, value in (("train", self.train), ("val", self.val), ("test", self.test)) if isinstance(value, str)
        ]
        if self.table is not None and named:
            raise ValueError(f"table: it holds all examples, so {named[0]} has no file of its own; give one of them")
        if self.split is not None and self.table is None:
            raise ValueError("split: is a column of `table`, which is not given")


class Example(NamedTuple):
    """A picture as it was found: `name` inside the folder, and what is known of it."""

    name: str
    split: SplitName | None
    label: str | None
    group: str | None = None


class ImageFolder(PictureImages):
    """One's own: pictures in a folder a class, below train, val and test folders if there are such; or with a table.

    Pictures that lie in one folder, without a table, have no labels: a corpus to pretrain on.
    """

    name: ClassVar[str] = "images"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = ImagesConfig
    config: ImagesConfig

    @cached_property
    def _found(self) -> list[Example]:
        found = _examples(self.root, self.config)
        return sorted(found, key=lambda example: (example.name, example.split or ""))

    def catalogue(self) -> Catalogue:
        found = self._found
        given = [SPLITS.index(example.split) if example.split else UNDECIDED for example in found]
        labels = [example.label for example in found if example.label is not None]
        if self.config.labels == "none":
            labels = []
        if labels and len(labels) < len(found):
            bare = [example.name for example in found if example.label is None]
            raise DatasetError(
                listed(f"{self.root}: {len(labels):,} pictures lie in folders of classes, but these do not", bare)
                + "\n  move them, or say `labels: none` if this is a corpus without labels"
            )
        groups = np.array([example.group for example in found]) if self.config.group else None
        return Catalogue(
            given=np.array(given, np.int8),
            labels=np.array(labels) if labels else None,
            groups=groups,
            alike=_first_alike([self._digests[example.name] for example in found]),
        )

    def files(self) -> Sequence[str]:
        return [*_tables(self.root, self.config).values(), *(example.name for example in self._found)]

    def pictures(self, ids: Ids) -> Iterator[tuple[int, Encoded]]:
        for place, row in enumerate(ids.tolist()):
            yield place, self.root / self._found[row].name

    def where(self, row: int) -> str:
        return str(self.root / self._found[row].name)


def _first_alike(digests: Sequence[str]) -> NDArray[np.int64]:
    """For each example the first that is the same: [N]."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(digest, row) for row, digest in enumerate(digests)])


def _examples(root: Path, config: ImagesConfig) -> list[Example]:
    """Every picture with what files and tables say of it.

    Raises:
        DatasetError: there is none, or the tables do not agree with the files.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is a file; `path` is the folder of the pictures")
    tables = _tables(root, config)
    if config.table is not None:
        return _from_table(root, config, read_table(root / config.table), None)
    folders = _split_folders(root, config)
    found: list[Example] = []
    for split, name in tables.items():
        found += _from_table(root, config, read_table(root / name), split)
    for split, folder in folders.items():
        found += _from_folder(root, config, folder, split)
    if not tables and not folders:
        found = _from_folder(root, config, root, None)
    elif "train" not in {*tables, *folders}:
        others = ", ".join(str(folder) for folder in folders.values())
        raise DatasetError(f"{root}: there is {others}, but nothing to train on; name it with `train`, or mend `path`")
    return found


def _tables(root: Path, config: ImagesConfig) -> dict[SplitName | None, str]:
    """Names of the tables inside the root, by split; of one for all, under None."""
    named: dict[SplitName | None, str] = {} if config.table is None else {None: config.table}
    for split in SPLITS:
        value = getattr(config, split)
        if isinstance(value, str) and not (root / value).is_dir():
            named[split] = value
    missing = [str(root / name) for name in named.values() if not (root / name).is_file()]
    if missing:
        raise DatasetError(listed("there is no", missing))
    return named


def _split_folders(root: Path, config: ImagesConfig) -> dict[SplitName, Path]:
    """Folders that are named after a split, or that the settings name."""
    found: dict[SplitName, Path] = {}
    inner = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    for path in inner:
        split = SPELLINGS.get(path.name.lower())
        if split is not None and found.setdefault(split, path) != path:
            raise DatasetError(f"{found[split]} and {path} are both named after {split}; name one with `{split}`")
    named = {split: getattr(config, split) for split in SPLITS if isinstance(getattr(config, split), str)}
    if any(not (root / name).is_dir() for name in named.values()):
        return {split: root / name for split, name in named.items() if (root / name).is_dir()}
    taken = {root / name for name in named.values()}
    found = {split: path for split, path in found.items() if path not in taken and split not in named}
    found |= {split: root / name for split, name in named.items()}
    strays = [path for path in inner if found and path not in found.values() and not _holds(path, found.values())]
    strays = [path for path in strays if next(named_files(path, ENDINGS), None)]
    if strays and not named:
        raise DatasetError(
            listed(
                f"{root} has folders named after splits, and beside them pictures in", [str(path) for path in strays]
            )
            + "\n  name the folders with `train`, `val` and `test`, or take these out"
        )
    return found


def _holds(path: Path, others: object) -> bool:
    return any(path in Path(other).parents for other in others)  # type: ignore[attr-defined]


def _from_folder(root: Path, config: ImagesConfig, folder: Path, split: SplitName | None) -> list[Example]:
    """Classes are the folders in `folder`, at whatever depth below them the pictures lie."""
    found = []
    prefix = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
    for name in named_files(folder, ENDINGS):
        label, inner, _ = name.partition("/")
        found.append(Example(prefix + name, split, label if inner else None))
    if not found:
        raise DatasetError(f"{folder}: holds no pictures ({' '.join(sorted(ENDINGS))}); {other_endings(folder)}")
    full = {example.label for example in found}
    empty = [
        str(path)
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".") and path.name not in full
    ]
    if empty and full != {None} and config.labels == "given":
        raise DatasetError(listed("folders of classes without a picture", empty) + "\n  fill them, or take them out")
    return found


def _from_table(root: Path, config: ImagesConfig, table: Table, split: SplitName | None) -> list[Example]:
    """The rows of a table.

    Raises:
        DatasetError: names the lines that have no picture, or one that another line has too.
    """
    column = config.file or table.usual("file")
    if column is None:
        raise DatasetError(f"{table.path}: which column names the files? Say so with `file`; {_columns(table)}")
    files = table.column(column)
    label = config.label or table.usual("label")
    labels = table.column(label) if label and config.labels == "given" else None
    groups = table.column(config.group) if config.group else [None] * len(table)
    splits = table.splits(config.split) if config.split else [split] * len(table)
    rows: dict[str, int] = {}
    outside, missing, twice, found = [], [], [], []
    for row, file in enumerate(files):
        name = _inside(root, os.path.normpath(Path(config.images) / file))
        if name is None:
            outside.append(f"{table.where(row)}: {file}")
            continue
        if rows.setdefault(name, row) != row:
            twice.append(f"{table.where(row)}: {file} stands in {table.where(rows[name])} too")
        elif not (root / name).is_file():
            missing.append(f"{table.where(row)}: {root / name}")
        found.append(
            Example(name, splits[row], labels[row] if labels else _folder_of(name, config.images), groups[row])
        )
    if outside:
        raise DatasetError(
            listed(f"files outside {root}", outside)
            + "\n  `path` is a folder that holds all pictures; a table names them relative to it"
        )
    if missing:
        raise DatasetError(
            listed(f"{len(missing):,} of {len(files):,} files of a table are not there", missing)
            + "\n  `images` is the folder inside `path` from which a table names its files"
        )
    if twice:
        raise DatasetError(listed("files that stand in a table twice", twice))
    return found


def _inside(root: Path, name: str) -> str | None:
    """The name inside the root of a file that a table names, which may be absolute; None outside."""
    inner = os.path.relpath(name, root) if os.path.isabs(name) else name  # noqa: PTH117
    return None if inner.startswith("..") else Path(inner).as_posix()


def _folder_of(name: str, images: str) -> str | None:
    """The first folder of a name below the folder of the pictures."""
    parts = Path(name).parts[len(Path(images).parts) :]
    return parts[0] if len(parts) > 1 else None


def _columns(table: Table) -> str:
    return f"there is {', '.join(table.columns)}"
