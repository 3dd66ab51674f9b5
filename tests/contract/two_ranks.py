"""Trains subjects as one rank of a gang and prints losses; run by test_contract.py in processes of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from cluster import Gang
from harness.engine import Compute, fetch, join, leave, open_engine
from harness.feed import Feed
from harness.order import Order
from harness.schedule import learning_rate
from tests.contract.subjects import Subject, stages, subjects

STEPS = 50


def curves(subject: Subject, gang: Gang, engine: str = "torch", zero: int = 0, steps: int = STEPS) -> list[list[float]]:
    """Global loss at each step, per stage. The batch is odd, so that ranks have unequal weights."""
    compute = Compute(engine="torch") if engine == "torch" else Compute(zero=zero)
    method = subject.build()
    found = []
    for index, stage in stages(method):
        feed = Feed(
            method,
            stage,
            index,
            subject.source,
            Order(0, len(subject.source)),
            seed=0,
            batch_size=11,
            rank=gang.rank,
            world=gang.world,
            accumulate=1,
            device=compute.device,
        )
        trainer = open_engine(stage, subject.training, compute)
        losses = []
        for step, micros in feed.steps(0, steps):
            report = trainer.step(micros, learning_rate(subject.training, step, steps))
            losses.append(fetch(report, gang.world).loss)
        stage.load_state_dict(trainer.weights())
        trainer.close()
        found.append(losses)
    return found


def uncoupled() -> Sequence[Subject]:
    return [subject for subject in subjects() if not subject.method.coupling(subject.config)]


def main(rank: int, port: int, output: Path) -> None:
    torch.set_num_threads(1)
    gang = Gang(rank, 2, f"127.0.0.1:{port}")
    join(gang, "cpu", deepspeed=True)
    found = {subject.name: {"torch": curves(subject, gang)} for subject in uncoupled()}
    first = uncoupled()[-1]
    for zero in (0, 1, 2, 3):
        found[first.name][f"zero{zero}"] = curves(first, gang, "deepspeed", zero, steps=20)
    leave()
    if rank == 0:
        output.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
