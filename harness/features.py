"""Frozen encoder -> features: every split is encoded once, for all representations together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from harness.feed import to_device
from harness.protocols import Encoder
from methods import Features, Source

#: Examples encoded at a time; features do not depend on it.
BATCH = 256


class NotFiniteError(Exception):
    """An encoder gave a NaN or an infinity."""


class Encodings:
    """A source seen through one encoder, under every representation."""

    def __init__(self, encoder: Encoder, source: Source) -> None:
        self.encoder = encoder
        self.source = source

    @cached_property
    def pooled(self) -> dict[str, Tensor]:
        """All pooled features by representation, float32 on the encoder's device: [N, D].

        Raises:
            NotFiniteError: names the representation.
        """
        parts: dict[str, list[Tensor]] = {}
        for representations in self.batches(torch.arange(len(self.source))):
            for name, features in representations.items():
                parts.setdefault(name, []).append(features.pooled.float())
        whole = {name: torch.cat(pieces) for name, pieces in parts.items()}
        for name, pooled in whole.items():
            if not torch.isfinite(pooled).all():
                raise NotFiniteError(f"representation {name!r} holds values that are not finite")
        return whole

    def under(self, representation: str, ids: Tensor | None = None) -> Representation:
        """What a protocol is given: these examples (int64 [N]), or all."""
        return Representation(self, representation, torch.arange(len(self.source)) if ids is None else ids)

    def batches(self, ids: Tensor) -> Iterator[dict[str, Features]]:
        """Features of these examples, `BATCH` at a time."""
        device = device_of(self.encoder)
        with torch.inference_mode():
            for part in torch.split(ids, BATCH):
                yield dict(self.encoder.encode(to_device(self.encoder.examples(self.source, part), device)))


@dataclass(frozen=True)
class Representation:
    """One representation of some examples; see `harness.protocols.EncodedSplit`."""

    encodings: Encodings
    name: str
    ids: Tensor

    @property
    def source(self) -> Source:
        return self.encodings.source

    def pooled(self) -> Tensor:
        # A copy: a protocol may need gradients of its own on top of these, and inference tensors would refuse.
        whole = self.encodings.pooled[self.name]
        return whole[self.ids.to(whole.device)]

    def stream(self) -> Iterator[Features]:
        for representations in self.encodings.batches(self.ids):
            yield representations[self.name]


def chunks(count: int) -> Iterator[Tensor]:
    """The ids of `count` examples, a batch at a time."""
    for start in range(0, count, BATCH):
        yield torch.arange(start, min(start + BATCH, count))


def device_of(encoder: Encoder) -> torch.device:
    """Where an encoder's weights lie; the CPU for one without weights."""
    if isinstance(encoder, nn.Module):
        for parameter in encoder.parameters():
            return parameter.device
    return torch.device("cpu")
