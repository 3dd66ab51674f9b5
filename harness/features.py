"""Frozen encoder -> features: every set of examples is encoded once, for all representations together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import pairing
from harness.feed import to_device
from harness.positions import at_positions
from harness.protocols import Encoder
from methods import Features, Source

#: Most examples that are encoded at a time, and most stored values in them; features do not depend on it.
BATCH, VALUES = 256, 1 << 23


class NotFiniteError(Exception):
    """An encoder gave a NaN or an infinity."""


class Encodings:
    """A source seen through one encoder, under every representation."""

    def __init__(self, encoder: Encoder, source: Source) -> None:
        self.encoder = pairing.for_source(encoder, source)
        self.source = source
        self._pooled: dict[str, Tensor] | None = None
        self._at: dict[bytes, dict[str, Tensor]] = {}  # by the places
        self._places: dict[str, bytes] = {}  # of each task

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The representations."""
        return tuple(self._first)

    @property
    def dense(self) -> tuple[str, ...]:
        """Those that have local features."""
        return tuple(name for name, features in self._first.items() if features.local is not None)

    @cached_property
    def _first(self) -> dict[str, Features]:
        return next(self.batches(torch.arange(1)))

    @property
    def pooled(self) -> dict[str, Tensor]:
        """All pooled features by representation, float32 on the encoder's device: [N, D].

        Raises:
            NotFiniteError: names the representation.
        """
        if self._pooled is None:
            self._pooled, _ = self._encoded(None)
        return self._pooled

    def at(self, task: str, intervals: Sequence[NDArray[Any]]) -> dict[str, Tensor]:
        """Local features at the labelled positions of a task, by representation that has any: float32 [sum of L, D].

        Tasks that label the same positions (phone and speaker of each 10 ms) share them, and the pooled features come
        with them: every pass over the examples is one through the encoder.

        Args:
            intervals: of every example of the source, int64 [L, 2].

        Raises:
            NotFiniteError: names the representation.
        """
        if task not in self._places:
            places = _digest(intervals)
            if places not in self._at:
                self._pooled, self._at[places] = self._encoded(intervals)
            self._places[task] = places
        return self._at[self._places[task]]

    def _encoded(self, intervals: Sequence[NDArray[Any]] | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One pass over all examples: pooled features, and those at these places."""
        pooled: dict[str, list[Tensor]] = {}
        placed: dict[str, list[Tensor]] = {}
        first = 0
        for representations in self.batches(torch.arange(len(self.source))):
            count = len(next(iter(representations.values())).pooled)
            for name, features in representations.items():
                pooled.setdefault(name, []).append(features.pooled.float())
                if intervals is not None and features.local is not None:
                    mine = [intervals[index] for index in range(first, first + count)]
                    placed.setdefault(name, []).append(at_positions(features, mine).float())
            first += count
        return _whole(pooled), _whole(placed)

    def under(self, representation: str, ids: Tensor | None = None) -> Representation:
        """What a protocol is given: these examples (int64 [N]), or all."""
        return Representation(self, representation, torch.arange(len(self.source)) if ids is None else ids)

    def batches(self, ids: Tensor) -> Iterator[dict[str, Features]]:
        """Features of these examples, a batch at a time."""
        device = device_of(self.encoder)
        with torch.inference_mode():
            for part in batches(self.source, ids):
                yield dict(self.encoder.encode(to_device(self.encoder.examples(self.source, part), device)))


@dataclass(frozen=True)
class Representation:
    """One representation of some examples; see `harness.protocols.EncodedSplit`."""

    encodings: Encodings
    name: str
    ids: Tensor
    positions: ClassVar[None] = None  #: only tasks of kind position label any

    def __len__(self) -> int:
        return len(self.ids)

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


@dataclass(frozen=True)
class Positions:
    """The labelled positions of some examples under one representation, as if each were an example; see
    `harness.protocols.EncodedSplit`.

    Attributes:
        all_positions: of every example of the source.
    """

    encodings: Encodings
    name: str
    ids: Tensor
    task: str
    all_positions: Sequence[NDArray[Any]]

    @property
    def positions(self) -> Sequence[NDArray[Any]]:
        return [self.all_positions[index] for index in self.ids.tolist()]

    def __len__(self) -> int:
        return sum(len(row) for row in self.positions)

    @property
    def source(self) -> Source:
        return self.encodings.source

    def pooled(self) -> Tensor:
        whole = self.encodings.at(self.task, self.all_positions)[self.name]
        lengths = torch.tensor([len(row) for row in self.all_positions])
        begins = lengths.cumsum(0) - lengths
        rows = [torch.arange(int(begins[index]), int(begins[index] + lengths[index])) for index in self.ids.tolist()]
        return whole[torch.cat(rows).to(whole.device)]

    def stream(self) -> Iterator[Features]:
        for representations in self.encodings.batches(self.ids):
            yield representations[self.name]


def batches(source: Source, ids: Tensor, most: int = BATCH) -> Iterator[Tensor]:
    """These examples (int64 [N]) in order, cut so that no batch holds more than `most` of them, nor more than `VALUES`
    stored values unless it is of one example, shorter ones filled up to the longest."""
    if not len(ids):
        return
    size = math.prod(source.spec.shape)
    if source.spec.modality == "image":
        yield from torch.split(ids, max(min(most, VALUES // size), 1))
        return
    lengths = (source.columns[source.spec.modality].lengths(ids) * size).tolist()
    begin, longest = 0, 0
    for place, length in enumerate(lengths):
        longest = max(longest, length)
        if place > begin and (place - begin == most or (place - begin + 1) * longest > VALUES):
            yield ids[begin:place]
            begin, longest = place, length
    yield ids[begin:]


def device_of(encoder: Encoder) -> torch.device:
    """Where an encoder's weights lie; the CPU for one without weights."""
    if isinstance(encoder, nn.Module):
        for parameter in encoder.parameters():
            return parameter.device
    return torch.device("cpu")


def _digest(intervals: Sequence[NDArray[Any]]) -> bytes:
    """The same for the same places."""
    digest = hashlib.blake2b()
    for row in intervals:
        digest.update(len(row).to_bytes(8, "little"))
        digest.update(np.asarray(row, np.int64).tobytes())
    return digest.digest()


def _whole(parts: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    whole = {name: torch.cat(pieces) for name, pieces in parts.items()}
    for name, features in whole.items():
        if not torch.isfinite(features).all():
            raise NotFiniteError(f"representation {name!r} holds values that are not finite")
    return whole
