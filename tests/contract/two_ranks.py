"""Trains subjects as a gang of two processes over gloo; test_contract.py runs it and compares with one rank.

`python -m tests.contract.two_ranks OUTPUT` hosts the gang, starts the partner, and writes the losses as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from cluster import Gang
from harness.engine import Compute, fetch, host, join, leave, open_engine
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
            if engine == "deepspeed" and step == steps // 2:  # state must move to another ZeRO stage half-way
                state = trainer.snapshot()
                trainer.close()
                trainer = open_engine(stage, subject.training, Compute(zero=(zero + 1) % 4), state)
            report = trainer.step(micros, learning_rate(subject.training, step, steps))
            losses.append(fetch(report, gang.world).loss)
        stage.load_state_dict(trainer.weights())
        trainer.close()
        found.append(losses)
    return found


def uncoupled() -> Sequence[Subject]:
    return [subject for subject in subjects() if not subject.method.coupling(subject.config)]


def train(gang: Gang, output: Path | None) -> None:
    """All uncoupled subjects with plain torch; the last one over all ZeRO stages, then alone in the same process."""
    torch.set_num_threads(1)
    join(gang, "cpu", deepspeed=True)
    found = {subject.name: {"torch": curves(subject, gang)} for subject in uncoupled()}
    last = uncoupled()[-1]
    for zero in range(4):
        found[last.name][f"zero{zero}"] = curves(last, gang, "deepspeed", zero, steps=20)
    leave()
    join(Gang(), "cpu", deepspeed=True)
    found[last.name]["alone again"] = curves(last, Gang(), "deepspeed", 1, steps=20)
    leave()
    if output is not None:
        output.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "partner":
        train(Gang(1, 2, sys.argv[2]), None)
    else:
        rendezvous = host("127.0.0.1", 2)
        partner = subprocess.Popen([sys.executable, "-m", "tests.contract.two_ranks", "partner", rendezvous])
        train(Gang(0, 2, rendezvous), Path(sys.argv[1]))
        sys.exit(partner.wait())
