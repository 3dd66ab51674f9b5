"""The probe of spans over its whole grid, beside that of classes of as many tokens: `python -m
tests.benchmarks.bench_spans`.

One thread, processor seconds at the protocol's default tolerance, best of the rounds, since others may use the machine.
Features are those of bench_probe, with the tokens of an answer moved a little; how far each point of the grid lies from
its minimum is told by a run in float64 at a tolerance of 1e-10.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from harness.protocols import _logistic, _span_logistic
from harness.protocols.linear import LinearConfig
from tests.benchmarks.bench_probe import problem

CASES = ((1000, 60, 128), (1000, 180, 128), (1000, 60, 512))  #: examples, tokens of each on average, features


def spans(examples: int, tokens: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features [M, width], lengths [examples], answers [examples, 2]."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(tokens // 2, tokens * 3 // 2 + 1, (examples,), generator=generator)
    features, _ = problem(2, width, int(lengths.sum()))
    first = (torch.rand(examples, generator=generator) * lengths).long()
    last = torch.minimum(first + 2, lengths - 1)
    begins = lengths.cumsum(0) - lengths
    for places in (first, last):
        features[begins + places] += 0.3 * torch.randn(width, generator=generator)
    return features, lengths, torch.stack([first, last], dim=1)


def run(features: Tensor, lengths: Tensor, answers: Tensor, tolerance: float) -> tuple[float, Tensor]:
    """Processor seconds, and the objectives."""
    config, mine = LinearConfig(), features.clone()
    start = time.process_time()
    with torch.inference_mode():
        fit = _span_logistic.fit(mine, lengths, answers, config.penalties(), max_iterations=10_000, tolerance=tolerance)
    return time.process_time() - start, fit.objective


def classes(features: Tensor) -> float:
    """Processor seconds for twelve classes of the same tokens."""
    config = LinearConfig()
    targets = (features[:, :12] + torch.randn(len(features), 12, generator=torch.Generator().manual_seed(1))).argmax(1)
    start = time.process_time()
    with torch.inference_mode():
        _logistic.fit(
            features,
            targets,
            12,
            config.penalties(),
            max_iterations=config.max_iterations,
            tolerance=config.tolerance,
        )
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for examples, tokens, width in CASES:
        features, lengths, answers = spans(examples, tokens, width)
        found = [run(features, lengths, answers, LinearConfig().tolerance) for _ in range(arguments.rounds)]
        best = run(features.double(), lengths, answers, 1e-10)[1]
        excess = float((found[0][1] / best - 1).max())
        tagging = min(classes(features) for _ in range(arguments.rounds))
        print(
            f"{examples} texts of {tokens} tokens x {width} features ({len(features)} tokens): "
            f"spans {min(seconds for seconds, _ in found):.2f} s (excess {excess:.0e}), classes {tagging:.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
