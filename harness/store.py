"""The store: a folder of immutable records, with artifacts, checkpoints, logs and leases beside them.

runs/
  records/<kind>-<fingerprint>-<attempt>.<status>.json   flat, so that one scan tells what is done
  artifacts/<fingerprint>/     weights, predictions, pictures
  checkpoints/<fingerprint>/   resumable state, deleted once the record is written
  leases/<fingerprint>/        who works on it (lease.py)
  progress/<lease>.json        replaced by the worker, about once a second
  logs/<cell id with "/" as "--">.log
  plans/<suite>.json           the last frozen plan
  index/                       caches of records and outcomes for tables and boards; may be deleted
  wandb/                       offline runs of W&B, and which cells they mirror (report/mirrored.py)
  report.html
"""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness import durable, recordfile
from harness.failures import UserError
from harness.lease import LIFETIME, Holder, Lease, acquire, holder_of
from harness.record import Record

_log = logging.getLogger(__name__)

_FOLDERS = ("records", "artifacts", "checkpoints", "leases", "progress", "logs", "plans", "index")
#: Seconds after which a temporary file has no living writer any more.
_ABANDONED = 3600.0


class StoreError(UserError):
    """The store cannot be used as asked. The text says what is wrong, where, and what to do."""


class Store:
    """A store that has been opened and found usable."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.record_folder = root / "records"

    @classmethod
    def open(cls, root: Path, *, write: bool = True) -> Store:
        """The store in the folder `root`, created if need be.

        Args:
            write: False to look at a store that may be read-only; nothing is created, and there must be one.

        Raises:
            StoreError: not a folder, not readable, or (if `write`) not writable.
        """
        store = cls(root)
        try:
            if root.exists() and not root.is_dir():
                raise StoreError(f"the store {root} is a file, not a folder; name another with --store")
            if write:
                for folder in _FOLDERS:
                    (root / folder).mkdir(parents=True, exist_ok=True)
                probe = store.record_folder / f"{durable.TEMPORARY}probe-{os.getpid()}"
                probe.write_bytes(b"{}\n")
                now = probe.stat().st_mtime  # the file system's clock, which need not be ours
                probe.unlink()
                durable.sweep(store.record_folder, now=now, older_than=_ABANDONED)
            elif not store.record_folder.is_dir():
                raise StoreError(f"there is no store at {root}; name another with --store, or run a suite first")
            store._listed()  # can it be read?
        except OSError as error:
            raise StoreError(_explained(error, root)) from error
        return store

    def record_names(self) -> list[str]:
        """Names of all record files, in no order; what does not look like a record's name is left out."""
        return [name for name in self._listed() if recordfile.parse_name(name)]

    def finished(self) -> frozenset[str]:
        """Fingerprints that have an ok record. One scan of a folder; no file is opened."""
        return frozenset(name.split("-", 2)[1] for name in self._listed() if _is_ok(name))

    def attempts(self, fingerprint: str) -> int:
        """How many records there are of this fingerprint, ok or failed."""
        marker = f"-{fingerprint}-"
        return sum(1 for name in self._listed() if marker in name and recordfile.parse_name(name))

    def write(self, record: Record) -> Record:
        """Write a record, whole or not at all, and never over another one.

        Where another writer has taken its attempt number, the next free one is used; where that record is equal to
        this one in everything, there is nothing to do.

        Returns:
            The record as written.

        Raises:
            StoreError: the disk is full, or the store has become unusable.
            TypeError, ValueError: the record holds what is not plain data, or a file name cannot hold.
        """
        while True:
            name, data = recordfile.name_of(record), recordfile.encode(record)
            try:
                recordfile.decode(data, name)
            except recordfile.AlienFileError as error:
                raise ValueError(f"nobody could read this record: {error}") from None
            if recordfile.parse_name(name) is None:
                raise ValueError(f"not a name for a record: {name!r}")
            try:
                if self._free(record) and durable.write_once(self.record_folder / name, data):
                    return record
                if self._holds(name, data):
                    return record
            except OSError as error:
                raise StoreError(_explained(error, self.root)) from error
            record = dataclasses.replace(record, attempt=record.attempt + 1)

    def records(self) -> Iterator[Record]:
        """Every valid record, sorted by file name. Others are skipped, with a warning that names them."""
        return self.read(sorted(self._listed()))

    def read(self, names: Iterable[str]) -> Iterator[Record]:
        """The valid records among these file names; the rest is skipped with a warning."""
        for name in names:
            try:
                if recordfile.parse_name(name) is None:
                    raise recordfile.AlienFileError("its name is not a record's")
                yield recordfile.read(self.record_folder / name)
            except recordfile.AlienFileError as error:
                _log.warning("skipped %s: %s", self.record_folder / name, error)

    def artifacts(self, fingerprint: str) -> Path:
        """Folder for weights, predictions and pictures; may not exist yet."""
        return self.root / "artifacts" / fingerprint

    def checkpoints(self, fingerprint: str) -> Path:
        """Folder for resumable state; may not exist yet."""
        return self.root / "checkpoints" / fingerprint

    def log(self, cell: str) -> Path:
        """File for what a cell's workers print."""
        return self.root / "logs" / f"{cell.replace('/', '--')}.log"

    def progress(self, lease: str) -> Path:
        """File that says how far the work under this lease is."""
        return self.root / "progress" / f"{lease}.json"

    def plan(self, suite: str) -> Path:
        """File of the last frozen plan of a suite."""
        return self.root / "plans" / f"{suite}.json"

    def put_json(self, path: Path, value: Any) -> None:
        """Replace a file of this store at once: a reader sees the old content or the new, never half of either.

        Raises:
            StoreError: the disk is full, or the store has become unusable.
        """
        data = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.replace(path, data)
        except OSError as error:
            raise StoreError(_explained(error, path)) from error

    def get_json(self, path: Path) -> Any:
        """What `put_json` has put there; None if there is nothing, or nothing readable."""
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None

    def lease(self, fingerprint: str, holder: Holder, *, lifetime: float = LIFETIME) -> Lease | None:
        """The right to work on a fingerprint; None while another live holder has it. A stale one is taken over.

        Raises:
            StoreError: the store has become unusable.
        """
        try:
            return acquire(self.root / "leases" / fingerprint, holder, lifetime=lifetime)
        except OSError as error:
            raise StoreError(_explained(error, self.root)) from error

    def holder(self, fingerprint: str) -> Holder | None:
        """Who works on a fingerprint now, for people to see."""
        return holder_of(self.root / "leases" / fingerprint)

    def _listed(self) -> list[str]:
        try:
            # iterdir would make a Path of each name, which takes most of the time of `finished`.
            return [name for name in os.listdir(self.record_folder) if not name.startswith(".")]  # noqa: PTH208
        except OSError as error:
            raise StoreError(_explained(error, self.root)) from error

    def _free(self, record: Record) -> bool:
        """False if this attempt has ended the other way already; two writers may still meet, and both are kept."""
        other = dataclasses.replace(record, status="failed" if record.status == "ok" else "ok")
        return not (self.record_folder / recordfile.name_of(other)).exists()

    def _holds(self, name: str, data: bytes) -> bool:
        try:
            return (self.record_folder / name).read_bytes() == data
        except FileNotFoundError:
            return False


def _is_ok(name: str) -> bool:
    return name.endswith(".ok.json") and recordfile.parse_name(name) is not None


def _explained(error: OSError, place: Path) -> str:
    where = f"{place}" if error.filename is None else f"{error.filename}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: cannot write to the store ({where}); make room, then run the same command again"
    if error.errno == errno.EROFS:
        return f"the store is read-only ({where}); name another with --store, or mount it writable"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission to use the store ({where}); change its permissions, or name another with --store"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"the store cannot be there: {where} is a file, not a folder; name another with --store"
    return f"the store {place} cannot be used: {error.strerror or error} ({where}); name another with --store"
