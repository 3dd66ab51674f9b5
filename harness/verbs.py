"""After or during a run: verbs that read the store, and need neither its driver nor torch nor Ray."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from harness.board_formats import FORMATS, render
from harness.console import print_board, print_table
from harness.failures import UserError
from harness.mistakes import suggestion
from harness.plan import Cell, Plan, Pretraining, plan_from_json
from harness.progress import read_snapshots
from harness.record import Record
from harness.results import board_of, write_page
from harness.store import Store
from harness.todo import failed_for_good


def print_status(folder: Path) -> None:
    """How the suites that were run on this store stand, and what runs now, without asking their drivers."""
    store = Store.open(folder, write=False)
    finished = store.finished()
    hopeless = failed_for_good(store) - finished
    plans = [plan_from_json(store.get_json(path)) for path in sorted((store.root / "plans").glob("*.json"))]
    for plan in plans:
        counts = Counter(_standing(cell, finished, hopeless) for cell in plan.cells)
        shown = ", ".join(f"{counts[state]} {state}" for state in ("done", "failed", "to do") if counts[state])
        print(f"{plan.suite}: {shown}, of {len(plan.cells)} cells")
    if not plans:
        print(f"{folder}: no suite has been run on this store")
    causes = {record.fingerprint: record for record in _failures(store, hopeless)}
    failed = {cell.id: why for plan in plans for cell in plan.cells if (why := _cause(cell, causes))}
    for cell, why in failed.items():
        print(f"failed: {cell}: {why} (harness logs {cell})")
    running = list(_running(store))
    if running:
        print_table(("running", "doing", "done", "steps/s", "loss", "on"), running)
    elif plans:
        print("nothing is running")


def _running(store: Store) -> Iterator[tuple[str, ...]]:
    at_work = [path.stem for path in (store.root / "progress").glob("*.json")]
    for lease, now in sorted(read_snapshots(store.root / "progress", at_work).items()):
        holder = store.holder(lease)
        if holder is not None:  # else it was left by a worker that was killed
            done = "" if now.fraction is None else f"{now.fraction:.0%}"
            speed = "" if now.steps_per_second is None else f"{now.steps_per_second:,.4g}"
            yield now.cell, now.phase, done, speed, "" if now.loss is None else f"{now.loss:.4g}", holder.host


def _standing(cell: Cell, finished: frozenset[str], hopeless: Collection[str]) -> str:
    if finished.issuperset(cell.wanted):
        return "done"
    return "to do" if set(hopeless).isdisjoint(_fingerprints(cell)) else "failed"


def _fingerprints(cell: Cell) -> list[str]:
    """Of all that a cell needs: its pretraining, if it has one, and its evaluations."""
    trained = [cell.encoder.fingerprint] if isinstance(cell.encoder, Pretraining) else []
    return [*trained, *cell.wanted]


def _failures(store: Store, hopeless: Collection[str]) -> Iterator[Record]:
    names = (name for name in store.record_names() if name.endswith(".failed.json"))
    failures = (record for record in store.read(names) if record.fingerprint in hopeless)
    yield from sorted(failures, key=lambda record: record.attempt)


def _cause(cell: Cell, causes: Mapping[str, Record]) -> str:
    """Class and text of the failure that keeps a cell from its scores; "" where there is none."""
    for fingerprint in _fingerprints(cell):
        record = causes.get(fingerprint)
        if record is not None and record.failure is not None:
            return f"{record.failure['class']}: {record.failure['message']}"
    return ""


def print_log(cell: str, folder: Path) -> None:
    """A cell's log.

    Raises:
        UserError: there is none; names the likeliest, or those that there are.
    """
    store = Store.open(folder, write=False)
    try:
        text = store.log(cell).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        known = [path.stem.replace("--", "/") for path in (store.root / "logs").glob("*.log")]
        raise UserError(f"no log of {cell!r} in {folder}; {suggestion(cell, known)}") from error
    sys.stdout.write(text)


def print_leaderboard(plan: Plan | None, folder: Path, form: str, output: Path | None) -> None:
    """The board of a plan's cells, or of the whole store, on the terminal or in a file.

    Raises:
        UserError: no such format, Parquet for the terminal, or a file that cannot be written.
    """
    if form not in FORMATS:
        raise UserError(f"--format {form}: {suggestion(form, FORMATS)}")
    if form == "parquet" and output is None:
        raise UserError("--format parquet is for files: name one with --output")
    board = board_of(Store.open(folder, write=False), plan)
    if form == "table" and output is None:
        print_board(board)
        return
    data = render(board, form)
    if output is None:
        sys.stdout.write(data.decode())
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}; name another file with --output") from error


def print_report(plan: Plan | None, folder: Path) -> None:
    """Write the page anew, and say where it is.

    Raises:
        UserError: there is no store.
    """
    Store.open(folder, write=False)  # a store that is not there is a mistake here, not one to be made
    store = Store.open(folder)
    print(write_page(store, plan, board_of(store, plan)))
