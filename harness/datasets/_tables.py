"""Tables that say what the user's files are: CSV, TSV, JSON lines, Parquet, or a plain list of names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError, SplitName
from harness.datasets._splits import column_of_splits
from harness.mistakes import suggestion

#: What a column is called where the settings do not say.
USUAL = {
    "file": ("file", "file_name", "filename", "path", "file_path", "filepath", "image", "image_path"),
    "label": ("label", "class", "category", "target"),
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of text; None where a cell is empty.

    Attributes:
        first: line of the first row in the file; 0 where rows are not lines.
    """

    path: Path
    columns: dict[str, list[str | None]]
    first: int

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def where(self, row: int) -> str:
        return f"{self.path}, line {row + self.first}" if self.first else f"{self.path}, row {row}"

    def column(self, name: str) -> list[str]:
        """A column without empty cells.

        Raises:
            DatasetError: there is none, or the lines whose cells are empty.
        """
        if name not in self.columns:
            raise DatasetError(f"{self.path}: has no column {name!r}; {suggestion(name, self.columns)}")
        values = [(value or "").strip() for value in self.columns[name]]
        empty = [self.where(row) for row, value in enumerate(values) if not value]
        if empty:
            raise DatasetError(listed(f"no {name!r} in", empty) + "\n  fill these cells, or take the rows out")
        return values

    def splits(self, name: str) -> list[SplitName]:
        """A column of splits.

        Raises:
            DatasetError: there is none, or the lines whose cells say no split.
        """
        return column_of_splits(self.column(name), name, [self.where(row) for row in range(len(self))])

    def usual(self, what: str) -> str | None:
        """The column that is named as columns for this are."""
        by_name = {name.lower(): name for name in reversed(self.columns)}
        return next((by_name[name] for name in USUAL[what] if name in by_name), None)


def read_table(path: Path) -> Table:
    """A table by the ending of its name. Anything else than .csv, .tsv, .jsonl, .ndjson and .parquet is a list: a file
    a line, and after a blank its label; the columns are then "file" and "label".

    Raises:
        DatasetError: it cannot be read, or has no rows.
    """
    import polars as pl

    kind = path.suffix.lower()
    try:
        if kind in (".csv", ".tsv"):
            separator = "," if kind == ".csv" else "\t"
            frame = pl.read_csv(path, separator=separator, infer_schema=False)
        elif kind in (".jsonl", ".ndjson"):
            frame = pl.read_ndjson(path, infer_schema_length=None)
        elif kind == ".parquet":
            frame = pl.read_parquet(path)
        else:
            return _list(path)
        columns = {name: _text(frame[name]) for name in frame.columns}
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise DatasetError(f"{path}: cannot be read as a table: {str(error).splitlines()[0]}") from error
    if not len(frame):
        raise DatasetError(f"{path}: has no rows")
    return Table(path=path, columns=columns, first={".csv": 2, ".tsv": 2, ".parquet": 0}.get(kind, 1))


def _text(series: object) -> list[str | None]:
    import polars as pl

    assert isinstance(series, pl.Series)
    return series.cast(pl.String).to_list() if not series.dtype.is_nested() else [None] * len(series)


def _list(path: Path) -> Table:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    words: Sequence[list[str]] = [line.split() for line in lines]
    if not words:
        raise DatasetError(f"{path}: has no rows")
    width = len(words[0])
    odd = [f"{path}, line {row + 1}: {line!r}" for row, line in enumerate(lines) if len(words[row]) != width]
    if odd or width not in (1, 2):
        shown = odd or [f"{path}, line 1: {lines[0]!r}"]
        raise DatasetError(
            listed("a list has a file a line, and after a blank its label, on every line alike; not so", shown)
            + "\n  for names with blanks, or more columns, write a .csv with a head"
        )
    return Table(
        path=path,
        columns={name: [row[k] for row in words] for k, name in enumerate(("file", "label")[:width])},
        first=1,
    )
