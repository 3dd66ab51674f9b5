"""Datasets on disk: written once per machine, mapped into memory by every worker.

    <cache>/<name>-<fingerprint>/meta.json                      what there is, with sizes and digests
                                 inputs/<split>/<column>.npy    what methods see
                                 offsets/<split>/<column>.npy   where the rows of a ragged column begin
                                 groups/<split>/groups.npy
                                 labels/<split>/<task>.npy      opened by `Split.labels` and `Split.rows` only
                                 label_offsets/, intervals/     the same for labels that differ in number

Sets of examples beside the one that pretraining sees lie in <split>.<examples>/.

The folder appears by one rename, so it is whole or absent. One process writes while the others wait on a lock that
the kernel drops with its holder, so that a killed writer blocks nobody. Where locks do not work (some network file
systems), several write and one rename wins.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.configuration import restore
from harness.datasets import Dataset, DatasetError, SplitName, Task, roster
from harness.datasets._columns import DenseColumn, RaggedColumn, Subset, UnlabelledSource
from harness.datasets._lock import locked
from harness.datasets._split import Split
from harness.datasets._writer import ColumnFile, Role, digest_of, digest_of_all, unwritable, write_all
from harness.identity import canonical, fingerprint
from harness.plan import DatasetChoice
from methods import Column, Keys, Spec

#: Bump when the layout of a folder changes: old ones are then left alone and new ones written beside them.
FORMAT_VERSION = 1
#: Of a dataset without a split of its own, one example in so many is held out of pretraining, to prove it.
HOLD_OUT = 10

_log = logging.getLogger(__name__)


class _UnusableError(Exception):
    """A cached folder is absent, torn or corrupt; the message names the file."""


@dataclass(frozen=True)
class Materialised:
    """A dataset on this machine's disk.

    Attributes:
        digest: sha256 of its content, labels included; it goes into records.
        folds: 0 with splits of its own; else over how many parts its tasks are cross-validated.
        transductive: see `Dataset.transductive`.
    """

    spec: Spec
    tasks: Mapping[str, Task]
    digest: str
    folder: Path
    files: tuple[ColumnFile, ...]
    folds: int = 0
    transductive: bool = False

    @property
    def splits(self) -> tuple[SplitName, ...]:
        return tuple(dict.fromkeys(file.split for file in self.files))

    def pretraining(self) -> tuple[UnlabelledSource | Subset, UnlabelledSource | Subset]:
        """What encoders are trained on, and what their pretext loss is held out on. Without a split of its own, one
        example in `HOLD_OUT` is held out, whatever the seed."""
        train = self.split("train").source
        if not self.folds:
            return train, self.split("val").source
        order = torch.randperm(len(train), generator=Keys.of(0, "held out of pretraining").generator())
        size = max(len(train) // HOLD_OUT, 1)
        return Subset(train, order[size:].sort().values), Subset(train, order[:size].sort().values)

    def split(self, name: SplitName, examples: str = "") -> Split:
        """Map a set of examples of a split into memory; no example is read yet."""
        mine = [file for file in self.files if (file.split, file.examples) == (name, examples)]
        files = {(file.role, file.name): self.folder / file.path for file in mine}

        def mapped(role: Role, column: str) -> NDArray[Any]:
            return self._map(files[role, column])

        columns: dict[str, Column] = {}
        for role, column in files:
            if role == "inputs":
                values, ragged = mapped(role, column), ("offsets", column) in files
                columns[column] = RaggedColumn(values, mapped("offsets", column)) if ragged else DenseColumn(values)
        groups = DenseColumn(mapped("groups", "groups")) if ("groups", "groups") in files else None
        size = len(next(iter(columns.values())))
        spec = self.spec if not examples else replace(self.spec, size=size, groups=groups is not None)
        source = UnlabelledSource(spec, columns, groups, size)
        return Split(source, frozenset(task for role, task in files if role == "labels"), mapped)

    def verify(self) -> None:
        """Read every file and compare its digest.

        Raises:
            DatasetError: names the file that differs.
        """
        for file in self.files:
            if digest_of(np.load(self.folder / file.path, mmap_mode="r", allow_pickle=False)) != file.digest:
                raise DatasetError(f"{self.folder / file.path} has changed; delete {self.folder}, it is made again")

    def _map(self, path: Path) -> NDArray[Any]:
        try:
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DatasetError(f"cannot read {path}: {error}; delete {self.folder}, it is made again") from error
        return np.asarray(values)  # a plain view of the mapped pages: indexing a memmap costs more each time


def open_dataset(choice: DatasetChoice, cache: Path | None = None) -> Materialised:
    """The dataset that a plan names, written first if this machine does not have it.

    Raises:
        DatasetError: unknown, of another version or content than planned, unusable, or not writable.
    """
    dataset = _named(choice)
    if dataset.locations:
        # What was found in the user's files is kept beside the columns: to look again takes seconds where there are
        # many, and other machines need not see them at all.
        try:
            return _as_written(_folder(_identity(dataset, choice.content), cache))
        except _UnusableError:
            pass
    _require_planned(dataset, choice)
    return materialise(dataset, cache)


def is_cached(choice: DatasetChoice, cache: Path | None = None) -> bool:
    """Whether `open_dataset` would find it written.

    Raises:
        DatasetError: unknown, or of another version or content than planned.
    """
    dataset = _named(choice)
    _require_planned(dataset, choice)
    try:
        _read_meta(_folder(_identity(dataset, choice.content), cache))
    except _UnusableError:
        return False
    return True


def _named(choice: DatasetChoice) -> Dataset:
    if choice.name not in roster():
        raise DatasetError(f"there is no dataset {choice.name!r}; there are {', '.join(roster())}")
    kind = roster()[choice.name]
    if kind.version != choice.version:
        raise DatasetError(
            f"dataset {choice.name!r} was planned in version {choice.version}, but version {kind.version} is "
            "installed here; plan again, or install the same version on every machine"
        )
    return kind(_config(kind, {**choice.config, **choice.location}))


def _require_planned(dataset: Dataset, choice: DatasetChoice) -> None:
    if canonical(dataset.content()) != canonical(choice.content):
        raise DatasetError(f"the files of dataset {choice.name!r} are not those that were planned; plan again")


def materialise(dataset: Dataset, cache: Path | None = None) -> Materialised:
    """The dataset's folder in the cache, written first if it is absent or damaged.

    Raises:
        DatasetError: the dataset breaks its contract, or the cache cannot be written.
    """
    identity = _identity(dataset, dataset.content())
    folder = _folder(identity, cache)
    root = folder.parent
    try:
        return _open(dataset, folder)
    except _UnusableError:
        pass  # the usual case on a new machine; looked at again under the lock
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(f"{folder.name}.lock")) as alone:
            return _open_or_write(dataset, folder, identity, alone)
    except OSError as error:
        raise unwritable(dataset, root, error) from error
    except _UnusableError as error:
        raise DatasetError(f"dataset {dataset.name!r} was written but cannot be read back: {error}") from error


def _identity(dataset: Dataset, content: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "name": dataset.name,
        "version": dataset.version,
        "config": {key: value for key, value in canonical(dataset.config).items() if key not in dataset.locations},
        "content": content,
    }


def _folder(identity: Mapping[str, Any], cache: Path | None) -> Path:
    root = default_cache() if cache is None else cache
    return root / f"{identity['name']}-{fingerprint('dataset', identity)}"


def default_cache() -> Path:
    """HARNESS_CACHE if set, else the platform's folder for caches."""
    if given := os.environ.get("HARNESS_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path("~/Library/Caches/harness").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "harness"


def _open_or_write(dataset: Dataset, folder: Path, identity: Mapping[str, Any], alone: bool) -> Materialised:
    """What another process has written meanwhile, or our own; `alone`: nobody else writes this folder now."""
    try:
        return _open(dataset, folder)
    except _UnusableError as error:
        if folder.exists():
            _log.warning("%s; writing dataset %r again", error, dataset.name)
    for abandoned in folder.parent.glob(f"{folder.name}.*.tmp") if alone else ():
        shutil.rmtree(abandoned, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        files = write_all(dataset, draft)
        meta = {
            "identity": canonical(identity),
            "digest": digest_of_all(files),
            "spec": canonical(dataset.spec),
            "tasks": canonical(dataset.tasks),
            "folds": dataset.folds,
            "transductive": dataset.transductive,
            "sizes": {split: _rows(files, split) for split in dataset.splits},
            "files": [file._asdict() for file in files],
        }
        with (draft / "meta.json").open("w") as file:
            json.dump(meta, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o755)  # mkdtemp makes it private, but other users of the machine may share the cache
        _replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _open(dataset, folder)


def _replace(draft: Path, folder: Path) -> None:
    """Move `draft` to `folder`; a damaged folder there steps aside first, a whole one is kept."""
    if folder.exists():
        try:
            _read_meta(folder)
        except _UnusableError:
            damaged = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".tmp", dir=folder.parent))
            folder.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
    try:
        draft.rename(folder)
    except OSError as error:
        # Without working locks another process may have won: its content is the same.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _rows(files: list[ColumnFile], split: SplitName) -> int:
    offsets = ("offsets", split, "")
    ragged = {file.name: file.shape[0] - 1 for file in files if (file.role, file.split, file.examples) == offsets}
    first = next(file for file in files if (file.role, file.split, file.examples) == ("inputs", split, ""))
    return ragged.get(first.name, first.shape[0])


def _open(dataset: Dataset, folder: Path) -> Materialised:
    digest, files = _read_meta(folder)
    return Materialised(dataset.spec, dataset.tasks, digest, folder, files, dataset.folds, dataset.transductive)


def _as_written(folder: Path) -> Materialised:
    """A folder as its own description has it.

    Raises:
        _UnusableError: it is absent, damaged, or older than this.
    """
    digest, files = _read_meta(folder)
    meta = json.loads((folder / "meta.json").read_text())
    try:
        spec = restore(Spec, meta["spec"])
        tasks = {name: restore(Task, task) for name, task in meta["tasks"].items()}
        return Materialised(spec, tasks, digest, folder, files, meta["folds"], meta.get("transductive", False))
    except (KeyError, ValueError) as error:
        raise _UnusableError(f"{folder / 'meta.json'} cannot be read ({error})") from error


def _read_meta(folder: Path) -> tuple[str, tuple[ColumnFile, ...]]:
    """Content digest and files; cheap: sizes are compared, no example is read.

    Raises:
        _UnusableError: names the file that is absent or damaged.
    """
    path = folder / "meta.json"
    try:
        meta = json.loads(path.read_text())
        files = tuple(ColumnFile(**{**entry, "shape": tuple(entry["shape"])}) for entry in meta["files"])
        digest = str(meta["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _UnusableError(f"{path} cannot be read ({error})") from error
    for file in files:
        try:
            size = (folder / file.path).stat().st_size
        except OSError as error:
            raise _UnusableError(f"{folder / file.path} cannot be read ({error.strerror})") from error
        if size != file.size:
            raise _UnusableError(f"{folder / file.path} has {size} bytes instead of {file.size}")
    return digest, files


def _config(kind: type[Dataset], values: Mapping[str, Any]) -> Any:
    """Plain JSON as the dataset's `Config`; suites are validated earlier, with better messages."""
    try:
        return kind.Config(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    except (TypeError, ValueError) as error:
        raise DatasetError(f"the configuration of dataset {kind.name!r} does not fit: {error}") from error
