"""Where one's own videos are: files, or folders of frames; and what folders and tables say of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.datasets._catalogue import NAMED
from harness.datasets._dataset import DatasetError, SplitName
from harness.datasets._found_files import first_folder, in_folders, opened_table, rows_of_table
from harness.datasets.images import ENDINGS

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
    placed = in_folders(root, list(videos), named, "video")
    return [
        Example(name, frames, split, first_folder(inner), None)
        for (name, frames), (split, inner) in zip(videos.items(), placed, strict=True)
    ]


def from_table(root: Path, name: str, columns: Columns) -> list[Example]:
    """The videos that a table names. Where no column has labels, the first folder of a name is the class.

    Raises:
        DatasetError: names the lines whose video is not there, or stands in another line too.
    """
    table = opened_table(root, name)
    videos = _videos(root)
    names = rows_of_table(root, table, columns.file, videos, "video")
    nothing = [None] * len(names)
    usual = table.usual("label")
    label = columns.label or (usual if usual != columns.split else None)
    return [
        Example(video, videos[video], split, label or first_folder(video), group)
        for video, split, label, group in zip(
            names,
            table.splits(columns.split) if columns.split else nothing,
            table.column(label) if label else nothing,
            table.column(columns.group) if columns.group else nothing,
            strict=True,
        )
    ]


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
