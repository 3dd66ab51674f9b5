"""Records: what one finished or failed attempt leaves, immutable and self-describing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: Bump when fields change meaning; old files stay as test fixtures and are still read.
SCHEMA_VERSION = 1

Kind = Literal["pretraining", "evaluation"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One attempt at one pretraining, or at one evaluation (one task solved with one protocol on one encoder).

    Attributes:
        kind, fingerprint: what was attempted.
        attempt: from 1, within this fingerprint.
        status: "ok" counts; "failed" tells why.
        suite, cell, label, method, dataset, seed, control: whose work it was; a pretraining that several cells share
            names the cell that ran it. `method` is None for raw input.
        identity: the canonical JSON behind the fingerprint.
        started: UTC, ISO 8601. seconds: wall.
        hardware, versions, git: where and with what; see provenance.py.
        result: of a pretraining: steps, curve, proof of training, cost. Of an evaluation: task, protocol, scores
            (a list of {representation, primary, metric, value, higher_is_better}), test_size, selection, warnings.
        failure: {class, message, traceback} of a failed attempt.
    """

    kind: Kind
    fingerprint: str
    attempt: int = 1
    status: Literal["ok", "failed"]
    suite: str
    cell: str
    label: str
    method: str | None
    dataset: str
    seed: int
    control: str | None
    identity: Mapping[str, Any]
    started: str
    seconds: float
    hardware: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    git: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    failure: Mapping[str, str] | None = None
    schema: int = SCHEMA_VERSION
