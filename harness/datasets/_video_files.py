"""Where one's own videos are: files, or folders of frames; and what folders and tables say of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.datasets._catalogue import NAMED, listed
from harness.datasets._dataset import DatasetError, SplitName
from harness.datasets._splits import SPELLINGS
from harness.datasets._tables import Table, read_table
from harness.datasets.images import ENDINGS
from harness.mistakes import suggestion

VIDEO_ENDINGS = frozenset({".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg"})


class Example(NamedTuple):
    """A video as it was found: its name inside the root, its frames there if it is a folder, and what is known."""

    name: str
    frames: tuple[str, ...]
    split: SplitName | None
    label: str | None
    group: str | None

    @property
    def files(self) -> tuple[str, ...]:
        return self.frames or (self.name,)


class Columns(NamedTuple):
    """The columns of a table, where the settings name them."""

    file: str | None
    label: str | None
    group: str | None
    split: str | None


def from_folders(root: Path, named: Mapping[SplitName, str | None]) -> list[Example]:
    """All videos; the folders that are named after a split, or that the settings name, say the split, and the first
    folder below these the class.

    Raises:
        DatasetError: there is none, or one lies beside the folders of splits.
    """
    videos = _videos(root)
    folders = _split_folders(root, named)
    found, strays = [], []
    for name, frames in videos.items():
        split = next((split for split, folder in folders.items() if name.startswith(f"{folder}/")), None)
        if folders and split is None:
            strays.append(str(root / name))
        inner = name if split is None else name[len(folders[split]) + 1 :]
        found.append(Example(name, frames, split, _first_folder(inner), None))
    if strays:
        raise DatasetError(
            listed(f"{root} has folders of splits ({', '.join(folders.values())}), and beside them videos", strays)
            + "\n  name the folders with `train`, `val` and `test`, or take these out"
        )
    empty = [str(root / folder) for split, folder in folders.items() if all(e.split != split for e in found)]
    if empty:
        raise DatasetError(listed("folders of splits without a video", empty) + "\n  fill them, or take them out")
    if folders and "train" not in folders:
        there = ", ".join(folders.values())
        raise DatasetError(f"{root}: there is {there}, but nothing to train on; name it with `train`, or mend `path`")
    return found


def from_table(root: Path, name: str, columns: Columns) -> list[Example]:
    """The videos that a table names. Where no column has labels, the first folder of a name is the class.

    Raises:
        DatasetError: names the lines whose video is not there, or stands in another line too.
    """
    if not (root / name).is_file():
        raise DatasetError(f"there is no {root / name}; `table` is the name of a file inside `path`")
    table = read_table(root / name)
    column = columns.file or table.usual("file")
    if column is None:
        raise DatasetError(
            f"{table.path}: which column names the files? Say so with `file`; {', '.join(table.columns)}"
        )
    usual = table.usual("label")
    label = columns.label or (usual if usual != columns.split else None)
    files = table.column(column)
    labels = table.column(label) if label else [None] * len(files)
    groups = table.column(columns.group) if columns.group else [None] * len(files)
    splits = _splits(table, columns.split) if columns.split else [None] * len(files)
    videos = _videos(root)
    rows: dict[str, int] = {}
    missing, twice, found = [], [], []
    for row, file in enumerate(files):
        video = os.path.normpath(file)
        if rows.setdefault(video, row) != row:
            twice.append(f"{table.where(row)}: {file} stands in {table.where(rows[video])} too")
        elif video not in videos:
            near = suggestion(video, videos) if not (root / video).exists() else "it is no video"
            missing.append(f"{table.where(row)}: {root / video}; {near}")
        else:
            found.append(Example(video, videos[video], splits[row], labels[row] or _first_folder(video), groups[row]))
    if missing:
        raise DatasetError(
            listed(f"{len(missing):,} of {len(files):,} videos of a table are not there", missing)
            + "\n  names in a table start at `path`; get these, or take their lines out"
        )
    if twice:
        raise DatasetError(listed("videos that stand in a table twice", twice))
    return found


def _videos(root: Path) -> dict[str, tuple[str, ...]]:
    """Files with a video's ending, and folders that hold pictures, with these; by name, sorted."""
    found: dict[str, tuple[str, ...]] = {}
    others: set[str] = set()
    for place, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = "" if place == str(root) else Path(place).relative_to(root).as_posix()
        kinds = {name: os.path.splitext(name)[1].lower() for name in files if not name.startswith(".")}  # noqa: PTH122
        for name in sorted(kinds):
            if kinds[name] in VIDEO_ENDINGS:
                found[f"{inside}/{name}".lstrip("/")] = ()
        frames = [name for name in sorted(kinds) if kinds[name] in ENDINGS]
        if frames and not inside:
            raise DatasetError(f"{root}: holds frames itself; `path` is the folder around the folders of frames")
        if frames:
            found[inside] = tuple(f"{inside}/{name}" for name in _in_order(root / inside, frames))
        if inside and not kinds and not folders:
            raise DatasetError(f"{root / inside}: is empty; put frames or videos there, or take it out")
        others |= {kind for kind in kinds.values() if kind}
    if not found:
        there = f"there are files that end with {' '.join(sorted(others)[:10])}" if others else "it is empty"
        raise DatasetError(
            f"{root}: holds neither videos ({' '.join(sorted(VIDEO_ENDINGS))}) nor folders of frames; {there}"
        )
    return dict(sorted(found.items()))


def _in_order(folder: Path, frames: Sequence[str]) -> list[str]:
    """Frames by their numbers, which are the digits that their names end with, and which must leave no gap.

    Raises:
        DatasetError: says which frames are missing.
    """
    numbers: dict[int, str] = {}
    for name in frames:
        stem = Path(name).stem
        digits = stem[len(stem.rstrip("0123456789")) :]
        if not digits:
            raise DatasetError(f"{folder / name}: no number at the end of its name says where the frame belongs")
        if numbers.setdefault(int(digits), name) != name:
            raise DatasetError(f"{folder / name}: has the number of {numbers[int(digits)]}; take one of them out")
    gaps = sorted(set(range(min(numbers), max(numbers))) - set(numbers))
    if gaps:
        more = f" and {len(gaps) - NAMED} more" if len(gaps) > NAMED else ""
        raise DatasetError(
            f"{folder}: frames {', '.join(map(str, gaps[:NAMED]))}{more} are missing between {min(numbers)} and "
            f"{max(numbers)}; get them, or number the frames that you have without gaps"
        )
    return [numbers[number] for number in sorted(numbers)]


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


def _first_folder(name: str) -> str | None:
    first, slash, _ = name.partition("/")
    return first if slash else None


def _splits(table: Table, column: str) -> list[SplitName | None]:
    names = [name.lower() for name in table.column(column)]
    wrong = [f"{table.where(row)}: {name!r}" for row, name in enumerate(names) if name not in SPELLINGS]
    if wrong:
        raise DatasetError(listed(f"no split ({', '.join(SPELLINGS)}) in the column {column!r}", wrong))
    return [SPELLINGS[name] for name in names]
