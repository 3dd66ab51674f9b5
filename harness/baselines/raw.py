"""The input itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from harness.baselines._baseline import Baseline
from methods import Batch, Features, Modality, Source, TaskKind


class RawInput(Baseline):
    """Every dense column of an image, flattened, and scaled to [0, 1] if stored as bytes."""

    name: ClassVar[str] = "raw"
    version: ClassVar[int] = 1
    kinds: ClassVar[Mapping[Modality, frozenset[TaskKind]]] = {"image": frozenset({"class", "regression"})}

    def __init__(self, train: Source | None = None) -> None:
        """There is nothing to learn."""

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {name: column.take(ids) for name, column in source.columns.items()}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        flat = [_scaled(values).flatten(1) for values in batch.values()]
        return {"raw": Features(pooled=torch.cat(flat, dim=1))}


def _scaled(values: Tensor) -> Tensor:
    return values.float() / 255 if values.dtype == torch.uint8 else values.float()
