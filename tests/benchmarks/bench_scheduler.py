"""What the scheduler costs: overhead of one more job on a warm slot, and how busy two slots are kept.

    python -m tests.benchmarks.bench_scheduler

Bars (DESIGN section 12): one more cell on a warm slot <= 100 ms beyond its own work; busy share of the slots
>= 0.95 for jobs of about 5 s. Here jobs are ten times shorter, so the overhead weighs ten times as much.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable

from cluster import Job, SlotSize
from cluster.ray_pool import RayPool

TARGETS = "tests.cluster.targets:"
JOBS, SECONDS, SLOTS = 40, 0.5, 2


def jobs(count: int, target: str, ranks: int = 1, **payload: float) -> Iterable[Job]:
    return [Job(id=str(number), target=TARGETS + target, payload=payload, ranks=ranks) for number in range(count)]


def main() -> None:
    started = time.perf_counter()
    with RayPool(SlotSize(), slots=SLOTS) as pool:
        list(pool.run(jobs(SLOTS, "spin", seconds=0.1)))
        list(pool.run(jobs(1, "double", ranks=SLOTS, value=1)))
        print(f"Ray and {SLOTS} warm slots: {time.perf_counter() - started:.1f} s")

        overhead = [outcome.seconds for outcome in pool.run(jobs(200, "double", value=1))]
        print(f"empty job on a warm slot: {1000 * statistics.median(overhead):.1f} ms median (bar 100 ms)")

        begin = time.perf_counter()
        count = len(list(pool.run(jobs(500, "double", value=1))))
        print(f"empty jobs through the pool: {count / (time.perf_counter() - begin):.0f} per second")

        begin = time.perf_counter()
        outcomes = list(pool.run(jobs(JOBS, "spin", seconds=SECONDS)))
        wall = time.perf_counter() - begin
        inside = sum(outcome.result["ended"] - outcome.result["started"] for outcome in outcomes)
        print(f"{JOBS} jobs of {SECONDS} s CPU: {wall:.1f} s, busy share {inside / (SLOTS * wall):.3f} (bar 0.95)")


if __name__ == "__main__":
    main()
