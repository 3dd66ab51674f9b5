"""What of a store is mirrored in W&B and what is due, told by names alone: no W&B, no torch, hardly a file opened.

    <store>/wandb/offline-run-<time>-<id>/   one run, whole: it is renamed to there once it is finished
    <store>/wandb/mirrored/<suite>.jsonl     the ledger: a line for each run that is there; of each cell the last counts

A cell is due when it is settled (every evaluation done, or something failed for good) and its records, or the project
that they go to, are not those behind its last line.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import recordfile
from harness.identity import canonical_text, joined_text, text_fingerprint
from harness.plan import Cell, Plan, Pretraining
from harness.store import Store

#: In the ledger, where a cell's id stands otherwise; those have slashes.
SUMMARY = "summary"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the ledger: a run that is mirrored.

    Attributes:
        cell: its id, or `SUMMARY`.
        run: the run's id in W&B.
        folder: its name in the store's wandb folder.
        state: of the records that it was made from (`state_of`).
    """

    cell: str
    run: str
    folder: str
    state: str


class Ledger:
    """The runs of one suite that are mirrored. One writer at a time, which holds the suite's lease; any reader."""

    def __init__(self, store: Store, suite: str) -> None:
        self.path = store.root / "wandb" / "mirrored" / f"{suite}.jsonl"

    def entries(self) -> dict[str, Entry]:
        """By cell. A torn line, left by a writer that was killed, counts as not written."""
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return {}
        return {entry.cell: entry for line in lines if (entry := _entry(line))}

    def note(self, entry: Entry) -> None:
        """Append a line.

        Raises:
            OSError: the disk is full, or the store has become unusable.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The line break comes first, so that a torn line spoils no other.
        line = b"\n" + json.dumps(asdict(entry), separators=(",", ":")).encode() + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            if os.write(descriptor, line) < len(line):
                raise OSError(f"could not write a whole line to {self.path}; is the disk full?")
        finally:
            os.close(descriptor)


def _entry(line: bytes) -> Entry | None:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None


class Names:
    """The record files of a store at one moment, by fingerprint."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[str, list[str]] = {}
        for name in store.record_names():
            self._found.setdefault(name.split("-", 2)[1], []).append(name)

    def of(self, cell: Cell) -> list[str]:
        """All records behind a cell, sorted: attempts that failed, too."""
        return sorted(name for fingerprint in fingerprints(cell) for name in self._found.get(fingerprint, ()))

    def settled(self, cell: Cell) -> bool:
        """Whether nothing more is to be expected of a cell, unless a user asks for it."""
        waiting = [name for name in fingerprints(cell) if not self._done(name)]
        return not waiting or any(self._given_up(name) for name in waiting)

    def _done(self, fingerprint: str) -> bool:
        return any(name.endswith(".ok.json") for name in self._found.get(fingerprint, ()))

    def _given_up(self, fingerprint: str) -> bool:
        """Whether the last attempt was final, which its record says."""
        names = self._found.get(fingerprint, ())
        last = max(names, key=_attempt, default=None)
        for record in self._store.read([last] if last else []):
            return record.failure is not None and record.failure.get("final") != "no"
        return False


def _attempt(name: str) -> int:
    parsed = recordfile.parse_name(name)
    return parsed.attempt if parsed else 0


def fingerprints(cell: Cell) -> list[str]:
    """Of all that a cell needs: its pretraining, if it has one, and its evaluations."""
    trained = [cell.encoder.fingerprint] if isinstance(cell.encoder, Pretraining) else []
    return [*trained, *cell.wanted]


def project_of(plan: Plan) -> str:
    return str(_settings(plan).get("project", "harness"))


def mode_of(plan: Plan, environment: Mapping[str, str]) -> str:
    """ "offline", "online" or "disabled": what the suite says, or WANDB_MODE where that reaches less far."""
    return lowered(str(_settings(plan).get("mode", "disabled")), environment)


def lowered(mode: str, environment: Mapping[str, str]) -> str:
    """The lesser of a mode and what WANDB_MODE and WANDB_DISABLED say."""
    reach = ("disabled", "offline", "online")
    asked = environment.get("WANDB_MODE", "online").lower()
    asked = {"dryrun": "offline"}.get(asked, asked if asked in reach else "online")
    if environment.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        asked = "disabled"
    return min(mode, asked, key=reach.index)


def _settings(plan: Plan) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = plan.settings.get("wandb", {})
    return settings


def state_of(project: str, names: Iterable[str]) -> str:
    """A digest of the records that a run is made from, and of the project that it goes to."""
    return hashlib.sha256("\n".join((project, *names)).encode()).hexdigest()[:16]


def summary_state(entries: Mapping[str, Entry], plan: Plan) -> str:
    """The same of the summary run, which is made from all runs of the plan that are mirrored."""
    states = (f"{cell.id} {entries[cell.id].state}" for cell in plan.cells if cell.id in entries)
    return state_of(project_of(plan), states)


def due(plan: Plan, names: Names, entries: Mapping[str, Entry], among: Collection[Cell] | None = None) -> list[Cell]:
    """The settled cells whose run is missing or was made from other records; of `among`, or of the whole plan."""
    project = project_of(plan)
    found = []
    for cell in plan.cells if among is None else among:
        entry = entries.get(cell.id)
        records = names.of(cell)
        if records and (entry is None or entry.state != state_of(project, records)) and names.settled(cell):
            found.append(cell)
    return found


def is_behind(plan: Plan, store: Store) -> bool:
    """Whether a run of this plan, or the summary, is due. Cheap also where 10,000 cells are mirrored."""
    entries = Ledger(store, plan.suite).entries()
    if due(plan, Names(store), entries):
        return True
    summary = entries.get(SUMMARY)
    return bool(entries) and (summary is None or summary.state != summary_state(entries, plan))


def run_id(suite: str, cell: Cell) -> str:
    """The id in W&B: one for each cell of a suite, whatever it is evaluated with; another where its encoder changes."""
    encoder = "null" if cell.encoder is None else cell.encoder.text
    parts = {"suite": canonical_text(suite), "cell": canonical_text(cell.id), "encoder": encoder}
    return text_fingerprint("wandb", joined_text({**parts, "dataset": cell.dataset.text}))


def summary_id(suite: str) -> str:
    return text_fingerprint("wandb summary", canonical_text(suite))


def unpushed(store: Store, suites: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """(cell, folder) of the mirrored runs that W&B's server has not got: `wandb sync` marks those that it has."""
    for suite in suites:
        for entry in Ledger(store, suite).entries().values():
            folder = store.root / "wandb" / entry.folder
            if folder.is_dir() and not (folder / f"run-{entry.run}.wandb.synced").exists():
                yield entry.cell, folder
