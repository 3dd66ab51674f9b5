"""Before a run: what suites can name, what a suite would do, and whether this machine can do it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rich.text import Text

from harness import doctor, listing
from harness.changes import State, states
from harness.console import open_console, print_table
from harness.datasets.cache import default_cache
from harness.failures import UserError
from harness.mistakes import suggestion
from harness.plan import Plan, plan_to_json
from harness.store import Store
from harness.suite_schema import suite_schema

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


def print_plan_as_json(plan: Plan) -> None:
    print(json.dumps(plan_to_json(plan), indent=2))


def print_plan(plan: Plan, folder: Path) -> None:
    """Every cell of a plan, and how it stands in the store, if there is one."""
    store = Store.open(folder, write=False) if folder.exists() else None
    found = states(plan, store.finished() if store else frozenset(), store.records() if store else ())
    rows = [(state.id, str(state.state), "; ".join(state.why)) for state in found]
    print_table(("cell", "state", "why"), rows, colours=_COLOURS)
    counts = Counter(state.state for state in found)
    beside = f"store {folder}" if store else f"no store at {folder} yet"
    print(f"\n{plan.suite}: {', '.join(f'{count} {state}' for state, count in counts.items())}; {beside}")


def print_listing(what: str | None) -> None:
    """What there is.

    Raises:
        UserError: no such kind of thing.
    """
    if what is not None and what not in _LISTINGS:
        raise UserError(f"list {what}: {suggestion(what, _LISTINGS)}")
    for place, name in enumerate(_LISTINGS if what is None else (what,)):
        if place:
            print()
        found = _LISTINGS[name]()
        print_table(found.columns, found.rows, title=found.title)


def print_checks(folder: Path) -> bool:
    """Run the preflight checks; returns whether this machine can run suites."""
    checks = []
    console = open_console()
    for check in doctor.preflight(folder, default_cache(), _start_ray):
        checks.append(check)
        line = Text.assemble((f"{check.status:6}", _COLOURS[check.status]), (f"{check.name:18}", ""), check.detail)
        console.print(line, soft_wrap=True)
        if check.remedy:
            console.print(Text(f"      {check.remedy}", "dim"), soft_wrap=True)
    worst = doctor.worst(checks)
    print("\nThis machine cannot run suites yet." if worst == "fail" else "\nThis machine can run suites.")
    return worst != "fail"


def _start_ray() -> str:
    from cluster.session import Session  # importing Ray takes a second, which the other verbs here need not wait for

    with Session() as session:
        nodes = session.nodes()
    return f"started and stopped: {sum(node.cpus for node in nodes):g} CPUs, {sum(node.gpus for node in nodes):g} GPUs"
