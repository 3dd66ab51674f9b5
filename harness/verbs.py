"""What the verbs beside `run` do: they look at suites, rosters, this machine and the store, and print."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from cluster.session import Session
from harness import doctor, listing
from harness.board_formats import FORMATS, render
from harness.changes import State, states
from harness.console import open_console, print_board
from harness.datasets.cache import default_cache
from harness.failures import UserError
from harness.plan import Cell, Plan, Pretraining, plan_from_json, plan_to_json
from harness.planning import plan_suite
from harness.progress import read_snapshots
from harness.results import board_of, write_page
from harness.store import Store
from harness.suite_schema import suite_schema
from harness.todo import failed_for_good

_COLOURS = {
    State.DONE: "green",
    State.CHANGED: "yellow",
    State.FAILED: "red",
    State.NOT_APPLICABLE: "dim",
    "ok": "green",
    "warn": "yellow",
    "fail": "bold red",
}
_LISTINGS = {
    "methods": listing.list_methods,
    "datasets": listing.list_datasets,
    "protocols": listing.list_protocols,
    "suites": listing.list_suites,
}


def print_schema() -> None:
    """The JSON schema of suites, for editors."""
    print(json.dumps(suite_schema(), indent=2))


def print_plan(plan: Plan, folder: Path) -> None:
    """Every cell of a plan, and how it stands in the store, if there is one."""
    store = Store.open(folder, write=False) if folder.exists() else None
    found = states(plan, store.finished() if store else frozenset(), store.records() if store else ())
    rows = [(state.id, state.state, "; ".join(state.why)) for state in found]
    _print_table(("cell", "state", "why"), rows, coloured=1)
    counts = Counter(state.state for state in found)
    print(f"\n{plan.suite}: {', '.join(f'{count} {state}' for state, count in counts.items())}; store {folder}")


def print_status(folder: Path) -> None:
    """How the suites that were run on this store stand, and what runs now, without asking their drivers."""
    store = Store.open(folder, write=False)
    finished = store.finished()
    hopeless = failed_for_good(store) - finished
    for path in sorted((store.root / "plans").glob("*.json")):
        plan = plan_from_json(store.get_json(path))
        counts = Counter(_standing(cell, finished, hopeless) for cell in plan.cells)
        shown = ", ".join(f"{counts[state]} {state}" for state in ("done", "failed", "to do") if counts[state])
        print(f"{plan.suite}: {shown}, of {len(plan.cells)} cells")
    at_work = [path.stem for path in (store.root / "progress").glob("*.json")]
    for fingerprint, snapshot in sorted(read_snapshots(store.root / "progress", at_work).items()):
        holder = store.holder(fingerprint)
        if holder is not None:  # else it was left by a worker that was killed
            done = "" if snapshot.fraction is None else f" {snapshot.fraction:.0%}"
            loss = "" if snapshot.loss is None else f", loss {snapshot.loss:.4g}"
            print(f"running on {holder.host}: {snapshot.cell} {snapshot.phase}{done}{loss}")


def print_log(cell: str, folder: Path) -> None:
    """A cell's log.

    Raises:
        UserError: there is none; names those that there are.
    """
    store = Store.open(folder, write=False)
    try:
        sys.stdout.write(store.log(cell).read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        known = sorted(path.stem.replace("--", "/") for path in (store.root / "logs").glob("*.log"))
        there = f"there are: {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}" if known else "there are none"
        raise UserError(f"no log of {cell!r} in {folder}; {there}") from error


def print_leaderboard(plan: Plan | None, folder: Path, form: str, output: Path | None) -> None:
    """The board of a plan's cells, or of the whole store, on the terminal or in a file.

    Raises:
        UserError: no such format, Parquet for the terminal, or a file that cannot be written.
    """
    if form not in FORMATS:
        raise UserError(f"--format {form}: there are {', '.join(FORMATS)}")
    board = board_of(Store.open(folder, write=False), plan)
    if form == "table" and output is None:
        print_board(board)
        return
    if form == "parquet" and output is None:
        raise UserError("--format parquet is for files: name one with --output")
    data = render(board, form)
    if output is None:
        sys.stdout.write(data.decode())
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}; name another file with --output") from error


def print_report(plan: Plan | None, folder: Path) -> None:
    """Write the page anew, and say where it is."""
    store = Store.open(folder)
    print(write_page(store, plan, board_of(store, plan)))


def print_listing(what: str | None) -> None:
    """What there is.

    Raises:
        UserError: no such kind of thing.
    """
    if what is not None and what not in _LISTINGS:
        raise UserError(f"list {what}: there are {', '.join(_LISTINGS)}")
    for name in _LISTINGS if what is None else (what,):
        found = _LISTINGS[name]()
        _print_table(found.columns, found.rows, title=found.title)


def print_checks(folder: Path) -> bool:
    """Run the preflight checks; returns whether this machine can run suites."""
    checks = []
    for check in doctor.preflight(folder, default_cache(), _start_ray):
        checks.append(check)
        line = Text.assemble((f"{check.status:5}", _COLOURS[check.status]), f"{check.name}: {check.detail}")
        open_console().print(line, soft_wrap=True)
        if check.remedy:
            print(f"     {check.remedy}")
    return doctor.worst(checks) != "fail"


def _start_ray() -> str:
    with Session() as session:
        nodes = session.nodes()
    return f"started and stopped: {sum(node.cpus for node in nodes):g} CPUs, {sum(node.gpus for node in nodes):g} GPUs"


def open_plan(suite: str | None) -> Plan | None:
    """The plan of a suite as it is now, or None where no suite is named."""
    return None if suite is None else plan_suite(suite)


def plan_as_json(plan: Plan) -> str:
    return json.dumps(plan_to_json(plan), indent=2)


def _standing(cell: Cell, finished: frozenset[str], hopeless: frozenset[str]) -> str:
    if finished.issuperset(cell.wanted):
        return "done"
    needed = [*cell.wanted]
    if isinstance(cell.encoder, Pretraining):
        needed.append(cell.encoder.fingerprint)
    return "failed" if hopeless.intersection(needed) else "to do"


def _print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None, coloured: int | None = None
) -> None:
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", header_style="dim")
    for row in rows:
        table.add_row(*(Text(cell, _COLOURS.get(cell, "") if at == coloured else "") for at, cell in enumerate(row)))
    console = open_console()
    console.print(table)
    if title:
        console.print()
