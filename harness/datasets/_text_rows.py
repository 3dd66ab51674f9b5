"""Rows of tables of texts: delimited, with or without quotes and a header; JSON lines; Parquet. All cells are text."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError, SplitName
from harness.datasets._encodings import Encoding, read_text
from harness.datasets._splits import column_of_splits
from harness.mistakes import suggestion

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
ENDINGS = (*SEPARATORS, *JSON_LINES, ".parquet")


class Layout(NamedTuple):
    """How a delimited file is to be read.

    Attributes:
        columns: names, of a file without a header.
        separator: between cells; by default what the ending says. With a blank, the last column is the rest of a line.
        quoted: whether cells may stand in double quotes; by default in .csv only.
        encoding: of all but Parquet.
    """

    columns: tuple[str, ...] = ()
    separator: str | None = None
    quoted: bool | None = None
    encoding: Encoding = "utf-8"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Cells by column, None where there is nothing, and where each row stands, for people."""

    path: Path
    columns: Mapping[str, Sequence[str | None]]
    places: Sequence[str]

    def column(self, name: str) -> list[str]:
        """A column without empty cells, blanks around them taken off.

        Raises:
            DatasetError: there is none, or the places whose cells are empty.
        """
        if name not in self.columns:
            raise DatasetError(
                f"{self.path}: has no column {name!r}; {suggestion(name, filter(None, self.columns))}; name it in the "
                "settings, or all with `columns` if the file has no header"
            )
        values = [(value or "").strip() for value in self.columns[name]]
        empty = [f"{self.path}, {place}" for place, value in zip(self.places, values, strict=True) if not value]
        if empty:
            raise DatasetError(listed(f"no {name!r} in", empty) + "\n  fill these cells, or take the rows out")
        return values

    def splits(self, name: str) -> list[SplitName]:
        """A column of splits.

        Raises:
            DatasetError: there is none, or the places whose cells say no split.
        """
        return column_of_splits(self.column(name), name, [f"{self.path}, {place}" for place in self.places])


def read_rows(path: Path, layout: Layout) -> Rows:
    """The rows of a table.

    Raises:
        DatasetError: it cannot be read, has no rows, or a row does not fit; file and line are told.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        rows = _parquet(path)
    elif ending in JSON_LINES:
        rows = _json_lines(path, layout)
    else:
        rows = _delimited(path, layout)
    if not rows.places:
        raise DatasetError(f"{path}: has no rows")
    return rows


def _delimited(path: Path, layout: Layout) -> Rows:
    separator = layout.separator or SEPARATORS.get(path.suffix.lower())
    if separator is None:
        raise DatasetError(
            f"{path}: what stands between its cells? Say `separator`, and `columns` if there is no header"
        )
    quoted = path.suffix.lower() == ".csv" if layout.quoted is None else layout.quoted
    text = read_text(path, layout.encoding)
    lines = _quoted(text, separator, path) if quoted else _plain(text, separator, len(layout.columns))
    names = layout.columns
    if not names:
        names = tuple(cell.strip() for cell in next(lines, (1, []))[1])
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DatasetError(
                f"{path}: two columns of its header are named {twice[0]!r}; is there a header at all? "
                "Name the columns of a file without one with `columns`"
            )
    cells: list[list[str | None]] = [[] for _ in names]
    places = []
    beyond = []
    for line, row in lines:
        if len(row) > len(names):
            beyond.append(f"{path}, line {line}: {len(row)}")
            continue
        places.append(f"line {line}")
        for column, cell in zip(cells, chain(row, [None] * (len(names) - len(row))), strict=True):
            column.append(cell)
    if beyond:
        raise DatasetError(
            listed(f"rows of more cells than the {len(names)} columns ({', '.join(names)})", beyond)
            + f"\n  mend them; or say another `separator` than {separator!r}, `quoted`, or more `columns`"
        )
    return Rows(path=path, columns=dict(zip(names, cells, strict=True)), places=places)


def _plain(text: str, separator: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Lines that are not blank, with their numbers, cut where the separator stands."""
    cuts = columns - 1 if separator == " " and columns else -1
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.split(separator, cuts)


def _quoted(text: str, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the numbers of the lines on which they begin."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may be a whole book
    begins = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DatasetError(
            f"{path}, line {begins}: {error}; quotes inside a cell are doubled, or say `quoted: false`"
        ) from error


def _json_lines(path: Path, layout: Layout) -> Rows:
    rows: list[Mapping[str, Any]] = []
    places = []
    for number, line in enumerate(read_text(path, layout.encoding).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise DatasetError(f"{path}, line {number}{column}: is not JSON: {what}") from error
        if not isinstance(row, dict):
            raise DatasetError(f"{path}, line {number}: is no JSON object, but {line.strip()[:40]!r}")
        rows.append(row)
        places.append(f"line {number}")
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [_cell(row.get(name)) for row in rows] for name in names}
    return Rows(path=path, columns=columns, places=places)


def _cell(value: Any) -> str | None:
    """A value of JSON as text; what is nested is nothing."""
    if value is None or isinstance(value, (dict, list)):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _parquet(path: Path) -> Rows:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DatasetError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}); get it again") from error
    columns = {name: frame[name].cast(pl.String).to_list() for name in frame.columns if _is_plain(frame[name].dtype)}
    return Rows(path=path, columns=columns, places=[f"row {row}" for row in range(len(frame))])


def _is_plain(dtype: Any) -> bool:
    import polars as pl

    return not dtype.is_nested() and dtype != pl.Binary


def numbers(rows: Rows, name: str) -> list[float]:
    """A column of finite numbers.

    Raises:
        DatasetError: the places whose cells are something else.
    """
    values, wrong = [], []
    for place, cell in zip(rows.places, rows.column(name), strict=True):
        try:
            values.append(float(cell))
        except ValueError:
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            wrong.append(f"{rows.path}, {place}: {cell!r}")
    if wrong:
        raise DatasetError(
            listed(f"{name!r} is no finite number in", wrong)
            + "\n  mend these; if they name classes, leave out `labels: scores`"
        )
    return values
