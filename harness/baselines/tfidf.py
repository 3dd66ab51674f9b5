"""Which words a text holds, the rarer the heavier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from harness.baselines._baseline import Baseline
from harness.baselines._vocabulary import Vocabulary
from methods import Batch, Features, Modality, Source, TaskKind


class TfIdf(Baseline):
    """Counts of the words of `bag_of_words`, each times log((1 + texts) / (1 + texts that hold the word)) + 1, of the
    training set; the vector of a text is then scaled to length 1. As scikit-learn's TfidfVectorizer by default."""

    name: ClassVar[str] = "tfidf"
    version: ClassVar[int] = 1
    kinds: ClassVar[Mapping[Modality, frozenset[TaskKind]]] = {"text": frozenset({"class", "pair", "regression"})}

    def __init__(self, train: Source) -> None:
        self._vocabulary = Vocabulary(train)
        holding = torch.from_numpy(self._vocabulary.documents).double()
        weights = torch.log((1 + self._vocabulary.texts) / (1 + holding)) + 1
        self._weights = weights.float() if len(weights) else torch.ones(1)

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {"counts": torch.from_numpy(self._vocabulary.counts(source, ids.tolist()))}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return {
            self.name: Features(pooled=functional.normalize(batch["counts"] * self._weights.to(batch["counts"].device)))
        }
