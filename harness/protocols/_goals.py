"""What a fine-tuned encoder is trained for, by the kind of task: its loss, how good it is on val, its answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from harness.datasets import Task
from harness.protocols._classes import SeenClasses
from harness.protocols._protocol import View
from harness.protocols._quality import quality
from harness.protocols._span_tokens import Placed, accepted, best_spans, strings, tokens_of


class Goal(ABC):
    """One task, as its outputs are judged.

    Attributes:
        outputs: numbers that the layer on top gives for each vector that it reads.
        train, val: the answers, a row each, as `loss` takes them.
    """

    outputs: int
    train: Tensor
    val: Tensor

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over those of the targets that count, from float32 [rows, ..., outputs] and targets [rows, ...]."""

    @abstractmethod
    def quality(self, outputs: Tensor) -> float:
        """The task's metric of val, from its outputs; of two, the greater is better."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> NDArray[Any]:
        """The answers on test, from its outputs, as `Solution` has them."""

    def warnings(self) -> list[str]:
        """What a reader must know."""
        return []


def goal_of(view: View, task: Task, device: torch.device) -> Goal:
    """The task's, its labels on `device`.

    Raises:
        ValueError: train, or val, holds nothing that can be learned; see each.
    """
    if task.kind == "span":
        return Spans(view, task, device)
    return Classes(view, task, device) if task.classes else Values(view, task, device)


class Classes(Goal):
    """Softmax cross-entropy over the classes that train has; val's examples of others count in the metric alone.

    Raises:
        ValueError: train holds a single class, or val none that train has.
    """

    def __init__(self, view: View, task: Task, device: torch.device) -> None:
        self._task, self._seen = task, SeenClasses(task, view.train_targets, device)
        self._val_targets = view.val_targets.cpu().numpy()
        self.outputs = len(self._seen)
        self.train = self._seen.train
        self.val = torch.where(self._seen.known(view.val_targets), self._seen.compact(view.val_targets), -1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        known = targets >= 0
        summed = functional.cross_entropy(outputs[known], targets[known], reduction="sum")
        return summed / known.sum().clamp(min=1)

    def quality(self, outputs: Tensor) -> float:
        return quality(self._task, self.predictions(outputs), self._val_targets)

    def predictions(self, outputs: Tensor) -> NDArray[Any]:
        named: NDArray[np.int64] = self._seen.indices[outputs.argmax(1)].cpu().numpy()
        return named

    def warnings(self) -> list[str]:
        return self._seen.warnings()


class Values(Goal):
    """Squared error of the values, standardised by mean and deviation of train.

    Raises:
        ValueError: all values of train are the same.
    """

    outputs = 1

    def __init__(self, view: View, task: Task, device: torch.device) -> None:
        self._task = task
        deviation, mean = torch.std_mean(view.train_targets.double(), correction=0)
        if not deviation > 0:
            raise ValueError(f"task {task.name!r}: all values of train are the same, so there is nothing to predict")
        self._mean, self._deviation = float(mean), float(deviation)
        self._val_targets = view.val_targets.double().cpu().numpy()
        self.train, self.val = (
            ((values.double() - mean) / deviation).float().to(device)
            for values in (view.train_targets, view.val_targets)
        )

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(outputs[:, 0], targets)

    def quality(self, outputs: Tensor) -> float:
        return quality(self._task, self.predictions(outputs), self._val_targets)

    def predictions(self, outputs: Tensor) -> NDArray[Any]:
        return (outputs[:, 0].double() * self._deviation + self._mean).cpu().numpy()


class Spans(Goal):
    """Softmax cross-entropy over an example's tokens, of the first and of the last token of its first accepted answer,
    summed (Devlin et al. 2018, section 4.2). Answers beyond what the encoder reads count in the metric alone.

    Raises:
        ValueError: no answer of train, or of val, lies in what the encoder reads.
    """

    outputs = 2

    def __init__(self, view: View, task: Task, device: torch.device) -> None:
        self._task, self._view = task, view
        train, self._val = tokens_of(view.train), tokens_of(view.val)
        self._texts = accepted(view.val.source, view.val.ids, view.val_targets)
        self.train = _targets(train, view.train_targets, device)
        self.val = _targets(self._val, view.val_targets, device)
        self._unread = {}
        for name, targets in (("train", self.train), ("val", self.val)):
            self._unread[name] = int((targets[:, 0] < 0).sum())
            if self._unread[name] == len(targets):
                raise ValueError(f"task {task.name!r}: no answer of {name} lies in what the encoder reads of its text")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        read = targets[:, 0] >= 0
        scores, (first, last, _) = _scores(outputs[read], targets[read, 2]), targets[read].unbind(1)
        summed = functional.cross_entropy(scores[:, 0], first, reduction="sum")
        summed = summed + functional.cross_entropy(scores[:, 1], last, reduction="sum")
        return summed / read.sum().clamp(min=1)

    def quality(self, outputs: Tensor) -> float:
        spans = _answers(outputs, self._val)
        return quality(self._task, strings(self._view.val.source, self._view.val.ids, spans), self._texts)

    def predictions(self, outputs: Tensor) -> NDArray[Any]:
        return _answers(outputs, tokens_of(self._view.test))

    def warnings(self) -> list[str]:
        unread = self._unread["train"]
        if not unread:
            return []
        return [f"{unread} of {len(self.train)} answers of train lie beyond what the encoder reads, and do not teach"]


def _targets(tokens: Placed, answers: Sequence[NDArray[np.int64]], device: torch.device) -> Tensor:
    """First and last token of each answer, -1 where it was not read, and tokens of the text: int64 [N, 3]."""
    return torch.cat([torch.from_numpy(tokens.places(answers)), tokens.lengths()[:, None]], dim=1).to(device)


def _scores(outputs: Tensor, lengths: Tensor) -> Tensor:
    """[N, L, 2] -> [N, 2, L], minus infinity beyond an example's own tokens (int64 [N])."""
    real = torch.arange(outputs.shape[1], device=outputs.device) < lengths[:, None]
    return outputs.masked_fill(~real[..., None], -torch.inf).mT


def _answers(outputs: Tensor, tokens: Placed) -> NDArray[np.int64]:
    """In bytes, int64 [N, 2]."""
    scores = _scores(outputs, tokens.lengths().to(outputs.device))
    return tokens.bytes(best_spans(scores[:, 0], scores[:, 1]).cpu().numpy())
