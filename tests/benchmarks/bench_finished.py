"""What it costs to run a suite of 10,000 cells that is finished: plan, look at the store, print the board.

    python -m tests.benchmarks.bench_finished

Bars (DESIGN section 12): `harness run` on a finished suite of 10,000 cells <= 3 s. Wall and CPU seconds of a process
of its own; once while the store's index is new, then twice with the index there.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from harness import recordfile
from harness.identity import canonical
from harness.plan import Cell, Evaluation, Plan, Pretraining
from harness.planning import plan_suite
from harness.record import Record
from harness.report.mirrored import (
    SUMMARY,
    Entry,
    Ledger,
    Names,
    is_behind,
    project_of,
    run_id,
    state_of,
    summary_state,
)
from harness.store import Store

SUITE = """
name: finished
methods: [sdae, {name: sdae, as: sae, config: {corruption: {level: 0.0}}}]
datasets: [digits]
seeds: 2500
"""
PROOF = {"held_out_initial": 2.0, "held_out_final": 1.0, "parameter_change": 0.5}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder, "finished.yaml")
        suite.write_text(SUITE)
        plan = plan_suite(str(suite))
        store = Store.open(Path(folder, "runs"))
        for cell in plan.cells:
            for record in _records(cell):
                Path(store.record_folder, recordfile.name_of(record)).write_bytes(recordfile.encode(record))
        _mirror(plan, store)
        print(f"{len(plan.cells)} cells, {len(store.finished())} records")
        for which in ("first", "second", "third"):
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            command = [sys.executable, "-m", "harness", "run", str(suite), "--store", str(store.root)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{which} run: {time.perf_counter() - began:.2f} s wall, {cpu:.2f} s CPU, exit {done.returncode}")
        print(done.stdout, done.stderr)


def _mirror(plan: Plan, store: Store) -> None:
    """As if all were mirrored in W&B, which takes minutes: the ledger, without its runs."""
    names, ledger = Names(store), Ledger(store, plan.suite)
    ledger.path.parent.mkdir(parents=True)
    entries = {
        cell.id: Entry(
            cell=cell.id,
            run=run_id(plan.suite, cell),
            folder=f"offline-run-20261124_120000-{run_id(plan.suite, cell)}",
            state=state_of(project_of(plan), names.of(cell)),
        )
        for cell in plan.cells
    }
    entries[SUMMARY] = Entry(cell=SUMMARY, run="summary", folder="summary", state=summary_state(entries, plan))
    ledger.path.write_text("".join(f"{json.dumps(asdict(entry))}\n" for entry in entries.values()))
    if is_behind(plan, store):
        raise AssertionError("the run below would start the mirror")
    began = time.perf_counter()
    is_behind(plan, store)
    print(f"to see that nothing is left to mirror: {time.perf_counter() - began:.2f} s")


def _records(cell: Cell) -> list[Record]:
    made = [
        _record(cell, "evaluation", name, cell.evaluation_identity(one), _result(one))
        for name, one in cell.wanted.items()
    ]
    if isinstance(cell.encoder, Pretraining):
        result = {"steps": 10, "proof": PROOF, "curve": [], "cost": {"seconds": 1.0}}
        made.append(_record(cell, "pretraining", cell.encoder.fingerprint, cell.encoder.identity, result))
    return made


def _result(evaluation: Evaluation) -> dict[str, object]:
    score = {"representation": "layer2", "primary": True, "metric": "accuracy", "value": 0.9, "higher_is_better": True}
    return {
        "task": evaluation.task,
        "protocol": evaluation.protocol,
        "scores": [score],
        "test_size": 500,
        "warnings": [],
    }


def _record(cell: Cell, kind: str, fingerprint: str, identity: object, result: dict[str, object]) -> Record:
    empty = Record(
        kind="evaluation",
        fingerprint=fingerprint,
        status="ok",
        suite="finished",
        cell=cell.id,
        label=cell.label,
        method=cell.method,
        dataset=cell.dataset_label,
        seed=cell.seed,
        control=cell.control,
        identity=canonical(identity),
        started="2026-11-23T20:00:00+00:00",
        seconds=1.0,
        result=result,
    )
    return empty if kind == "evaluation" else replace(empty, kind="pretraining")


if __name__ == "__main__":
    main()
