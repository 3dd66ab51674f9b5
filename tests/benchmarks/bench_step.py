"""What a training step costs in the harness, against a hand-written plain loop with the same fused optimiser.

Run as `python -m tests.benchmarks.bench_step [METHOD ...] [--steps N] [--repeats N] [--engine torch]`: every method
of the roster at preset "small", and the toys, at the preset's batch size and at 1024. The harness side is the whole
loop: order, keys, sampling, drawing, the DeepSpeed engine, logging, the clock. The plain side is what one
writes without a harness: a shuffled index, the method's own `sample`, `draw` and `forward`, backward, fused optimiser.
Both run on one thread, interleaved; the median of the ratios counts. The bar: 1.10 where a plain step takes 5 ms or
more, 1.05 from 30 ms; below 5 ms the ratio is only reported. "draw" is the share of the plain step that goes to
`sample` and `draw`: cutting patches, corrupting, masking.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import torch

from harness.engine import Compute, warm
from harness.engine._optimizer import build_optimizer
from harness.pretrain import pretrain
from methods import Keys, Spec, Training
from tests.contract.subjects import Subject, subjects
from tests.toys import ToySource, toy_sources

#: A run is shortened where its steps would take longer than this, in milliseconds, but not below LEAST_STEPS.
ENOUGH, LEAST_STEPS = 1000, 3


def plain(subject: Subject, training: Training, steps: int, *, only_draw: bool = False) -> None:
    """The plain loop, `steps` a stage; if asked, without what follows drawing."""
    method = subject.build()
    for stage in method.stages():
        optimizer = build_optimizer(training, stage.parameters())
        shuffled = torch.randperm(len(subject.source))
        for step in range(steps):
            where = torch.arange(step * training.batch_size, (step + 1) * training.batch_size)
            keys = Keys.of(0, "plain", where)
            batch = method.sample(subject.source, shuffled[where % len(shuffled)], keys)
            with torch.no_grad():
                drawn = stage.draw(batch, keys)
            if only_draw:
                continue
            terms = stage(drawn)
            loss = torch.stack([terms.sums[name] / weight for name, weight in drawn.weights.items()]).sum()
            torch.autograd.backward(loss)
            optimizer.step()
            optimizer.zero_grad()


def harness(subject: Subject, training: Training, steps: int, compute: Compute) -> None:
    """The harness's loop, `steps` a stage."""
    whole = replace(training, steps=steps * len(subject.build().stages()), epochs=None)
    pretrain(subject.method, subject.config, whole, subject.source, subject.source, seed=0, compute=compute)


def larger(spec: Spec, size: int = 4096) -> ToySource:
    """The toy source of such examples, with more of them."""
    like = (spec.modality, spec.shape)
    return next(source for source in toy_sources(size) if (source.spec.modality, source.spec.shape) == like)


def milliseconds(run: Callable[[int], None], steps: int, stages: int) -> float:
    """CPU time of one more step: that of a long run less that of a short one, so that neither setting up nor the
    held-out losses count, nor what else the machine is doing."""
    spent = []
    for length in (steps, 4 * steps):
        began = time.process_time()
        run(length)
        spent.append(time.process_time() - began)
    return 1e3 * (spent[1] - spent[0]) / (3 * steps * stages)


def main(methods: Sequence[str], steps: int, repeats: int, engine: Literal["deepspeed", "torch"]) -> None:
    torch.set_num_threads(1)
    warm()
    compute = Compute(engine=engine)
    print(f"{'method':<20}{'batch':>7}{'plain ms':>10}{'draw':>7}{'harness ms':>12}{'ratio':>8}")
    for small in subjects():
        if methods and small.name not in methods:
            continue
        subject = replace(small, source=larger(small.source.spec))
        stages = len(subject.build().stages())
        for batch_size in (subject.training.batch_size, 1024):
            training = replace(subject.training, batch_size=batch_size)
            loop = partial(plain, subject, training)
            first = milliseconds(loop, LEAST_STEPS, stages)
            length = max(min(steps, round(ENOUGH / max(first, 1e-3))), LEAST_STEPS)
            pairs = [
                (
                    milliseconds(loop, length, stages),
                    milliseconds(partial(harness, subject, training, compute=compute), length, stages),
                )
                for _ in range(repeats)
            ]
            drawing = milliseconds(partial(loop, only_draw=True), length, stages)
            ratio = statistics.median(ours / theirs for theirs, ours in pairs)
            theirs, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
            share = f"{drawing / theirs:.0%}"
            print(f"{subject.name:<20}{batch_size:>7}{theirs:>10.2f}{share:>7}{ours:>12.2f}{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engine", choices=("deepspeed", "torch"), default="deepspeed")
    given = parser.parse_args()
    main(given.methods, given.steps, given.repeats, given.engine)
