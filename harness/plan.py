"""The frozen plan: every cell with its resolved configuration, decided before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any

from harness.identity import canonical_text, joined_text, text_fingerprint

#: Controls that stand for an encoder, beside "raw" input and the names of baselines, which stand for themselves.
UNTRAINED, SUPERVISED, RAW = "untrained", "supervised", "raw"


@dataclass(frozen=True, kw_only=True)
class DatasetChoice:
    """A dataset under one configuration, and what identifies its content.

    Attributes:
        location: the fields of the configuration that say where files lie, absolute; not part of identity.
    """

    name: str
    version: int
    config: Mapping[str, Any]
    content: Mapping[str, Any] = field(default_factory=dict)
    location: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @cached_property
    def text(self) -> str:
        """Canonical."""
        return canonical_text(self)


@dataclass(frozen=True, kw_only=True)
class Initialisation:
    """All that decides a method's initial weights and fitted state."""

    method: str
    version: int
    config: Mapping[str, Any]
    dataset: DatasetChoice  #: what `fit` and the pretext task see
    seed: int

    @cached_property
    def text(self) -> str:
        """Canonical."""
        return joined_text(
            {
                "method": canonical_text(self.method),
                "version": canonical_text(self.version),
                "config": canonical_text(self.config),
                "dataset": self.dataset.text,
                "seed": canonical_text(self.seed),
            }
        )


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
    def text(self) -> str:
        """Canonical."""
        return joined_text(
            {
                "initialisation": self.initialisation.text,
                "training": canonical_text(self.training),
                "compute": canonical_text(self.compute),
            }
        )

    @property
    def identity(self) -> Any:
        """What the fingerprint stands for, as canonical JSON for the record."""
        return json.loads(self.text)

    @cached_property
    def fingerprint(self) -> str:
        """`pretrain_fp`."""
        return text_fingerprint("pretraining", self.text)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Features that need no learner (harness/baselines/), beside the raw input."""

    baseline: str
    version: int

    @cached_property
    def text(self) -> str:
        """Canonical."""
        return canonical_text(self)


#: What turns examples into features: trained, or as it begins; a baseline; None for the raw input.
Encoder = Pretraining | Initialisation | Baseline | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One task solved with one protocol on one encoder."""

    task: str
    protocol: str
    protocol_version: int
    protocol_config: Mapping[str, Any]

    @cached_property
    def text(self) -> str:
        """Canonical."""
        return canonical_text(self)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method x dataset x seed.

    Attributes:
        label: the method's `as:` name; "raw" or a baseline's name where there is no method.
        control: None for a trained encoder; "untrained" and "supervised" for its initial state, judged as the trained
            one is or fine-tuned with as many updates; else the same as `label`.
        encoder: a Pretraining (trained), an Initialisation (untrained, supervised), a Baseline's features, or None (the
            input itself).
        ranks, gpus_per_rank, cpus_per_rank: where it runs; not part of identity.
        dataset_as: the dataset's `as:` name, where a suite gives it one; not part of identity.
    """

    label: str
    dataset: DatasetChoice
    seed: int
    control: str | None
    encoder: Encoder
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
        state = f".{self.control}" if self.control in (UNTRAINED, SUPERVISED) else ""
        return f"{self.label}{state}/{self.dataset_label}/{self.seed}"

    @property
    def method(self) -> str | None:
        """The name of the method behind it; None for raw input and baselines."""
        return None if self.start is None else self.start.method

    @property
    def start(self) -> Initialisation | None:
        """The initial state of the method behind it; None for raw input and baselines."""
        if isinstance(self.encoder, Pretraining):
            return self.encoder.initialisation
        return self.encoder if isinstance(self.encoder, Initialisation) else None

    @cached_property
    def wanted(self) -> Mapping[str, Evaluation]:
        """Its evaluations by their fingerprints."""
        return {self.evaluation_fingerprint(evaluation): evaluation for evaluation in self.evaluations}

    def evaluation_text(self, evaluation: Evaluation) -> str:
        """All that decides the scores of an evaluation, canonical."""
        return joined_text(
            {
                "encoder": "null" if self.encoder is None else self.encoder.text,
                "dataset": self.dataset.text,
                "seed": canonical_text(self.seed),
                "evaluation": evaluation.text,
            }
        )

    def evaluation_identity(self, evaluation: Evaluation) -> Any:
        """What the fingerprint stands for, as canonical JSON for the record."""
        return json.loads(self.evaluation_text(evaluation))

    def evaluation_fingerprint(self, evaluation: Evaluation) -> str:
        """`eval_fp`: the encoder, the dataset it is judged on, the task and the protocol."""
        return text_fingerprint("evaluation", self.evaluation_text(evaluation))


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


#: Of the frozen form below.
PLAN_VERSION = 1

#: Puts a part that several cells share somewhere, and says how to refer to it.
_Put = Callable[[Any], Any]
#: Finds the part that a reference stands for, and builds what is made of it, once.
_Get = Callable[[Any, Callable[[Any], Any]], Any]


def cell_to_json(cell: Cell) -> dict[str, Any]:
    """A cell as JSON, whole in itself."""
    return _cell_to_json(cell, _plain)


def cell_from_json(plain: Mapping[str, Any]) -> Cell:
    """The cell that `cell_to_json` wrote."""
    return _cell_from_json(plain, lambda part, build: build(part))


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as JSON. What cells share stands once, in `shared`; cells name it by its index there."""
    shared: list[Any] = []
    index: dict[int, int] = {}  # by id: the plan keeps them alive, and equal parts that are not shared may stand twice

    def put(part: Any) -> int:
        if id(part) not in index:
            index[id(part)] = len(shared)
            shared.append(_plain(part))
        return index[id(part)]

    return {
        "version": PLAN_VERSION,
        "suite": plan.suite,
        "settings": plan.settings,
        "not_applicable": [_plain(item) for item in plan.not_applicable],
        "cells": [_cell_to_json(cell, put) for cell in plan.cells],
        "shared": shared,
    }


def plan_from_json(plain: Mapping[str, Any]) -> Plan:
    """The plan that `plan_to_json` wrote.

    Raises:
        ValueError: another version of the harness wrote it.
    """
    if plain.get("version") != PLAN_VERSION:
        raise ValueError(f"a plan of version {plain.get('version')}, but this harness reads {PLAN_VERSION}; plan again")
    shared = plain["shared"]
    built: dict[tuple[int, Callable[[Any], Any]], Any] = {}

    def get(index: int, build: Callable[[Any], Any]) -> Any:
        if (index, build) not in built:
            built[index, build] = build(shared[index])
        return built[index, build]

    return Plan(
        suite=plain["suite"],
        cells=tuple(_cell_from_json(cell, get) for cell in plain["cells"]),
        not_applicable=tuple(NotApplicable(**item) for item in plain["not_applicable"]),
        settings=plain["settings"],
    )


def _plain(part: Any) -> Any:
    """A shared part as JSON: a mapping, a dataset, or the evaluations of a cell."""
    if isinstance(part, tuple):
        return [_plain(item) for item in part]
    return {f.name: getattr(part, f.name) for f in fields(part)} if is_dataclass(part) else part


def _dataset(plain: Any) -> DatasetChoice:
    return DatasetChoice(**plain)


def _evaluations(plain: Any) -> tuple[Evaluation, ...]:
    return tuple(Evaluation(**item) for item in plain)


def _as_it_is(plain: Any) -> Any:
    return plain


def _cell_to_json(cell: Cell, put: _Put) -> dict[str, Any]:
    encoder: dict[str, Any] | None = None
    if isinstance(cell.encoder, Baseline):
        encoder = _plain(cell.encoder)
    elif isinstance(cell.encoder, Initialisation):
        encoder = _start_to_json(cell.encoder, put)
    elif cell.encoder is not None:
        encoder = {
            **_start_to_json(cell.encoder.initialisation, put),
            "training": put(cell.encoder.training),
            "compute": put(cell.encoder.compute),
        }
    return {**_plain(cell), "dataset": put(cell.dataset), "encoder": encoder, "evaluations": put(cell.evaluations)}


def _start_to_json(start: Initialisation, put: _Put) -> dict[str, Any]:
    return {**_plain(start), "config": put(start.config), "dataset": put(start.dataset)}


def _cell_from_json(plain: Mapping[str, Any], get: _Get) -> Cell:
    encoder: Encoder = None
    if plain["encoder"] is not None and "baseline" in plain["encoder"]:
        encoder = Baseline(**plain["encoder"])
    elif plain["encoder"] is not None:
        parts = dict(plain["encoder"])
        settings = {name: get(parts.pop(name), _as_it_is) for name in ("training", "compute") if name in parts}
        parts |= {"config": get(parts["config"], _as_it_is), "dataset": get(parts["dataset"], _dataset)}
        encoder = Initialisation(**parts)
        if settings:
            encoder = Pretraining(initialisation=encoder, **settings)
    dataset, evaluations = get(plain["dataset"], _dataset), get(plain["evaluations"], _evaluations)
    return Cell(**{**plain, "dataset": dataset, "encoder": encoder, "evaluations": evaluations})
