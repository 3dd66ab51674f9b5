"""A fine-tuning update against a plain PyTorch loop: `python -m tests.benchmarks.bench_finetune`.

The network of `suites/rectangles.yaml` (784-500-500-500, batches of 20, SGD) on random images; one thread, processor
seconds; both with torch's fused optimiser and everything in memory, no looks at val. They take turns; the best of
the rounds counts, since others may use the machine.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn
from torch.nn import functional

from harness.datasets import Task
from harness.protocols import View
from harness.protocols._goals import Classes
from harness.protocols._readings import Pooled
from harness.protocols._tuning import Best, Learner, Part, Watch, tune
from harness.protocols._whole_examples import WholeExamples
from methods import Training
from methods.sdae import SdaeConfig, StackedDenoisingAutoencoder
from tests.harness.feature_sources import rows
from tests.harness.protocols.tunable import Part as Examples

BATCH, RATE, SIZE = 20, 0.05, 1000
TASK = Task(name="coin", kind="class", metric="accuracy", classes=("heads", "tails"), chance=0.5)


def ours(encoder: StackedDenoisingAutoencoder, images: torch.Tensor, targets: torch.Tensor, steps: int) -> float:
    """Processor seconds per update."""
    source = rows(images)
    source.columns["image"] = source.columns.pop("row")  # type: ignore[attr-defined, index]
    whole, one = Examples(source, torch.arange(SIZE)), Examples(source, torch.arange(1))
    goal = Classes(View(encoder, "layer3", whole, one, one, targets, targets[:1]), TASK, torch.device("cpu"))
    part = Part(WholeExamples(encoder, whole, torch.device("cpu")), Pooled(), goal.train)
    few = Part(WholeExamples(encoder, one, torch.device("cpu")), Pooled(), goal.val)
    learner = Learner(encoder, "layer3", 500, 2, bf16=False)
    training = Training(steps=steps, batch_size=BATCH, optimizer="sgd", learning_rate=RATE)
    start = time.process_time()
    tune(learner, part, goal, training, Watch(few, goal, 0, Best()), seed=0, interval=steps)
    return (time.process_time() - start) / steps


def plain(encoder: StackedDenoisingAutoencoder, images: torch.Tensor, targets: torch.Tensor, steps: int) -> float:
    """Processor seconds per update."""
    network = nn.Sequential(nn.Flatten())
    for stage in encoder.stages():
        layer = nn.Linear(*reversed(stage.layer.weight.shape))
        layer.load_state_dict(stage.layer.state_dict())
        network.extend([layer, nn.Sigmoid()])
    network.append(nn.Linear(500, 2))
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, fused=True)
    start, done = time.process_time(), 0
    while done < steps:
        order = torch.randperm(SIZE)
        for ids in order.split(BATCH)[: steps - done]:
            loss = functional.cross_entropy(network(images[ids].float() / 255), targets[ids])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            done += 1
    return (time.process_time() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (SIZE, 1, 28, 28), dtype=torch.uint8)
    targets = torch.randint(0, 2, (SIZE,))
    encoder = StackedDenoisingAutoencoder(SdaeConfig(layers=3, width=500), rows(images).spec, {})
    found = []
    for _ in range(arguments.rounds):
        found.append([loop(encoder, images, targets, arguments.steps) for loop in (ours, plain)])
    mine, theirs = (1e3 * min(column) for column in zip(*found, strict=True))
    ratio = mine / theirs
    print(f"fine-tuning {mine:.3f} ms, plain loop {theirs:.3f} ms per update, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
