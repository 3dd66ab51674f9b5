"""What paired test examples cost the board: `python -m tests.benchmarks.bench_outcomes`.

10,000 evaluations (100 datasets x 10 methods x 10 seeds) with outcomes on 1,000 and 10,000 test examples, right or
wrong and real. The first look opens every file; later ones must leave the bars of DESIGN section 12 in reach: `run` on
a finished suite of 10,000 cells <= 3 s in total, a leaderboard of 100,000 rows <= 2 s. Each look is a process of its
own; what is counted is what it spends on outcomes, on comparing the best method of each dataset with the nine others
over seeds and examples, and on the imports of both: CPU seconds, and the wall time of the whole process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from harness.store import Store

DATASETS, METHODS, SEEDS = 100, 10, 10

LOOK = """
import sys, time
import numpy, polars, harness.store
started = time.process_time()
from pathlib import Path
from harness.comparison import Question, Row, best_against_others
from harness.outcomes import gather
from harness.store import Store
def key(dataset, method, seed):
    return f"{dataset:08x}{method:04x}{seed:04x}"
datasets, methods, seeds = map(int, sys.argv[2:])
imported = time.process_time()
wanted = [(key(d, m, s), "z") for d in range(datasets) for m in range(methods) for s in range(seeds)]
outcomes = gather(Store(Path(sys.argv[1])), wanted)
gathered = time.process_time()
claims = 0
for d in range(datasets):
    rows = []
    for m in range(methods):
        mine = {s: outcomes.of(key(d, m, s), "z") for s in range(seeds)}
        scores = {s: float(values.mean(dtype=float)) for s, values in mine.items()}
        rows.append(Row(label=f"method{m}", scores=scores, outcomes=mine))
    question = Question(where=f"dataset{d}", metric="accuracy", higher_is_better=True, proportion=True)
    claims += sum(one.verdict == "beats" for one in best_against_others(rows, question))
compared = time.process_time()
times = f"CPU: imports {imported - started:.2f} s, outcomes {gathered - imported:.2f} s"
times += f", compare {compared - gathered:.2f} s"
print(f"{times}, {compared - started:.2f} s together; {claims} of {datasets * (methods - 1)} beaten")
"""


def main() -> None:
    for size in (1_000, 10_000):
        for real in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                store = Store.open(Path(folder) / "runs")
                _fill(store, size, real)
                print(f"{size} test examples, {'float32' if real else 'right or wrong'}")
                for which in ("first", "second", "third"):
                    _look(store, which)
                index = next((store.root / "index").glob("outcomes-*"))
                print(f"  kept in {index.stat().st_size / 1e6:.1f} MB", flush=True)


def _fill(store: Store, size: int, real: bool) -> None:
    generator = np.random.default_rng(0)
    for dataset in range(DATASETS):
        hard = generator.random(size)
        for method in range(METHODS):
            for seed in range(SEEDS):
                noise = generator.normal(0, 0.2, size)
                margin = 0.85 + 0.005 * method + 0.005 * generator.normal() - hard + noise
                values = margin.astype(np.float32) if real else (margin > 0).astype(np.uint8)
                folder = store.artifacts(f"{dataset:08x}{method:04x}{seed:04x}")
                folder.mkdir(parents=True)
                save_file({"z": values}, folder / "outcomes.safetensors")


def _look(store: Store, which: str) -> None:
    command = [sys.executable, "-c", LOOK, str(store.root), *map(str, (DATASETS, METHODS, SEEDS))]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"  {which} look: {done.stdout.strip()}; {time.perf_counter() - began:.2f} s with python's start", flush=True)


if __name__ == "__main__":
    main()
