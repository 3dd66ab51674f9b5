"""What a dataset writes: columns as .npy files, checked as they come."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import Dataset, DatasetError, SplitName

Role = Literal["inputs", "offsets", "groups", "labels"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


class ColumnFile(NamedTuple):
    """One file of a materialised dataset, as meta.json describes it.

    Attributes:
        role: inputs, or the offsets of a ragged input, or groups, or labels.
        shape, dtype: of the array; for a ragged input those of all rows end to end.
        size: bytes of the file.
        digest: sha256 over dtype, shape and values.
    """

    split: SplitName
    role: Role
    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    digest: str

    @property
    def path(self) -> str:
        """Relative to the dataset's folder. Labels lie apart from everything that a method may read."""
        return f"{self.role}/{self.split}/{self.name}.npy"


class FolderWriter:
    """Writes one split of a dataset into a folder. Implements `Writer`."""

    def __init__(self, dataset: Dataset, split: SplitName, folder: Path) -> None:
        self.files: list[ColumnFile] = []
        self._dataset = dataset
        self._split: SplitName = split
        self._folder = folder
        self._size: int | None = None

    def dense(self, name: str, values: NDArray[Any]) -> None:
        self._check_rows(f"column {name!r}", len(values))
        self._save("inputs", name, values)

    def ragged(self, name: str, rows: Sequence[NDArray[Any]]) -> None:
        self._check_rows(f"column {name!r}", len(rows))
        if len({(row.dtype, row.shape[1:]) for row in rows}) > 1:
            raise self._error(f"column {name!r}", "its rows differ in dtype or in more than their first axis")
        self._save("inputs", name, np.concatenate(rows) if rows else np.empty(0, np.uint8))
        self._save("offsets", name, np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64))

    def groups(self, values: NDArray[np.int64]) -> None:
        self._check_rows("groups", len(values))
        if values.dtype != np.int64 or values.ndim != 1:
            raise self._error("groups", f"must be int64 [N], not {values.dtype} {list(values.shape)}")
        self._save("groups", "groups", values)

    def labels(self, task: str, values: NDArray[Any]) -> None:
        where = f"labels of task {task!r}"
        if task not in self._dataset.tasks:
            raise self._error(where, f"there is no such task; there are {sorted(self._dataset.tasks)}")
        if self._dataset.tasks[task].kind == "class":
            self._check_rows(where, len(values))
            if values.dtype != np.int64 or values.ndim != 1:
                raise self._error(where, f"must be int64 [N], not {values.dtype} {list(values.shape)}")
            classes = len(self._dataset.tasks[task].classes)
            if len(values) and not (values.min() >= 0 and values.max() < classes):
                raise self._error(where, f"lie in {values.min()}..{values.max()}, but there are {classes} classes")
        self._save("labels", task, values)

    def finish(self) -> None:
        """Check what can only be seen once the split is whole.

        Raises:
            DatasetError: something is missing, or does not agree with the dataset's `spec`.
        """
        spec = self._dataset.spec
        if not any(file.role == "inputs" for file in self.files):
            raise self._error("inputs", "none was written")
        if self._split == "train" and self._size != spec.size:
            raise self._error("inputs", f"has {self._size} examples, but its spec says {spec.size}")
        if spec.groups != any(file.role == "groups" for file in self.files):
            raise self._error("groups", f"the spec says groups={spec.groups}, which is not what was written")
        missing = set(self._dataset.tasks) - {file.name for file in self.files if file.role == "labels"}
        if missing:
            raise self._error("labels", f"none were written for {sorted(missing)}")
        self._check_main_column()

    def _check_main_column(self) -> None:
        """The column that `methods.Source` promises for this modality."""
        spec = self._dataset.spec
        inputs = {file.name: file for file in self.files if file.role == "inputs"}
        ragged = {file.name for file in self.files if file.role == "offsets"}
        if spec.modality == "image":
            wanted = ("|u1", spec.shape)
            image = inputs.get("image")
            if image is None or "image" in ragged or (image.dtype, image.shape[1:]) != wanted:
                found = "is missing" if image is None else f"is {image.dtype} {list(image.shape)}"
                raise self._error("column 'image'", f"{found}, but must be dense |u1 [N, *{list(spec.shape)}]")
        if spec.modality == "text" and ("text" not in ragged or inputs["text"].dtype != "|u1"):
            raise self._error("column 'text'", "is missing, or not ragged UTF-8 bytes (uint8)")

    def _check_rows(self, what: str, rows: int) -> None:
        if self._size is None:
            self._size = rows
        if rows != self._size:
            raise self._error(what, f"{rows} rows, where the column before has {self._size}")

    def _save(self, role: Role, name: str, values: NDArray[Any]) -> None:
        where = f"{role} {name!r}"
        if not _NAME.fullmatch(name):
            raise self._error(where, "the name must consist of letters, digits, _ and -")
        if any((file.role, file.name) == (role, name) for file in self.files):
            raise self._error(where, "was written twice")
        if values.dtype.kind not in "biuf":
            raise self._error(where, f"dtype {values.dtype} is not a plain number")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise self._error(where, f"row {row} holds a value that is not finite")
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        draft = ColumnFile(self._split, role, name, values.shape, values.dtype.str, 0, digest_of(values))
        try:
            size = _save_array(self._folder / draft.path, values)
        except OSError as error:
            raise unwritable(self._dataset, self._folder.parent, error) from error
        self.files.append(draft._replace(size=size))

    def _error(self, where: str, what: str) -> DatasetError:
        return DatasetError(f"dataset {self._dataset.name!r}, split {self._split!r}, {where}: {what}")


def write_all(dataset: Dataset, folder: Path) -> list[ColumnFile]:
    """Every split of a dataset, in a stable order of files.

    Raises:
        DatasetError: names the dataset, the split and the column that break the contract.
    """
    files: list[ColumnFile] = []
    layouts: dict[SplitName, Mapping[tuple[str, str], tuple[Any, ...]]] = {}
    for split in dataset.splits:
        writer = FolderWriter(dataset, split, folder)
        try:
            dataset.write(split, writer)
        except OSError as error:
            raise DatasetError(f"dataset {dataset.name!r}, split {split!r}: cannot be read: {error}") from error
        writer.finish()
        files += writer.files
        layouts[split] = {
            (file.role, file.name): (file.dtype, file.shape[1:]) for file in writer.files if file.role != "labels"
        }
        if layouts[split] != layouts["train"]:
            raise DatasetError(
                f"dataset {dataset.name!r}, split {split!r}: its columns {dict(layouts[split])} differ from those of "
                f"train, {dict(layouts['train'])}"
            )
    return sorted(files, key=lambda file: file.path)


def _save_array(path: Path, values: NDArray[Any]) -> int:
    """Write and sync one .npy file; returns its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(values))
        # Not numpy's own tofile: on a full disk its OSError has no errno.
        file.write(_raw(values))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def unwritable(dataset: Dataset, cache: Path, error: OSError) -> DatasetError:
    """What to tell a user whose cache cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    cause = "the disk is full" if full else error.strerror or str(error)
    return DatasetError(
        f"cannot write dataset {dataset.name!r} to the cache {cache}: {cause}; "
        "free some space there, or give another folder with HARNESS_CACHE"
    )


def digest_of(values: NDArray[Any]) -> str:
    """sha256 over dtype, shape and values in C order."""
    digest = hashlib.sha256(f"{values.dtype.str} {list(values.shape)}\n".encode())
    digest.update(_raw(np.ascontiguousarray(values)))
    return digest.hexdigest()


def digest_of_all(files: Sequence[ColumnFile]) -> str:
    """The content of a dataset: sha256 over the digests of its files by path."""
    lines = (f"{file.path} {file.digest}\n" for file in sorted(files, key=lambda file: file.path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _raw(values: NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, not copied."""
    return memoryview(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
