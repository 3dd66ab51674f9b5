"""Which words a text holds, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from harness.baselines._baseline import Baseline
from harness.baselines._vocabulary import Vocabulary
from methods import Batch, Features, Modality, Source, TaskKind


class BagOfWords(Baseline):
    """Counts of the most frequent words of the training set, 4,096 at most. Their order is lost."""

    name: ClassVar[str] = "bag_of_words"
    version: ClassVar[int] = 1
    kinds: ClassVar[Mapping[Modality, frozenset[TaskKind]]] = {"text": frozenset({"class", "pair", "regression"})}

    def __init__(self, train: Source) -> None:
        self._vocabulary = Vocabulary(train)

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {"counts": torch.from_numpy(self._vocabulary.counts(source, ids.tolist()))}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return {self.name: Features(pooled=batch["counts"])}
