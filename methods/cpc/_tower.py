"""What differs between the domains: how observations become latents z and contexts c."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from methods._keys import Keys
from methods._method import Batch, Features, Source, Spec, State, TaskKind
from methods.cpc._config import CpcConfig


class Observed(NamedTuple):
    """B sequences of T steps. An image is several sequences that run in parallel: its T rows of Q patches each; sound
    and text have Q = 1. The context at (t, q) predicts the latents at (t + 1, q) to (t + K, q)."""

    z: Tensor  #: [B, T, Q, D]
    c: Tensor  #: [B, T, Q, C]; at t it depends on steps 0..t alone


class Tower(nn.Module, ABC):
    """The encoder and the context network of one domain.

    Attributes:
        width, context: D and C.
        ahead: K.
    """

    width: int
    context: int
    ahead: int

    @abstractmethod
    def __init__(self, config: CpcConfig, spec: Spec, state: State) -> None:
        super().__init__()

    @classmethod
    @abstractmethod
    def fits(cls, config: CpcConfig, spec: Spec) -> str | None:
        """Why it cannot learn from such data of its modality, or None."""

    @classmethod
    @abstractmethod
    def primary(cls, config: CpcConfig) -> Mapping[TaskKind, str]:
        """See `Method.primary`."""

    @classmethod
    def fit(cls, config: CpcConfig, source: Source, keys: Keys) -> State:
        """See `Method.fit`."""
        return {}

    @abstractmethod
    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        """Sequences on the CPU, one of each of `ids` (int64 [B]): windows, images, documents."""

    @abstractmethod
    def draw(self, batch: Batch, keys: Keys) -> Mapping[str, Tensor]:
        """All randomness on the device: crops, flips. The tensor `valid`, bool [B, T, Q], says which steps are real:
        no other is a context, a target or a negative."""

    @abstractmethod
    def observe(self, tensors: Mapping[str, Tensor]) -> Observed:
        """What `draw` gave, through both networks."""

    @abstractmethod
    def examples(self, source: Source, ids: Tensor) -> Batch:
        """See `Method.examples`."""

    @abstractmethod
    def encode(self, batch: Batch) -> Mapping[str, Features]:
        """See `Method.encode`."""
