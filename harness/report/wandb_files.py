"""The one place that calls W&B: a run as an offline folder, whole or not there at all."""

from __future__ import annotations

import html
import os
import shutil
import struct
import time
from pathlib import Path
from typing import Any

from harness.report.gallery import TEXT, SavedPanel
from harness.report.wandb_runs import Content
from harness.store import Store


class NotWrittenError(Exception):
    """W&B did not write a run; the text says why."""


class HalfWrittenError(NotWrittenError):
    """W&B left half a run, and did not mind. The cause, a full disk say, is not in the run: others fare no better."""


#: Seconds that W&B gets to write down the end of a run that it calls finished.
FLUSH_PATIENCE = 3.0
#: Of the format of .wandb files, which is LevelDB's log after a header of its own.
_BLOCK, _HEADER, _PIECE = 32768, 7, struct.Struct("<IHB")
_FULL, _LAST = 1, 4


class OfflineRuns:
    """The offline runs of one suite in a store, for the process that holds the suite's lease."""

    def __init__(self, store: Store, suite: str) -> None:
        self._root = store.root.resolve() / "wandb"
        self._unfinished = self._root / "unfinished" / suite
        self._folders: dict[str, set[str]] = {}  # of each run's id: one, save where a process was killed

    def prepare(self) -> None:
        """Remove what a process that was killed has left, and import W&B.

        Raises:
            ImportError: it is not installed, or does not work.
            OSError: the store is read-only, or full.
        """
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished.mkdir(parents=True)
        for folder in self._root.glob("offline-run-*"):
            self._folders.setdefault(folder.name.rpartition("-")[2], set()).add(folder.name)
        os.environ["WANDB_CACHE_DIR"] = str(self._unfinished)
        import wandb

        wandb.Table.MAX_ROWS = wandb.Table.MAX_ARTIFACT_ROWS  # else a table's file is cut at 10,000 rows, in silence

    def write(self, content: Content, project: str) -> str:
        """Write a run in place of any earlier one of the same id; returns the name of its folder.

        Raises:
            NotWrittenError: W&B says so.
            HalfWrittenError: it does not, but the run is not whole.
        """
        # W&B keeps the files of tables in its data folder until they are pushed: they belong to the store.
        data = self._root / "data" / content.id
        shutil.rmtree(data, ignore_errors=True)
        os.environ["WANDB_DATA_DIR"] = str(data)
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
            self._record(content, project)
            (written,) = (self._unfinished / "wandb").glob(f"offline-run-*-{content.id}")
        except Exception as error:  # whatever is wrong with W&B is no business of the run
            shutil.rmtree(self._unfinished, ignore_errors=True)
            raise NotWrittenError(f"{type(error).__name__}: {error}".splitlines()[0]) from error
        if not _becomes_whole(written / f"run-{content.id}.wandb"):
            shutil.rmtree(self._unfinished, ignore_errors=True)
            raise HalfWrittenError(f"W&B left half a run in {self._root}; is the disk full?")
        shutil.rmtree(written / "logs", ignore_errors=True)  # of W&B itself: most of the bytes
        shutil.rmtree(self._root / written.name, ignore_errors=True)  # made within the same second
        written.rename(self._root / written.name)
        for name in self._folders.get(content.id, set()) - {written.name}:
            shutil.rmtree(self._root / name, ignore_errors=True)
        self._folders[content.id] = {written.name}
        return written.name

    def clear(self) -> None:
        """Remove what is of no use once all runs are there."""
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def _record(self, content: Content, project: str) -> None:
        import wandb

        run = wandb.init(
            id=content.id,
            project=project,
            name=content.name,
            group=content.group,
            job_type=content.job_type,
            tags=list(content.tags),
            notes=content.notes or None,
            config=dict(content.config),
            dir=self._unfinished,
            settings=wandb.Settings(
                mode="offline",
                silent=True,
                console="off",
                # What W&B would find out is about this process, not about the cell; the record has the cell's.
                x_disable_stats=True,
                x_disable_meta=True,
                x_save_requirements=False,
                disable_git=True,
                disable_code=True,
            ),
        )
        try:
            for step, row in content.history:
                run.log(dict(row), step=step)
            media = {key: _medium(panel) for key, panel in content.images.items()}
            media |= {
                key: wandb.Table(columns=list(names), data=_listed(rows))
                for key, (names, rows) in content.tables.items()
            }
            if media:
                run.log(media, step=content.history[-1][0] if content.history else 0)
            run.summary.update(dict(content.summary))
        finally:
            run.finish(exit_code=content.exit_code)


def _medium(panel: SavedPanel) -> Any:
    """A panel as W&B shows it; texts have no caption there, so theirs comes first."""
    import wandb

    if panel.file.suffix != TEXT:
        return wandb.Image(str(panel.file), caption=panel.caption)
    caption, text = (html.escape(each) for each in (panel.caption, panel.file.read_text(encoding="utf-8")))
    return wandb.Html(f"<p>{caption}</p><pre>{text}</pre>", inject=False)


def _listed(rows: Any) -> list[list[Any]]:
    return [list(row) for row in rows]


def _becomes_whole(file: Path) -> bool:
    """W&B calls a run finished some milliseconds before the end of its file is on disk."""
    end = time.monotonic() + FLUSH_PATIENCE
    while not _is_whole(file):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _is_whole(file: Path) -> bool:
    """Whether a .wandb file ends as a run ends: its last record is the exit."""
    from wandb.proto import wandb_internal_pb2

    data, at, record, last = file.read_bytes(), _HEADER, b"", None
    while at + _PIECE.size <= len(data):
        if _BLOCK - at % _BLOCK < _PIECE.size:
            at += _BLOCK - at % _BLOCK
            continue
        _, length, kind = _PIECE.unpack_from(data, at)
        at += _PIECE.size
        record += data[at : at + length]
        at += length
        if kind in (_FULL, _LAST):
            last, record = record, b""
    if last is None or at > len(data):
        return False
    return bool(wandb_internal_pb2.Record.FromString(last).WhichOneof("record_type") == "exit")
