"""Which files of a folder hold texts, and of which split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError, SplitName
from harness.datasets._splits import named_split


def text_files(
    root: Path, endings: Sequence[str], patterns: Mapping[SplitName, Any]
) -> dict[str, tuple[Path, SplitName | None]]:
    """Files by their names inside `root`, each with its split, or None where it is for the settings to divide.

    Where `patterns` name files (* and ? stand for any), these are all that counts; they may end as they like. Else it
    is every file with one of `endings`, at any depth, and the split is in its name.

    Raises:
        DatasetError: there is none, or not all tell their split.
    """
    if root.is_file():
        return {root.name: (root, None)}
    there = {
        path.relative_to(root).as_posix(): path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    named = {split: pattern for split, pattern in patterns.items() if isinstance(pattern, str)}
    if named:
        return _named(root, there, named)
    mine = {name: path for name, path in there.items() if path.suffix.lower() in endings}
    if not mine:
        raise DatasetError(listed(f"{root}: no {', '.join(endings)}; there is", list(there) or ["nothing"]))
    found = {name: (path, named_split(path.name)) for name, path in mine.items()}
    untold = [str(path) for path, split in found.values() if split is None]
    if untold and len(untold) < len(found):
        raise DatasetError(
            listed(f"{root}: names of some files tell their split, but not of these", untold)
            + "\n  name them with `train`, `val` and `test`"
        )
    return _trainable(root, found)


def _named(
    root: Path, there: Mapping[str, Path], named: Mapping[SplitName, str]
) -> dict[str, tuple[Path, SplitName | None]]:
    found: dict[str, tuple[Path, SplitName | None]] = {}
    for split, pattern in named.items():
        mine = [name for name in there if fnmatchcase(name, pattern)]
        if not mine:
            raise DatasetError(listed(f"{root}: `{split}: {pattern}` names no file; there is", list(there) or ["none"]))
        for name in mine:
            other = found.setdefault(name, (there[name], split))[1]
            if other != split:
                raise DatasetError(f"{there[name]}: is named by `{other}` and by `{split}`; give it to one of them")
    return _trainable(root, found)


def _trainable(root: Path, found: dict[str, tuple[Path, SplitName | None]]) -> dict[str, tuple[Path, SplitName | None]]:
    if not {"train", None} & {split for _, split in found.values()}:
        there = ", ".join(f"{name} ({split})" for name, (_, split) in found.items())
        raise DatasetError(f"{root}: nothing to train on; name it with `train`, or mend `path`; there is {there}")
    return dict(sorted(found.items()))
