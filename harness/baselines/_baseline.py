"""What a baseline is: an encoder without a learner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from methods import Batch, Features, Modality, Source, TaskKind


class Baseline(ABC):
    """Features of fixed making. Implements `harness.protocols.Encoder`; its one representation bears its name.

    Class attributes:
        name: as tables write it.
        version: bump when the numbers may change.
        kinds: the kinds of task that its features can serve, by the modality of the examples.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    kinds: ClassVar[Mapping[Modality, frozenset[TaskKind]]]

    @abstractmethod
    def __init__(self, train: Source) -> None:
        """Learn what must be known of the training set, as a vocabulary."""

    @abstractmethod
    def examples(self, source: Source, ids: Tensor) -> Batch:
        """Whole examples (int64 [N]) on the CPU."""

    @abstractmethod
    def encode(self, batch: Batch) -> Mapping[str, Features]:
        """The features under this baseline's name."""
