"""The frozen plan: every cell with its resolved configuration, decided before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from harness.identity import canonical, digest

Control = Literal["raw", "untrained"]


@dataclass(frozen=True, kw_only=True)
class DatasetChoice:
    """A dataset under one configuration, and what identifies its content."""

    name: str
    version: int
    config: Mapping[str, Any]
    content: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def identity(self) -> Any:
        """Canonical JSON."""
        return canonical(self)


@dataclass(frozen=True, kw_only=True)
class Initialisation:
    """All that decides a method's initial weights and fitted state."""

    method: str
    version: int
    config: Mapping[str, Any]
    dataset: DatasetChoice  #: what `fit` and the pretext task see
    seed: int

    @cached_property
    def identity(self) -> Any:
        """Canonical JSON."""
        return {
            "method": self.method,
            "version": self.version,
            "config": canonical(self.config),
            "dataset": self.dataset.identity,
            "seed": self.seed,
        }


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """All that decides a trained encoder's weights; several cells may share one.

    Attributes:
        training: resolved fields of `methods.Training`.
        compute: settings that can change numbers: engine, precision, zero, deepspeed, and ranks where the method
            declares coupling.
    """

    initialisation: Initialisation
    training: Mapping[str, Any]
    compute: Mapping[str, Any]

    @cached_property
    def identity(self) -> Any:
        """Canonical JSON."""
        return {
            "initialisation": self.initialisation.identity,
            "training": canonical(self.training),
            "compute": canonical(self.compute),
        }

    @cached_property
    def fingerprint(self) -> str:
        """`pretrain_fp`."""
        return digest("pretraining", self.identity)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One task solved with one protocol on one encoder."""

    task: str
    protocol: str
    protocol_version: int
    protocol_config: Mapping[str, Any]

    @cached_property
    def identity(self) -> Any:
        """Canonical JSON."""
        return canonical(self)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method x dataset x seed.

    Attributes:
        label: the method's `as:` name; "raw" for the raw control.
        control: None for a trained encoder.
        encoder: a Pretraining (trained), an Initialisation (untrained), or None (raw input).
        ranks, gpus_per_rank, cpus_per_rank: where it runs; not part of identity.
        dataset_as: the dataset's `as:` name, where a suite gives it one; not part of identity.
    """

    label: str
    dataset: DatasetChoice
    seed: int
    control: Control | None
    encoder: Pretraining | Initialisation | None
    evaluations: tuple[Evaluation, ...]
    ranks: int = 1
    gpus_per_rank: float = 0.0
    cpus_per_rank: float = 1.0
    dataset_as: str | None = None

    @property
    def dataset_label(self) -> str:
        """As tables name the dataset."""
        return self.dataset_as or self.dataset.name

    @property
    def id(self) -> str:
        """As people name it: "sdae/rectangles/0", "sdae.untrained/rectangles/0", "raw/rectangles/0"."""
        twin = ".untrained" if self.control == "untrained" else ""
        return f"{self.label}{twin}/{self.dataset_label}/{self.seed}"

    def evaluation_identity(self, evaluation: Evaluation) -> Any:
        """All that decides the scores of an evaluation, as canonical JSON."""
        return {
            "encoder": None if self.encoder is None else self.encoder.identity,
            "dataset": self.dataset.identity,
            "seed": self.seed,
            "evaluation": evaluation.identity,
        }

    def evaluation_fingerprint(self, evaluation: Evaluation) -> str:
        """`eval_fp`: the encoder, the dataset it is judged on, the task and the protocol."""
        return digest("evaluation", self.evaluation_identity(evaluation))


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """A pair that is not in the matrix, and why."""

    label: str
    dataset: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a suite comes to."""

    suite: str
    cells: tuple[Cell, ...]
    not_applicable: tuple[NotApplicable, ...]
    settings: Mapping[str, Any]  #: what is not identity: retry, deadlines, W&B, checkpoint interval
