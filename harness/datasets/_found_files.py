"""Which of the user's files are examples: those with certain endings, in folders of splits, in a table."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError, SplitName
from harness.datasets._splits import SPELLINGS
from harness.datasets._tables import Table, read_table
from harness.mistakes import suggestion


def named_files(folder: Path, endings: Collection[str]) -> Iterator[str]:
    """Names in the folder, at any depth, with one of these endings; what is hidden is left out, links are followed,
    once. Text, not Path: there may be a million."""
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        prefix = place[len(str(folder)) + 1 :] + "/" if len(place) > len(str(folder)) else ""
        status = os.stat(place)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in endings:  # noqa: PTH122
                yield _readable(folder, prefix + name)


def _readable(folder: Path, name: str) -> str:
    if not name.isprintable() and any("\udc80" <= letter <= "\udcff" for letter in name):
        raise DatasetError(f"{folder}: the name of file {name!a} is not UTF-8; give it another")
    return name


def other_endings(folder: Path) -> str:
    """What there is where nothing usable was found, for a message."""
    others = sorted({path.suffix or path.name for path in folder.rglob("*") if path.is_file()})
    return f"there are files that end with {' '.join(others[:10])}" if others else "it is empty"


def first_folder(name: str) -> str | None:
    first, slash, _ = name.partition("/")
    return first if slash else None


class Placed(NamedTuple):
    """Where folders put an example: the split that they say, and its name inside the folder of that split."""

    split: SplitName | None
    inner: str


def in_folders(root: Path, names: Sequence[str], named: Mapping[SplitName, str | None], what: str) -> list[Placed]:
    """The split of each of these names [N]: of folders that are called like splits, or that the settings name.

    Args:
        what: an example, for messages: "video".

    Raises:
        DatasetError: one lies beside the folders of splits, such a folder has none, or there is none to train on.
    """
    folders = _split_folders(root, named)
    found, strays = [], []
    for name in names:
        split = next((split for split, folder in folders.items() if name.startswith(f"{folder}/")), None)
        if folders and split is None:
            strays.append(str(root / name))
        found.append(Placed(split, name if split is None else name[len(folders[split]) + 1 :]))
    if strays:
        raise DatasetError(
            listed(f"{root} has folders of splits ({', '.join(folders.values())}), and beside them {what}s", strays)
            + "\n  name the folders with `train`, `val` and `test`, or take these out"
        )
    there = {place.split for place in found}
    empty = [str(root / folder) for split, folder in folders.items() if split not in there]
    if empty:
        raise DatasetError(listed(f"folders of splits without a {what}", empty) + "\n  fill them, or take them out")
    if folders and "train" not in folders:
        others = ", ".join(folders.values())
        raise DatasetError(f"{root}: there is {others}, but nothing to train on; name it with `train`, or mend `path`")
    return found


def _split_folders(root: Path, named: Mapping[SplitName, str | None]) -> dict[SplitName, str]:
    """Names of folders by split: those that the settings name, or that are called like splits."""
    found = {split: name.strip("/") for split, name in named.items() if name is not None}
    for split, folder in found.items():
        if not (root / folder).is_dir():
            raise DatasetError(f"`{split}`: there is no folder {root / folder}")
    for path in sorted(root.iterdir()):
        known = SPELLINGS.get(path.name.lower())
        if path.is_dir() and known is not None and not found.get(known) and path.name not in found.values():
            found[known] = path.name
    return found


def opened_table(root: Path, name: str) -> Table:
    """Raises:
    DatasetError: there is none, or it cannot be read.
    """
    if not (root / name).is_file():
        raise DatasetError(f"there is no {root / name}; `table` is the name of a file inside `path`")
    return read_table(root / name)


def rows_of_table(root: Path, table: Table, column: str | None, there: Collection[str], what: str) -> list[str]:
    """The names in a table's column of files, or of that which is called like one; each is among `there`.

    Raises:
        DatasetError: names the lines whose file is not there, or stands in another line too.
    """
    column = column or table.usual("file")
    if column is None:
        raise DatasetError(
            f"{table.path}: which column names the files? Say so with `file`; {', '.join(table.columns)}"
        )
    files = table.column(column)
    rows: dict[str, int] = {}
    missing, twice, found = [], [], []
    for row, file in enumerate(files):
        name = os.path.normpath(file)
        if rows.setdefault(name, row) != row:
            twice.append(f"{table.where(row)}: {file} stands in {table.where(rows[name])} too")
        elif name not in there:
            near = suggestion(name, there) if not (root / name).exists() else f"it is no {what}"
            missing.append(f"{table.where(row)}: {root / name}; {near}")
        found.append(name)
    if missing:
        raise DatasetError(
            listed(f"{len(missing):,} of {len(files):,} {what}s of a table are not there", missing)
            + "\n  names in a table start at `path`; get these, or take their lines out"
        )
    if twice:
        raise DatasetError(listed(f"{what}s that stand in a table twice", twice))
    return found


def _raise(error: OSError) -> None:
    raise error
