"""The loss of cpc beside the matrix products that it cannot do without: `python -m tests.benchmarks.bench_info_nce`.

One thread, processor seconds, forward and backward, best of the rounds, since others may use the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from methods.cpc._config import Pool
from methods.cpc._info_nce import contrast, predict
from methods.cpc._pools import MIXED, asked, choices

CASES = ((8, 64, 12, 64, 128), (16, 64, 6, 64, 128), (8, 128, 12, 512, 256))  #: B, T, K, D, C; the last the paper's
POOLS: tuple[Pool, ...] = ("mixed", "mixed_excluding_current", "current_sequence")


def loss(case: tuple[int, ...], pool: Pool) -> Callable[[], object]:
    """The loss and its gradients as the method has them."""
    sequences, length, ahead, width, context = case
    z = torch.randn(sequences * length, width, requires_grad=True)
    c = torch.randn(sequences * length, context, requires_grad=True)
    weights = (torch.randn(ahead, context, width) / context**0.5).requires_grad_()
    valid = torch.ones(sequences, 1, length, 1, dtype=torch.bool)
    questions = asked(valid, ahead, pool)

    def once() -> object:
        made = choices(questions, valid, pool)
        predictions = predict(c, weights).flatten(0, 1).index_select(0, made.rows)
        candidates = z.index_select(0, made.columns)
        total = contrast(predictions, candidates, made.positives, made.blocks, made.excluded, made.longest).loss
        return torch.autograd.grad(total, [z, c, weights])

    return once


def products(case: tuple[int, ...], pool: Pool) -> Callable[[], object]:
    """The products alone: of predictions, of logits, and of both their gradients."""
    sequences, length, ahead, width, context = case
    rows = int(asked(torch.ones(sequences, 1, length, 1, dtype=torch.bool), ahead, pool).sum())
    c, weights = torch.randn(sequences * length, context), torch.randn(context, ahead * width)
    to_predictions = torch.randn(sequences * length, ahead * width)
    blocks = 1 if pool in MIXED else sequences
    predictions = torch.randn(blocks, rows // blocks, width)
    candidates = torch.randn(blocks, sequences * length // blocks, width)
    odds = torch.randn(blocks, rows // blocks, sequences * length // blocks)

    def once() -> tuple[Tensor, ...]:
        logits = predictions @ candidates.mT, odds @ candidates, odds.mT @ predictions
        return (c @ weights, to_predictions @ weights.T, c.T @ to_predictions, *logits)

    return once


def seconds(call: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"{'B, T, K, D, C':<24}{'pool':<26}{'loss':>10}{'products':>10}{'ratio':>8}")
    for case in CASES:
        for pool in POOLS:
            whole, bare = seconds(loss(case, pool), rounds), seconds(products(case, pool), rounds)
            print(f"{case!s:<24}{pool:<26}{whole * 1e3:>7.1f} ms{bare * 1e3:>7.1f} ms{whole / bare:>8.2f}")


if __name__ == "__main__":
    main()
