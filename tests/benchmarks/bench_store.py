"""What the store costs at scale: `python -m tests.benchmarks.bench_store`.

A finished suite of 10,000 cells (20,000 records), whose evaluations give 100,000 tidy rows.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import durable, recordfile
from harness.record import Record
from harness.store import Store
from tests.harness.made_records import cell, evaluation, pretraining

METHODS, DATASETS, SEEDS = 10, 100, 10
REPRESENTATIONS = 10
CURVE = [{"stage": 0, "step": step, "loss": 1.0 / (1 + step), "terms": {"reconstruction": 1.0}} for step in range(200)]

BOARD = """
import sys, time
started = time.perf_counter()
from pathlib import Path
from harness.board_formats import render
from harness.leaderboard import leaderboard
from harness.store import Store
from harness.table import tidy
table = tidy(Store.open(Path(sys.argv[1])))
board = leaderboard(table)
render(board, "json")
print(f"{table.height} rows -> {board.rows.height}; {time.perf_counter() - started:.2f} s of it after python's start")
"""


def _records() -> list[Record]:
    made = []
    for dataset in range(DATASETS):
        for method in range(METHODS):
            for seed in range(SEEDS):
                one = cell(f"method{method}", seed, on=f"dataset{dataset}")
                trained = pretraining(one)
                made.append(dataclasses.replace(trained, result={**trained.result, "curve": CURVE}))
                judged = evaluation(one, 0.5 + 0.01 * method + 0.001 * seed)
                first, second = judged.result["scores"]
                others = [{**second, "representation": f"h{layer}"} for layer in range(REPRESENTATIONS - 1)]
                made.append(dataclasses.replace(judged, result={**judged.result, "scores": [first, *others]}))
    return made


def _timed(what: str, work: Callable[[], Any], repeat: int = 1) -> Any:
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    print(f"{what:<62} {min(seconds):8.3f} s")
    return result


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "runs")
        records = _records()
        some = [dataclasses.replace(record, fingerprint=f"{i:016x}") for i, record in enumerate(records[:200])]
        _timed("write 200 records with fsync", lambda: [store.write(record) for record in some])
        for record in some:
            (store.record_folder / recordfile.name_of(record)).unlink()
        _timed(
            f"write {len(records)} records without fsync",
            lambda: [
                durable.replace(store.record_folder / recordfile.name_of(record), recordfile.encode(record))
                for record in records
            ],
        )
        done = _timed(f"finished() over {len(records)} records", store.finished, repeat=5)
        assert len(done) == len(records)
        _timed("attempts()", lambda: store.attempts(records[0].fingerprint), repeat=5)
        for state in ("without an index", "with an index", "with an index"):
            _timed(
                f"leaderboard, a new process, {state}",
                lambda: print(
                    subprocess.check_output([sys.executable, "-c", BOARD, str(store.root)], text=True), end=""
                ),
            )
        # One more cell: the index is extended.
        store.write(evaluation(cell("one more", 0)))
        _timed(
            "leaderboard, a new process, one record more than the index",
            lambda: print(subprocess.check_output([sys.executable, "-c", BOARD, str(store.root)], text=True), end=""),
        )


if __name__ == "__main__":
    main()
