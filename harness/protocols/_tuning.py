"""Training a copy of an encoder and a logistic layer on top of it, watched by val."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.engine import build_optimizer
from harness.order import Order, positions
from harness.protocols._whole_examples import WholeExamples
from harness.schedule import learning_rate
from methods import Batch, Method, Training


class Classifier(nn.Module):
    """A copy of `encoder`, and a linear layer from zero on one of its pooled representations: logits [N, classes]."""

    def __init__(self, encoder: Method, representation: str, width: int, classes: int, bf16: bool) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.representation = representation
        self.device = next(encoder.parameters()).device
        self.head = nn.Linear(width, classes, device=self.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.bf16 = bf16

    def forward(self, batch: Batch) -> Tensor:
        with self._precision():
            logits: Tensor = self.head(self.encoder.encode(batch)[self.representation].pooled)
        return logits.float()

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


class Value(NamedTuple):
    """How good a classifier is on val; of two, the greater is better: by accuracy, then by log-loss."""

    accuracy: float  #: over all of val; classes that train lacks count as wrong
    minus_loss: float  #: minus the mean log-loss over the examples whose class train has


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
    """Examples with targets in the numbering of the classes that train has, -1 for others: int64 [N]."""

    examples: WholeExamples
    targets: Tensor


class Best:
    """The best classifier of several trainings: its value and its weights."""

    def __init__(self) -> None:
        self.value: Value | None = None
        self.weights: dict[str, Tensor] = {}

    def offer(self, value: Value, classifier: Classifier) -> None:
        """Keep a copy if it is better; the first of equals stays."""
        if self.value is None or value > self.value:
            self.value = value
            self.weights = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}


class Watch:
    """Looks at val while a classifier trains, and says when to end.

    A look brings something if accuracy or log-loss is the best so far; after `patience` looks in a row that bring
    nothing it ends (0: never). Every classifier looked at is offered to `best`.
    """

    def __init__(self, val: Part, patience: int, best: Best) -> None:
        self._val, self._patience, self._best = val, patience, best
        self._highest = Value(-math.inf, -math.inf)  # of either number
        self._idle = 0
        self.checks: list[Check] = []

    def look(self, classifier: Classifier, step: int, train_loss: float) -> Ended | None:
        check = Check(step, train_loss, judge(classifier, self._val))
        if not math.isfinite(train_loss) or not math.isfinite(check.value.minus_loss):
            return "diverged"
        self.checks.append(check)
        self._best.offer(check.value, classifier)
        brings = any(new > old for new, old in zip(check.value, self._highest, strict=True))
        self._highest = Value(*map(max, check.value, self._highest))
        self._idle = 0 if brings else self._idle + 1
        return "patience" if self._idle == self._patience > 0 else None


def tune(classifier: Classifier, train: Part, training: Training, watch: Watch, *, seed: int, interval: int) -> Run:
    """Train until the steps are spent or `watch`, asked every `interval` updates and after the last, ends it.

    Args:
        training: with `steps`; its learning rate is the peak of its schedule.
        seed: of the order of the examples and of dropout, for which torch's global generator is set.
    """
    steps, size = training.steps or 0, training.batch_size
    optimizer = build_optimizer(training, classifier.parameters())
    order = Order(seed, len(train.examples))
    summed, since = torch.zeros((), device=classifier.device), 0
    torch.manual_seed(seed)
    classifier.train()
    for step in range(steps):
        places = order.ids(positions(step, size, 0, 1))
        logits = classifier(train.examples.batch(places))
        loss = functional.cross_entropy(logits, train.targets[places.to(logits.device)])
        loss.backward()  # type: ignore[no-untyped-call]
        if step == 0:
            _require_gradient(classifier)
        if training.clip_norm > 0:
            nn.utils.clip_grad_norm_(classifier.parameters(), training.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(training, step, steps)
        optimizer.step()
        optimizer.zero_grad()
        summed += loss.detach()
        since += 1
        if (step + 1) % interval == 0 or step + 1 == steps:
            ended = watch.look(classifier, step + 1, float(summed) / since)
            if ended is not None:
                return Run(watch.checks, ended)
            summed, since = torch.zeros_like(summed), 0
            classifier.train()
    return Run(watch.checks, "budget")


def judge(classifier: Classifier, val: Part) -> Value:
    """In evaluation mode, and left in it."""
    logits = answer(classifier, val.examples)
    known = val.targets >= 0
    loss = functional.cross_entropy(logits[known], val.targets[known])
    return Value(float((logits.argmax(1) == val.targets).double().mean()), -float(loss))


def answer(classifier: Classifier, examples: WholeExamples) -> Tensor:
    """Logits in evaluation mode, in the order of the part: float32 [N, classes]."""
    classifier.eval()
    with torch.inference_mode():
        return torch.cat([classifier(batch) for batch in examples.in_order()])


def _require_gradient(classifier: Classifier) -> None:
    if all(parameter.grad is None for parameter in classifier.encoder.parameters()):
        name = type(classifier.encoder).__name__
        raise ValueError(f"{name}.encode lets no gradient through to its weights, so it cannot be fine-tuned")
