"""Pairs of texts, for encoders that see one text at a time: each is encoded alone, and the two are joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.protocols import Encoder
from methods import Batch, Column, Features, Source, Spec

SECOND = "second"


def for_source(encoder: Encoder, source: Source) -> Encoder:
    """The encoder as it sees this source: joined where the source holds pairs and the encoder takes single texts."""
    if SECOND not in source.columns or getattr(encoder, "pairs", False):
        return encoder
    return JoinedModule(encoder) if isinstance(encoder, nn.Module) else Joined(encoder)


class Joined:
    """Features of pairs: (u, v, |u - v|, u * v) of the pooled features u and v of the two texts.

    Local features are those of the first text, each joined with the pooled features of the second in the same way.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def examples(self, source: Source, ids: Tensor) -> Batch:
        """Whole examples of either text, under `first` and `second`."""
        main = source.spec.modality
        return {
            "first": self.encoder.examples(_Single(source, main), ids),
            SECOND: self.encoder.examples(_Single(source, SECOND), ids),
        }

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        first, second = self.encoder.encode(batch["first"]), self.encoder.encode(batch[SECOND])
        return {name: _joined(features, second[name].pooled) for name, features in first.items()}


class JoinedModule(Joined, nn.Module):
    """The same for an encoder with weights."""


@dataclass(frozen=True)
class _Single:
    """One text of each pair, as a source of single texts. Implements `methods.Source`."""

    whole: Source
    column: str

    @property
    def spec(self) -> Spec:
        return self.whole.spec

    @property
    def columns(self) -> Mapping[str, Column]:
        return {self.spec.modality: self.whole.columns[self.column]}

    @property
    def groups(self) -> Column | None:
        return self.whole.groups

    def __len__(self) -> int:
        return len(self.whole)


def _joined(first: Features, second: Tensor) -> Features:
    local = first.local
    if local is not None:
        between = second.view(len(second), *(1,) * (local.ndim - 2), -1).expand_as(local)
        local = _combined(local, between)
    return Features(_combined(first.pooled, second), local, first.mask, first.centers)


def _combined(u: Tensor, v: Tensor) -> Tensor:
    return torch.cat([u, v, (u - v).abs(), u * v], dim=-1)
