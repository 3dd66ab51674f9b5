"""Trains cpc with candidates of all ranks as a gang of two processes over gloo; test_ranks.py compares with one rank.

`python -m tests.methods.cpc.two_ranks OUTPUT` hosts the gang, starts the partner, and writes what came of it as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

from cluster import Gang
from harness.engine import Compute, host, join, leave
from harness.pretrain import pretrain
from methods import Training
from methods.cpc import AudioConfig, Cpc, CpcConfig
from methods.cpc._config import Pool
from tests.toys import toy_source

TINY = AudioConfig(rate=8000, kernels=(10, 8, 4), strides=(5, 4, 2), channels=6, context=5, ahead=3, window=2400)
POOLS: tuple[Pool, ...] = ("mixed", "mixed_excluding_current")


def trained(pool: Pool, gang: Gang, compute: Compute, *, across_ranks: bool = True) -> dict[str, list[float]]:
    """Losses and a monitor of every step, and held-out losses. The batch is odd: ranks hold 2 and 3 sequences."""
    done = pretrain(
        Cpc,
        CpcConfig(audio=TINY, negatives=pool, across_ranks=across_ranks),
        Training(steps=6, batch_size=5, optimizer="sgd", learning_rate=0.05, momentum=0.9),
        toy_source("audio", 16),
        toy_source("audio", 11, seed=1),
        seed=0,
        compute=compute,
        gang=gang,
    )
    proof = done.result["proof"]
    return {
        "loss": [point["loss"] for point in done.result["curve"]],
        "log_n": [point["monitors"]["log_n"] for point in done.result["curve"]],
        "held_out": [proof["held_out_initial"], proof["held_out_final"]],
    }


def train(gang: Gang, output: Path | None) -> None:
    torch.set_num_threads(1)
    join(gang, "cpu", deepspeed=True)
    found: dict[str, dict[str, list[float]]] = {pool: trained(pool, gang, Compute(engine="torch")) for pool in POOLS}
    found["deepspeed"] = trained("mixed", gang, Compute(zero=3))
    found["own"] = trained("mixed", gang, Compute(engine="torch"), across_ranks=False)
    leave()
    if output is not None:
        output.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "partner":
        train(Gang(1, 2, sys.argv[2]), None)
    else:
        rendezvous = host("127.0.0.1", 2)
        partner = subprocess.Popen([sys.executable, "-m", "tests.methods.cpc.two_ranks", "partner", rendezvous])
        train(Gang(0, 2, rendezvous), Path(sys.argv[1]))
        sys.exit(partner.wait())
