"""Where one's own recordings are, and what folders, file names and tables say of each."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.datasets._audio_decoding import ENDINGS
from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError, SplitName
from harness.datasets._found_files import (
    Placed,
    first_folder,
    in_folders,
    named_files,
    opened_table,
    other_endings,
    rows_of_table,
)
from harness.datasets._splits import column_of_splits
from harness.datasets._tables import USUAL, read_table
from harness.mistakes import suggestion

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """Recordings as they were found, sorted by name.

    Attributes:
        names: inside the root [N].
        placed: where the folders of splits, or lists and patterns, put each [N].
        columns: what a table or the names themselves say, [N] each.
        places: where that stands, for people [N].
    """

    root: Path
    names: Sequence[str]
    placed: Sequence[Placed]
    columns: Mapping[str, Sequence[str | None]]
    places: Sequence[str]

    def column(self, name: str) -> list[str]:
        """Raises:
        DatasetError: there is no such column, or it does not say something of each recording.
        """
        if name not in self.columns:
            there = suggestion(name, self.columns) if self.columns else "there is neither `table` nor `pattern`"
            raise DatasetError(f"{self.root}: nothing says {name!r} of a recording; {there}")
        values = [(value or "").strip() for value in self.columns[name]]
        empty = [place for place, value in zip(self.places, values, strict=True) if not value]
        if empty:
            raise DatasetError(listed(f"no {name!r} in", empty) + "\n  fill it in, or take these out")
        return values

    def usual_label(self) -> str | None:
        """The column that is named as columns of labels are."""
        by_name = {name.lower(): name for name in reversed([*self.columns])}
        return next((by_name[name] for name in USUAL["label"] if name in by_name), None)

    def folders(self) -> list[str | None]:
        """The first folder of each, below that of its split [N]."""
        return [first_folder(place.inner) for place in self.placed]

    def splits(self, column: str | None) -> list[SplitName | None]:
        """As a column says, or folders, lists and patterns [N]; None where nothing does."""
        if column is not None:
            return [*column_of_splits(self.column(column), column, self.places)]
        return [place.split for place in self.placed]


def from_names(root: Path, named: Mapping[SplitName, str], pattern: str | None) -> Recordings:
    """All recordings below the root.

    Args:
        named: by split a folder, a list of names in a file, or a pattern in which * and ? stand for any.
        pattern: a regular expression for a whole name without its ending, whose named groups are columns.

    Raises:
        DatasetError: there is none, their splits do not make sense, or `pattern` does not fit all.
    """
    names = all_recordings(root)
    placed = placed_by(root, names, named)
    names = sorted(placed)
    columns: dict[str, list[str | None]] = {}
    if pattern is not None:
        matches = [re.fullmatch(pattern, os.path.splitext(name)[0]) for name in names]  # noqa: PTH122
        odd = [str(root / name) for name, match in zip(names, matches, strict=True) if match is None]
        if odd:
            raise DatasetError(
                listed(f"`pattern` does not fit the names of {len(odd):,} of {len(names):,} recordings", odd)
                + f"\n  it is to fit a whole name inside `path`, without its ending: {pattern}"
            )
        columns = {column: [match[column] for match in matches if match] for column in re.compile(pattern).groupindex}
    places = [str(root / name) for name in names]
    return Recordings(root=root, names=names, placed=[placed[n] for n in names], columns=columns, places=places)


def from_table(root: Path, name: str, file: str | None) -> Recordings:
    """The recordings that a table names.

    Raises:
        DatasetError: names the lines whose file is not there, or stands in another line too.
    """
    table = opened_table(root, name)
    names = rows_of_table(root, table, file, set(all_recordings(root)), "recording")
    order = sorted(range(len(names)), key=names.__getitem__)
    return Recordings(
        root=root,
        names=[names[row] for row in order],
        placed=[Placed(None, names[row]) for row in order],
        columns={column: [values[row] for row in order] for column, values in table.columns.items()},
        places=[table.where(row) for row in order],
    )


def all_recordings(root: Path) -> list[str]:
    """Raises:
    DatasetError: there is none.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is a file; `path` is the folder of the recordings")
    names = list(named_files(root, ENDINGS))
    if not names:
        raise DatasetError(f"{root}: holds no recordings ({' '.join(sorted(ENDINGS))}); {other_endings(root)}")
    return names


def placed_by(root: Path, names: Sequence[str], named: Mapping[SplitName, str]) -> dict[str, Placed]:
    """The recordings that count, each with its split.

    Where the settings name folders only, or nothing, folders say it. Else what no list and no pattern names is for
    train; where train is named too, it is left out.

    Raises:
        DatasetError: a list or a pattern names nothing, or what another one names too.
    """
    if all((root / value).is_dir() for value in named.values()):
        return dict(zip(names, in_folders(root, names, {**named}, "recording"), strict=True))
    found: dict[str, Placed] = {}
    for split, value in named.items():
        for name in _chosen(root, names, split, value):
            other = found.setdefault(name, Placed(split, name)).split
            if other != split:
                raise DatasetError(f"{root / name}: is named by `{other}` and by `{split}`; give it to one of them")
    rest = [name for name in names if name not in found]
    if "train" not in named:
        found |= {name: Placed(None, name) for name in rest}
    elif rest:
        _log.info("%s: %d of %d recordings belong to no split, and are left out", root, len(rest), len(names))
    return found


def _chosen(root: Path, names: Sequence[str], split: SplitName, value: str) -> list[str]:
    if (root / value).is_dir():
        chosen = [name for name in names if name.startswith(f"{value.strip('/')}/")]
    elif (root / value).is_file() and value not in names:
        return _of_list(root, names, value)
    else:
        chosen = [name for name in names if fnmatchcase(name, value)]
    if not chosen:
        raise DatasetError(listed(f"{root}: `{split}: {value}` names no recording; there is", names))
    return chosen


def _of_list(root: Path, names: Sequence[str], value: str) -> list[str]:
    """Those that a list names: in full, without ending, or by the last part of the name alone, as LibriSpeech's are."""
    known: dict[str, str | None] = {}
    for called in (lambda name: Path(name).stem, lambda name: os.path.splitext(name)[0], str):  # noqa: PTH122
        counts = Counter(map(called, names))
        known |= {called(name): name if counts[called(name)] == 1 else None for name in names}
    table = read_table(root / value)
    said = table.column(table.usual("file") or next(iter(table.columns)))
    missing = [
        f"{table.where(row)}: {name}; " + (suggestion(name, known) if name not in known else "several are called so")
        for row, name in enumerate(said)
        if known.get(name) is None
    ]
    if missing:
        raise DatasetError(
            listed(f"{len(missing):,} of {len(said):,} recordings of a list are not there", missing)
            + "\n  names in a list start at `path`; get these, or take their lines out"
        )
    return [found for name in said if (found := known[name]) is not None]
