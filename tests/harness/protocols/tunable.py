"""Small encoders and labelled parts of toy images, for the tests of fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.datasets import Task
from harness.protocols import View
from methods import Batch, Features, Method, Source, State
from tests.toys import Layers, ToyConfig, ToySource, toy_source

TASK = Task(name="corners", kind="class", metric="accuracy", classes=("a", "b", "c", "d"), chance=0.25)


@dataclass(frozen=True)
class Part:
    """Examples of a source whose features nobody may ask for."""

    source: Source
    ids: Tensor

    positions: ClassVar[None] = None

    def __len__(self) -> int:
        return len(self.ids)

    def pooled(self) -> Tensor:
        raise AssertionError("fine-tuning needs the examples, not the frozen features")

    def stream(self) -> Iterator[Features]:
        raise AssertionError("fine-tuning needs the examples, not the frozen features")


class Noted(Layers):
    """Has batch normalisation and dropout, and notes in which mode each batch is encoded, and how many are decoded."""

    def __init__(self, config: ToyConfig, spec: Any, state: State) -> None:
        super().__init__(config, spec, state)
        self.norm = nn.BatchNorm1d(config.width)
        self.dropout = nn.Dropout(0.2)
        self.modes: list[tuple[bool, int]] = []
        self.decoded: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Noted:
        """A copy notes in the same lists, so that the test sees what copies did."""
        copy = Noted.__new__(Noted)
        memo[id(self)] = copy
        memo[id(self.modes)], memo[id(self.decoded)] = self.modes, self.decoded
        import copy as copying

        for name, value in self.__dict__.items():
            copy.__dict__[name] = copying.deepcopy(value, memo)
        return copy

    def examples(self, source: Source, ids: Tensor) -> Batch:
        self.decoded += ids.tolist()
        return super().examples(source, ids)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        self.modes.append((self.training, len(batch["image"])))
        hidden = self.norm(torch.sigmoid(self.layers[0](batch["image"].flatten(1))))
        return {"layer1": Features(hidden), "layer2": Features(torch.tanh(self.layers[1](self.dropout(hidden))))}


def built(method: type[Method] = Layers, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    return method(ToyConfig(), toy_source("image").spec, {}).eval()


def corners(source: ToySource) -> Tensor:
    """Class of an image by two of its nine blocks: int64 [N] in [0, 4)."""
    images = np.stack(list(source.columns["image"].rows))
    return torch.from_numpy((images[:, 0, 0, 0] > 0) * 2 + (images[:, 0, 11, 11] > 0)).long()


def view_of(encoder: Any, sizes: tuple[int, int, int] = (120, 60, 60)) -> tuple[View, Tensor]:
    """A view whose parts are scattered over one source, and the targets of test."""
    source = toy_source("image", size=sum(sizes), seed=1)
    targets = corners(source)
    train, val, test = torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(0)).split(list(sizes))
    parts = [Part(source, ids) for ids in (train, val, test)]
    return View(encoder, "layer2", *parts, targets[train], targets[val]), targets[test]
