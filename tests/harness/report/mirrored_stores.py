"""Stores made by hand, to be mirrored, and what a mirror leaves of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.plan import Cell, Plan, plan_to_json
from harness.record import Record
from harness.report.mirror import Mirror, start_process
from harness.report.mirrored import Entry, Ledger
from harness.store import Store
from tests.harness.made_records import cell, evaluation, plan, pretraining
from tests.harness.report.offline_files import Read, read_folder

CURVE = [
    {"stage": 0, "step": 0, "loss": 4.0, "terms": {"error": 4.0}, "monitors": {"spread": 0.5}},
    {"stage": 0, "step": 9, "loss": 2.0, "terms": {"error": 2.0}, "monitors": {"spread": 0.6}},
    {"stage": 1, "step": 10, "loss": 8.0, "terms": {"error": 8.0}},
    {"stage": 1, "step": 19, "loss": None, "terms": {"error": None}},
]


def made(*cells: Cell, **wandb: Any) -> Plan:
    return replace(plan(*cells), settings={"wandb": {"mode": "offline", "project": "p", **wandb}})


def several(count: int, **wandb: Any) -> Plan:
    """A plan of untrained cells, which are quick to mirror."""
    return made(*(cell("a", seed, "untrained") for seed in range(count)), **wandb)


def trained(of: Cell) -> Record:
    record = pretraining(of)
    return replace(record, result={**record.result, "curve": CURVE})


def filled(folder: Path, of: Plan) -> Store:
    """A store with the plan and every evaluation."""
    store = Store.open(folder)
    store.put_json(store.plan(of.suite), plan_to_json(of))
    for one in of.cells:
        store.write(evaluation(one))
    return store


def mirror(store: Store, of: Plan, *, mode: str = "offline", patience: float = 60.0) -> tuple[str, str]:
    """Let a process mirror all that is there; the driver's last words."""
    with Mirror(start_process(store, of.suite, mode), store, patience) as running:
        return running.conclude()


def entries(store: Store, of: Plan) -> dict[str, Entry]:
    return Ledger(store, of.suite).entries()


def runs(store: Store, of: Plan) -> dict[str, Read]:
    """By cell. Every run is there exactly once, whole, under the folder that the ledger names, and nothing else is."""
    noted = entries(store, of)
    folders = sorted(path.name for path in (store.root / "wandb").glob("offline-run-*"))
    assert folders == sorted(entry.folder for entry in noted.values())
    found = {name: read_folder(store.root / "wandb" / entry.folder) for name, entry in noted.items()}
    assert set(Counter(read.run.run_id for read in found.values()).values()) <= {1}
    assert all(read.exit_code is not None for read in found.values())
    assert {name: read.run.run_id for name, read in found.items()} == {name: noted[name].run for name in noted}
    return found
