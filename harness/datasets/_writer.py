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
from harness.datasets._label_checks import wrong_answers, wrong_positions, wrong_row

Role = Literal["inputs", "offsets", "groups", "labels", "label_offsets", "intervals"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


class ColumnFile(NamedTuple):
    """One file of a materialised dataset, as meta.json describes it.

    Attributes:
        role: inputs, or the offsets of a ragged input, or groups; labels, or the offsets of ragged labels, or the
            intervals that labels of positions lie in.
        shape, dtype: of the array; for a ragged input those of all rows end to end.
        size: bytes of the file.
        digest: sha256 over dtype, shape and values.
        examples: the set that it belongs to; "" for what pretraining sees.
    """

    split: SplitName
    role: Role
    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    digest: str
    examples: str = ""

    @property
    def path(self) -> str:
        """Relative to the dataset's folder. Labels lie apart from everything that a method may read."""
        folder = f"{self.split}.{self.examples}" if self.examples else self.split
        return f"{self.role}/{folder}/{self.name}.npy"


class FolderWriter:
    """Writes one set of examples of one split of a dataset into a folder. Implements `Writer`."""

    def __init__(self, dataset: Dataset, split: SplitName, folder: Path, examples: str = "") -> None:
        self._own: list[ColumnFile] = []
        self._others: dict[str, FolderWriter] = {}
        self._dataset = dataset
        self._split: SplitName = split
        self._folder = folder
        self._examples = examples
        self._tasks = {name: task for name, task in dataset.tasks.items() if task.examples == examples}
        self._size: int | None = None

    @property
    def files(self) -> list[ColumnFile]:
        """All that was written, other sets included."""
        return [*self._own, *(file for other in self._others.values() for file in other.files)]

    def of(self, examples: str) -> FolderWriter:
        known = sorted({task.examples for task in self._dataset.tasks.values()} - {self._examples})
        if examples not in known:
            raise self._error(f"examples {examples!r}", f"no task labels such a set; tasks label {known}")
        if examples not in self._others:
            self._others[examples] = FolderWriter(self._dataset, self._split, self._folder, examples)
        return self._others[examples]

    def dense(self, name: str, values: NDArray[Any]) -> None:
        self._check_rows(f"column {name!r}", len(values))
        self._save("inputs", name, [values])

    def ragged(self, name: str, rows: Sequence[NDArray[Any]]) -> None:
        self._check_rows(f"column {name!r}", len(rows))
        self._save_rows("inputs", "offsets", name, rows, f"column {name!r}")

    def groups(self, values: NDArray[np.int64]) -> None:
        self._check_rows("groups", len(values))
        if values.dtype != np.int64 or values.ndim != 1:
            raise self._error("groups", f"must be int64 [N], not {values.dtype} {list(values.shape)}")
        self._save("groups", "groups", [values])

    def labels(self, task: str, values: NDArray[Any]) -> None:
        where = self._labelled(task, len(values))
        wrong = wrong_answers(self._tasks[task], values)
        if wrong is not None:
            raise self._error(where, wrong)
        self._save("labels", task, [values])

    def labelled_positions(
        self, task: str, intervals: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.int64]]
    ) -> None:
        where = self._labelled(task, len(values))
        wrong = wrong_positions(self._tasks[task], intervals, values)
        if wrong is not None:
            raise self._error(where, wrong)
        self._save_rows("labels", "label_offsets", task, values, where)
        self._save("intervals", task, intervals)

    def ragged_labels(self, task: str, rows: Sequence[NDArray[Any]]) -> None:
        where = self._labelled(task, len(rows))
        for index, row in enumerate(rows):
            wrong = wrong_row(self._tasks[task], row)
            if wrong is not None:
                raise self._error(where, f"row {index} {wrong}")
        self._save_rows("labels", "label_offsets", task, rows, where)

    def _labelled(self, task: str, rows: int) -> str:
        """Where an error in a task's labels lies."""
        where = f"labels of task {task!r}"
        if task not in self._tasks:
            raise self._error(where, f"there is no such task; there are {sorted(self._tasks)}")
        self._check_rows(where, rows)
        return where

    def _save_rows(self, role: Role, offsets: Role, name: str, rows: Sequence[NDArray[Any]], where: str) -> None:
        if len({(row.dtype, row.shape[1:]) for row in rows}) > 1:
            raise self._error(where, "its rows differ in dtype or in more than their first axis")
        of_none = np.empty(
            (0, *self._dataset.spec.shape) if name == "video" else 0, np.float32 if name == "audio" else np.uint8
        )
        self._save(role, name, rows if len(rows) else [of_none])
        self._save(offsets, name, [np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)])

    def finish(self) -> None:
        """Check what can only be seen once the split is whole.

        Raises:
            DatasetError: something is missing, or does not agree with the dataset's `spec`.
        """
        spec = self._dataset.spec
        if not any(file.role == "inputs" for file in self._own):
            raise self._error("inputs", "none was written")
        if not self._examples:
            if self._split == "train" and self._size != spec.size:
                raise self._error("inputs", f"has {self._size} examples, but its spec says {spec.size}")
            if spec.groups != any(file.role == "groups" for file in self._own):
                raise self._error("groups", f"the spec says groups={spec.groups}, which is not what was written")
            absent = {task.examples for task in self._dataset.tasks.values()} - {"", *self._others}
            if absent:
                raise self._error("examples", f"none were written for {sorted(absent)}")
        missing = set(self._tasks) - {file.name for file in self._own if file.role == "labels"}
        if missing:
            raise self._error("labels", f"none were written for {sorted(missing)}")
        self._check_main_column()
        for other in self._others.values():
            other.finish()

    def _check_main_column(self) -> None:
        """The column that `methods.Source` promises for this modality, under its name."""
        spec = self._dataset.spec
        ragged = {file.name for file in self._own if file.role == "offsets"}
        main = {file.name: file for file in self._own if file.role == "inputs"}.get(spec.modality)
        where = f"column {spec.modality!r}"
        if main is None:
            raise self._error(where, "is missing")
        if spec.modality == "image" and (main.name in ragged or (main.dtype, main.shape[1:]) != ("|u1", spec.shape)):
            found = f"{main.dtype} {list(main.shape)}"
            raise self._error(where, f"is {found}, but must be dense |u1 [N, *{list(spec.shape)}]")
        if spec.modality == "video":
            frame = main.shape[1 if main.name in ragged else 2 :]
            if (main.dtype, frame) != ("|u1", spec.shape):
                found = f"{main.dtype} {list(frame)}"
                raise self._error(where, f"has frames of {found}, but they must be |u1 {list(spec.shape)}")
        if spec.modality == "text" and (main.name not in ragged or main.dtype != "|u1"):
            raise self._error(where, "must be ragged UTF-8 bytes (uint8)")
        if spec.modality == "audio" and (main.name not in ragged or main.dtype != "<f4" or len(main.shape) > 1):
            raise self._error(
                where, f"is {main.dtype} {list(main.shape)}, but must be ragged rows of samples (float32)"
            )
        if spec.modality == "audio" and spec.rate <= 0:
            raise self._error(where, f"its spec gives a rate of {spec.rate} samples a second")

    def _check_rows(self, what: str, rows: int) -> None:
        if self._size is None:
            self._size = rows
        if rows != self._size:
            raise self._error(what, f"{rows} rows, where the column before has {self._size}")

    def _save(self, role: Role, name: str, parts: Sequence[NDArray[Any]]) -> None:
        """Parts of one column, end to end. They are never held together: they may be more than the memory."""
        where = f"{role} {name!r}"
        if not _NAME.fullmatch(name):
            raise self._error(where, "the name must consist of letters, digits, _ and -")
        if any((file.role, file.name) == (role, name) for file in self._own):
            raise self._error(where, "was written twice")
        dtype = parts[0].dtype.newbyteorder("<")
        if dtype.kind not in "biuf":
            raise self._error(where, f"dtype {dtype} is not a plain number")
        shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
        before = 0
        for part in parts:
            if dtype.kind == "f" and not np.isfinite(part).all():
                row = before + int(np.argwhere(~np.isfinite(part))[0, 0])
                raise self._error(where, f"row {row} holds a value that is not finite")
            before += len(part)
        draft = ColumnFile(self._split, role, name, shape, dtype.str, 0, "", self._examples)
        try:
            size, digest = _save_array(self._folder / draft.path, dtype, shape, parts)
        except OSError as error:
            raise unwritable(self._dataset, self._folder.parent, error) from error
        self._own.append(draft._replace(size=size, digest=digest))

    def _error(self, where: str, what: str) -> DatasetError:
        place = f"split {self._split!r}" + (f", examples {self._examples!r}" if self._examples else "")
        return DatasetError(f"dataset {self._dataset.name!r}, {place}, {where}: {what}")


def write_all(dataset: Dataset, folder: Path) -> list[ColumnFile]:
    """Every split of a dataset, in a stable order of files.

    Raises:
        DatasetError: names the dataset, the split and the column that break the contract.
    """
    files: list[ColumnFile] = []
    layouts: dict[SplitName, Mapping[tuple[str, ...], tuple[Any, ...]]] = {}
    for split in dataset.splits:
        writer = FolderWriter(dataset, split, folder)
        try:
            dataset.write(split, writer)
        except OSError as error:
            raise DatasetError(f"dataset {dataset.name!r}, split {split!r}: cannot be read: {error}") from error
        writer.finish()
        files += writer.files
        layouts[split] = {
            (file.examples, file.role, file.name): (file.dtype, file.shape[1:])
            for file in writer.files
            if file.role in ("inputs", "offsets", "groups")
        }
        if layouts[split] != layouts["train"]:
            raise DatasetError(
                f"dataset {dataset.name!r}, split {split!r}: its columns {dict(layouts[split])} differ from those of "
                f"train, {dict(layouts['train'])}"
            )
    return sorted(files, key=lambda file: file.path)


def _save_array(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], parts: Sequence[NDArray[Any]]
) -> tuple[int, str]:
    """Write and sync one .npy file of parts end to end; returns its size in bytes, and `digest_of` the whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = _digest_of_form(dtype, shape)
    with path.open("wb") as file:
        head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        for part in parts:
            raw = _raw(np.ascontiguousarray(part, dtype))
            # Not numpy's own tofile: on a full disk its OSError has no errno.
            file.write(raw)
            digest.update(raw)
        file.flush()
        os.fsync(file.fileno())
        return file.tell(), digest.hexdigest()


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
    digest = _digest_of_form(values.dtype, values.shape)
    digest.update(_raw(np.ascontiguousarray(values)))
    return digest.hexdigest()


def _digest_of_form(dtype: np.dtype[Any], shape: tuple[int, ...]) -> hashlib._Hash:
    return hashlib.sha256(f"{dtype.str} {list(shape)}\n".encode())


def digest_of_all(files: Sequence[ColumnFile]) -> str:
    """The content of a dataset: sha256 over the digests of its files by path."""
    lines = (f"{file.path} {file.digest}\n" for file in sorted(files, key=lambda file: file.path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _raw(values: NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, not copied."""
    return memoryview(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
