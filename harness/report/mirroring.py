"""Bring the runs of one suite from the store to W&B's offline folder, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from harness.plan import Cell, Plan
from harness.report.mirrored import SUMMARY, Entry, Ledger, Names, due, project_of, state_of, summary_state
from harness.report.wandb_files import HalfWrittenError, NotWrittenError, OfflineRuns
from harness.report.wandb_runs import Content, cell_run
from harness.store import Store

#: A context that ends the process where W&B hangs in it for so many seconds.
Within = Callable[[float], AbstractContextManager[None]]

#: Seconds after which W&B counts as hanging: in its import, and in one run.
IMPORT_PATIENCE, RUN_PATIENCE = 60.0, 30.0
#: Runs in a row that W&B fails to write before it is left alone: the cause is not in a run.
ENOUGH = 3


@dataclass(kw_only=True)
class Outcome:
    """What came of it: runs mirrored by this process, runs still due, and what went wrong, in one line."""

    mirrored: int = 0
    left: int = 0
    problem: str | None = None


class Mirror:
    """One suite's mirroring."""

    def __init__(self, plan: Plan, store: Store, outcome: Outcome, within: Within) -> None:
        self._plan, self._store, self._outcome, self._within = plan, store, outcome, within
        self._project = project_of(plan)
        self.suite = plan.suite
        self._ledger = Ledger(store, plan.suite)
        self._entries: dict[str, Entry] = {}
        self._runs = OfflineRuns(store, plan.suite)
        self._ready = False
        self._failed: dict[str, str] = {}  # cells that could not be mirrored, and the state in which they were
        self._in_a_row = 0

    def read_ledger(self) -> None:
        """Learn what is mirrored; once this process holds the lease, only it adds to that."""
        self._entries = self._ledger.entries()

    def due(self) -> list[Cell]:
        return due(self._plan, Names(self._store), self._entries)

    def mirror(self, cells: list[Cell], stop: threading.Event) -> None:
        """Mirror these cells, one after the other.

        Raises:
            ImportError, OSError: W&B or the store cannot be used; there is no sense in going on.
            NotWrittenError: W&B fails again and again.
        """
        names = Names(self._store)
        for cell in cells:
            if stop.is_set():
                return
            records = names.of(cell)
            state = state_of(self._project, records)
            if self._failed.get(cell.id) == state:
                continue
            try:
                self._put(cell.id, state, cell_run(self._plan, cell, list(self._store.read(records)), self._store))
            except HalfWrittenError:
                raise
            except (NotWrittenError, LookupError, TypeError, ValueError) as error:
                self._failed[cell.id] = state
                self._outcome.problem = f"{cell.id}: {error}"
                self._in_a_row += 1
                if self._in_a_row >= ENOUGH:
                    raise NotWrittenError(self._outcome.problem) from error

    def summarise(self) -> None:
        """Mirror the summary, if it is not that of what is mirrored."""
        known, state = self._entries.get(SUMMARY), summary_state(self._entries, self._plan)
        if not self._entries or (known and known.state == state):
            return
        from harness.report.wandb_summary import summary_run  # here: Polars takes its time

        self._put(SUMMARY, state, summary_run(self._plan, self._store))

    def close(self) -> None:
        if self._ready:
            self._runs.clear()

    def _put(self, cell: str, state: str, content: Content) -> None:
        if not self._ready:
            with self._within(IMPORT_PATIENCE):
                self._runs.prepare()
            self._ready = True
        with self._within(RUN_PATIENCE):
            folder = self._runs.write(content, self._project)
        entry = Entry(cell=cell, run=content.id, folder=folder, state=state)
        self._ledger.note(entry)
        self._entries[cell] = entry
        self._outcome.mirrored += 1
        self._in_a_row = 0
