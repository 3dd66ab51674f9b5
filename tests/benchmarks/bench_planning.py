"""What planning costs at scale: `python -m tests.benchmarks.bench_planning`.

10,000 trained cells (5 methods x 20 datasets x 100 seeds) and their controls. Processor seconds, best of three: the
wall says more about the machine's other work.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.changes import states
from harness.plan import Plan, Pretraining, plan_from_json, plan_to_json
from harness.planning import plan_suite
from tests.harness.planning_toys import ROSTERS

METHODS, DATASETS, SEEDS = 5, 20, 100


def _suite() -> dict[str, Any]:
    return {
        "methods": [{"name": "coder", "as": f"m{i}", "config": {"width": 10 + i}} for i in range(METHODS)],
        "datasets": [{"name": "boxes", "as": f"d{i}", "config": {"size": 1 + i}} for i in range(DATASETS)],
        "seeds": SEEDS,
    }


def _fingerprints(plan: Plan) -> frozenset[str]:
    trained = {cell.encoder.fingerprint for cell in plan.cells if isinstance(cell.encoder, Pretraining)}
    return frozenset(trained.union(*(cell.wanted for cell in plan.cells)))


def _timed(what: str, work: Callable[[], Any]) -> Any:
    spent = []
    for _ in range(3):
        started = time.process_time()
        result = work()
        spent.append(time.process_time() - started)
    print(f"{what:<44}{min(spent):6.2f} s")
    return result


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.yaml")
        path.write_text(json.dumps(_suite()))
        plan = _timed("plan", lambda: plan_suite(str(path), rosters=ROSTERS))
        finished = _timed("plan and all fingerprints", lambda: _fingerprints(plan_suite(str(path), rosters=ROSTERS)))
    text = _timed("freeze as JSON", lambda: json.dumps(plan_to_json(plan)))
    _timed("read back", lambda: plan_from_json(json.loads(text)))
    _timed("states of a finished suite", lambda: states(plan, finished, []))
    print(f"{len(plan.cells)} cells, {len(finished)} fingerprints, {len(text) / 1e6:.1f} MB of JSON")


if __name__ == "__main__":
    main()
