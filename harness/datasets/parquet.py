"""Pictures in Parquet files, as Hugging Face's `datasets` writes them: encoded bytes in one column, labels beside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import Catalogue, listed
from harness.datasets._dataset import SPLITS, DatasetError, SplitName
from harness.datasets._decoding import Encoded
from harness.datasets._own_examples import Ids
from harness.datasets._pictures import LOOKED_AT, PictureConfig, PictureImages
from harness.datasets._splits import SPELLINGS, UNDECIDED, named_split
from harness.mistakes import suggestion
from methods import Settings

if TYPE_CHECKING:
    import polars as pl

#: Rows whose pictures are in memory at a time.
ROWS = 2048


@dataclass(frozen=True, kw_only=True)
class ParquetConfig(PictureConfig):
    """Attributes:
    train, val, test: patterns of file names, where these do not tell the split.
    image: the column of pictures: bytes, or a struct with a field `bytes`.
    label: the column of labels: whole numbers or text.
    group, split: columns with groups and with the names of splits.
    """

    image: str = "image"
    label: str = "label"
    group: str | None = None
    split: str | None = None


class Parquet(PictureImages):
    """One's own: a Parquet file, or a folder of them, with pictures as bytes in one column and their labels in another.

    A file's name tells its split: "train-00000-of-00002.parquet". Names of classes are taken from Hugging Face's
    metadata where there are some.
    """

    name: ClassVar[str] = "parquet"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = ParquetConfig
    config: ParquetConfig

    @cached_property
    def _shards(self) -> dict[str, Path]:
        root = self.root
        if root.is_file():
            return {root.name: root}
        files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.parquet")) if path.is_file()}
        if not files:
            raise DatasetError(f"{root}: there is no .parquet file")
        return files

    @cached_property
    def _tables(self) -> dict[str, pl.DataFrame]:
        """All but the pictures, by shard."""
        return {name: self._read(path) for name, path in self._shards.items()}

    def catalogue(self) -> Catalogue:
        patterns = {split: getattr(self.config, split) for split in SPLITS}
        for split, pattern in patterns.items():
            if isinstance(pattern, str) and not any(fnmatchcase(name, pattern) for name in self._shards):
                there = ", ".join(self._shards)
                raise DatasetError(f"{self.root}: `{split}: {pattern}` names no file; there is {there}")
        given: list[NDArray[np.int8]] = []
        for name, table in self._tables.items():
            if self.config.split:
                given.append(_split_codes(table[self.config.split], self._shards[name]))
            else:
                told = _split_of(name, patterns)
                given.append(np.full(len(table), SPLITS.index(told) if told else UNDECIDED, np.int8))
        codes = np.concatenate(given)
        if not len(codes):
            raise DatasetError(f"{self.root}: has no rows")
        undecided = [
            str(self._shards[name]) for name, part in zip(self._tables, given, strict=True) if UNDECIDED in part
        ]
        if undecided and len(undecided) < len(given):
            raise DatasetError(
                listed(f"{self.root}: names of some files tell their split, but not of these", undecided)
                + "\n  name them with `train`, `val` and `test`"
            )
        if not undecided and SPLITS.index("train") not in codes:
            raise DatasetError(f"{self.root}: nothing to train on; name it with `train`, or mend `path`")
        named = self._names if self.config.labels == "given" else []
        labels = self._labelled(named) if self.config.labels == "given" else None
        return Catalogue(
            given=codes,
            labels=labels,
            classes=tuple(named),
            groups=self._column(self.config.group) if self.config.group else None,
        )

    def files(self) -> Sequence[str]:
        return list(self._shards)

    def pictures(self, ids: Ids) -> Iterator[tuple[int, Encoded]]:
        start = 0
        for name, table in self._tables.items():
            for offset in range(0, len(table), ROWS):
                places = np.flatnonzero((ids >= start + offset) & (ids < start + min(offset + ROWS, len(table))))
                if len(places):
                    last = int(ids[places].max()) - start
                    cells = self._cells(self._shards[name], offset, last + 1 - offset)
                    for place in places.tolist():
                        yield place, cells[int(ids[place]) - start - offset] or b""
            start += len(table)

    def sample(self) -> Ids:
        # The first ones: to look at rows here and there is to read all that lies between.
        return np.arange(min(len(self._catalogue), LOOKED_AT))

    def where(self, row: int) -> str:
        for name, table in self._tables.items():
            if row < len(table):
                return f"{self._shards[name]}, row {row}"
            row -= len(table)
        raise IndexError(row)

    def _read(self, path: Path) -> pl.DataFrame:
        """Raises:
        DatasetError: it is damaged, or has no such columns.
        """
        import polars as pl

        wanted = [self.config.label] if self.config.labels == "given" else []
        wanted += [column for column in (self.config.group, self.config.split) if column]
        try:
            schema = pl.read_parquet_schema(path)
            for column in (self.config.image, *wanted):
                if column not in schema:
                    hint = suggestion(column, schema)
                    raise DatasetError(f"{path}: has no column {column!r}; {hint}; name it in the settings")
            kind = schema[self.config.image]
            inner = (
                {field.name: field.dtype for field in kind.fields} if isinstance(kind, pl.Struct) else {"bytes": kind}
            )
            if inner.get("bytes") != pl.Binary:
                raise DatasetError(f"{path}: the column {self.config.image!r} is {kind}; it must hold encoded pictures")
            columns: list[Any] = [*wanted] or [pl.int_range(pl.len()).alias("row")]
            return pl.scan_parquet(path).select(columns).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DatasetError(f"{path}: cannot be read as Parquet ({_first_line(error)}); get it again") from error

    def _cells(self, path: Path, offset: int, count: int) -> list[bytes | None]:
        import polars as pl

        column = pl.col(self.config.image)
        try:
            cells = pl.scan_parquet(path).select(column).slice(offset, count).collect().to_series()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DatasetError(f"{path}: cannot be read to its end ({_first_line(error)}); get it again") from error
        found: list[bytes | None] = (cells.struct.field("bytes") if cells.dtype == pl.Struct else cells).to_list()
        return found

    @cached_property
    def _names(self) -> list[str]:
        return _huggingface_names(next(iter(self._shards.values())), self.config.label)

    def _labelled(self, names: list[str]) -> NDArray[np.str_]:
        labels = self._column(self.config.label)
        if not names:
            return labels
        codes = [int(label) if label.isdecimal() else -1 for label in labels.tolist()]
        wrong = [
            f"{self.where(row)}: {str(labels[row])!r}" for row, code in enumerate(codes) if not 0 <= code < len(names)
        ]
        if wrong:
            raise DatasetError(listed(f"labels beyond the {len(names)} classes of the metadata", wrong))
        return np.array(names)[codes]

    def _column(self, name: str) -> NDArray[np.str_]:
        """A column of all shards as text, without empty cells."""
        import polars as pl

        whole: list[str | None] = []
        for shard, table in self._tables.items():
            if table[name].dtype.is_float() or table[name].dtype.is_nested():
                raise DatasetError(f"{self._shards[shard]}: the column {name!r} is {table[name].dtype}, no names")
            whole += table[name].cast(pl.String).to_list()
        empty = [self.where(row) for row, value in enumerate(whole) if value is None or not value.strip()]
        if empty:
            raise DatasetError(listed(f"no {name!r} in", empty) + "\n  fill these cells, or take the rows out")
        return np.array(whole)


def _split_of(name: str, patterns: Mapping[SplitName, Any]) -> SplitName | None:
    for split, pattern in patterns.items():
        if isinstance(pattern, str) and fnmatchcase(name, pattern):
            return split
    return named_split(name)


def _split_codes(column: pl.Series, path: Path) -> NDArray[np.int8]:
    names = [str(name).lower() for name in column.to_list()]
    wrong = [f"{path}, row {row}: {name!r}" for row, name in enumerate(names) if name not in SPELLINGS]
    if wrong:
        raise DatasetError(listed(f"no split ({', '.join(SPELLINGS)}) in the column {column.name!r}", wrong))
    return np.array([SPLITS.index(SPELLINGS[name]) for name in names], np.int8)


def _huggingface_names(path: Path, column: str) -> list[str]:
    """Names of the classes, from the metadata that `datasets` writes; none where there is no such."""
    import polars as pl

    try:
        features = json.loads(pl.read_parquet_metadata(path)["huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, ValueError, TypeError):
        return []


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
