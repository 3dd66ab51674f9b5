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
    """One split seen through one encoder, under every representation."""

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
        for representations in self._batches():
            for name, features in representations.items():
                parts.setdefault(name, []).append(features.pooled.float())
        whole = {name: torch.cat(pieces) for name, pieces in parts.items()}
        for name, pooled in whole.items():
            if not torch.isfinite(pooled).all():
                raise NotFiniteError(f"representation {name!r} holds values that are not finite")
        return whole

    def under(self, representation: str) -> Representation:
        """What a protocol is given."""
        return Representation(self, representation)

    def _batches(self) -> Iterator[dict[str, Features]]:
        device = device_of(self.encoder)
        with torch.inference_mode():
            for ids in chunks(len(self.source)):
                yield dict(self.encoder.encode(to_device(self.encoder.examples(self.source, ids), device)))


@dataclass(frozen=True)
class Representation:
    """One representation of one split; see `harness.protocols.EncodedSplit`."""

    encodings: Encodings
    name: str

    @property
    def source(self) -> Source:
        return self.encodings.source

    def pooled(self) -> Tensor:
        # A protocol may need gradients of its own on top of these: inference tensors would refuse.
        return self.encodings.pooled[self.name].clone()

    def stream(self) -> Iterator[Features]:
        for representations in self.encodings._batches():
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
