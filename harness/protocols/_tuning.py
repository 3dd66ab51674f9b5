"""Training a copy of an encoder and a linear layer on top of it, watched by val."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.engine import build_optimizer
from harness.order import Order, positions
from harness.pairing import JoinedModule
from harness.protocols._goals import Goal
from harness.protocols._readings import Reading
from harness.protocols._whole_examples import WholeExamples
from harness.schedule import learning_rate
from methods import Batch, Method, Training

#: An encoder with weights: a method, or one that encodes the two texts of pairs apart.
Trainable: TypeAlias = Method | JoinedModule


class Learner(nn.Module):
    """A copy of `encoder`, and a linear layer from zero on what is read of one of its representations."""

    def __init__(self, encoder: Trainable, representation: str, width: int, outputs: int, bf16: bool) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.representation = representation
        self.device = next(encoder.parameters()).device
        self.head = nn.Linear(width, outputs, device=self.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.bf16 = bf16

    def forward(self, batch: Batch, reading: Reading, places: Tensor) -> Tensor:
        """Of the examples at these places of a part (int64 [B]): float32 [answers, outputs], or [B, L, outputs]."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            features = self.encoder.encode(batch)[self.representation]
            outputs: Tensor = self.head(reading.vectors(features, places))
        return outputs.float()


class Value(NamedTuple):
    """How good a learner is on val; of two, the greater is better: by the task's metric, then by the loss."""

    quality: float  #: over all of val
    minus_loss: float  #: over the answers that can be learned


class Check(NamedTuple):
    """One look at val."""

    step: int  #: updates done
    train_loss: float  #: mean over the updates since the last check
    value: Value


Ended = Literal["budget", "patience", "diverged"]


class Run(NamedTuple):
    """One training to its end."""

    checks: Sequence[Check]
    ended: Ended

    @property
    def best(self) -> Check | None:
        """The first of the best; None if the loss was not finite before the first check."""
        return max(self.checks, key=lambda check: check.value, default=None)


class Part(NamedTuple):
    """Examples, what is read of each, and the answers as the goal has them."""

    examples: WholeExamples
    reading: Reading
    targets: Tensor


class Best:
    """The best learner of several trainings: its value and its weights."""

    def __init__(self) -> None:
        self.value: Value | None = None
        self.weights: dict[str, Tensor] = {}

    def offer(self, value: Value, learner: Learner) -> None:
        """Keep a copy if it is better; the first of equals stays."""
        if self.value is None or value > self.value:
            self.value = value
            self.weights = {name: tensor.clone() for name, tensor in learner.state_dict().items()}


class Watch:
    """Looks at val while a learner trains, and says when to end.

    A look brings something if the task's metric or the loss is the best so far; after `patience` looks in a row that
    bring nothing it ends (0: never). Every learner looked at is offered to `best`.
    """

    def __init__(self, val: Part, goal: Goal, patience: int, best: Best) -> None:
        self._val, self._goal, self._patience, self._best = val, goal, patience, best
        self._highest = Value(-math.inf, -math.inf)  # of either number
        self._idle = 0
        self.checks: list[Check] = []

    def look(self, learner: Learner, step: int, train_loss: float) -> Ended | None:
        check = Check(step, train_loss, judge(learner, self._val, self._goal))
        if not math.isfinite(train_loss) or not math.isfinite(check.value.minus_loss):
            return "diverged"
        self.checks.append(check)
        self._best.offer(check.value, learner)
        brings = any(new > old for new, old in zip(check.value, self._highest, strict=True))
        self._highest = Value(*map(max, check.value, self._highest))
        self._idle = 0 if brings else self._idle + 1
        return "patience" if self._idle == self._patience > 0 else None


def tune(
    learner: Learner, train: Part, goal: Goal, training: Training, watch: Watch, *, seed: int, interval: int
) -> Run:
    """Train until the steps are spent or `watch`, asked every `interval` updates and after the last, ends it.

    Args:
        training: with `steps`; its learning rate is the peak of its schedule.
        seed: of the order of the examples and of dropout, for which torch's global generator is set.
    """
    steps, size = training.steps or 0, training.batch_size
    optimizer = build_optimizer(training, learner.parameters())
    order = Order(seed, len(train.examples))
    summed, since = torch.zeros((), device=learner.device), 0
    torch.manual_seed(seed)
    learner.train()
    for step in range(steps):
        places = order.ids(positions(step, size, 0, 1))
        outputs = learner(train.examples.batch(places), train.reading, places)
        loss = goal.loss(outputs, train.targets[train.reading.answers(places).to(outputs.device)])
        loss.backward()  # type: ignore[no-untyped-call]
        if step == 0:
            _require_gradient(learner)
        if training.clip_norm > 0:
            nn.utils.clip_grad_norm_(learner.parameters(), training.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(training, step, steps)
        optimizer.step()
        optimizer.zero_grad()
        summed += loss.detach()
        since += 1
        if (step + 1) % interval == 0 or step + 1 == steps:
            ended = watch.look(learner, step + 1, float(summed) / since)
            if ended is not None:
                return Run(watch.checks, ended)
            summed, since = torch.zeros_like(summed), 0
            learner.train()
    return Run(watch.checks, "budget")


def judge(learner: Learner, val: Part, goal: Goal) -> Value:
    """In evaluation mode, and left in it."""
    outputs = answer(learner, val.examples, val.reading)
    loss = float(goal.loss(outputs, val.targets))
    return Value(goal.quality(outputs) if math.isfinite(loss) else -math.inf, -loss)


def answer(learner: Learner, examples: WholeExamples, reading: Reading) -> Tensor:
    """Outputs in evaluation mode, in the order of the part: float32 [answers, outputs], or [N, L, outputs] padded with
    zeros."""
    learner.eval()
    with torch.inference_mode():
        parts = [learner(batch, reading, places) for places, batch in examples.in_order()]
    if parts[0].ndim == 3:
        longest = max(part.shape[1] for part in parts)
        parts = [functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts]
    return torch.cat(parts)


def _require_gradient(learner: Learner) -> None:
    if all(parameter.grad is None for parameter in learner.encoder.parameters()):
        name = type(learner.encoder).__name__
        raise ValueError(f"{name}.encode lets no gradient through to its weights, so it cannot be fine-tuned")
