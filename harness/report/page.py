"""What stands on the report page: plain data, already computed. Nothing here knows the store or the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Absence = Literal["failed", "skipped", "missing", "not applicable"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number and how sure we are of it; both bounds are None where no interval can be given."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """One line of a leaderboard.

    Attributes:
        label: the method's `as:` name, or "raw".
        control: None for a trained method; "raw", "untrained", ... are drawn apart and not ranked.
        score: mean of the metric; None where nothing was measured.
        n: seeds behind the score.
        basis: what the interval is over, such as "seeds" or "test sample".
        rank: as text, because it may be an interval ("1" or "1–2"); "" for controls.
        gain: over the untrained twin, in units of the metric, signed so that more than zero is better.
        seconds: of one pretraining, the mean over seeds.
        costs: further costs and the proof of training, short texts.
        flags: short warnings, shown as they are.
    """

    label: str
    control: str | None = None
    score: Interval | None
    n: int
    basis: str = "seeds"
    rank: str = ""
    gain: Interval | None = None
    seconds: float | None = None
    costs: Sequence[str] = ()
    flags: Sequence[str] = ()

    @property
    def is_baseline(self) -> bool:
        """A row without an encoder, other than raw input."""
        return self.control == self.label != "raw"


@dataclass(frozen=True, kw_only=True)
class BoardSection:
    """The leaderboard of one dataset, task and protocol, best row first as the caller sorted it."""

    dataset: str
    task: str
    protocol: str
    metric: str
    higher_is_better: bool = True
    chance: float | None = None
    rows: Sequence[BoardRow]
    notes: Sequence[str] = ()  #: sentences under the table

    @property
    def title(self) -> str:
        return f"{self.dataset} · {self.task}"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What was watched of one cell in one of its stages: (step, value) pairs in order of steps.

    Attributes:
        quantity: "loss", the pretext loss, or a monitor of the method's.
        member: which one of several alike, such as the steps ahead that an accuracy is of; "" if there is one.
    """

    dataset: str
    label: str
    seed: int
    stage: int
    points: Sequence[tuple[float, float]]
    quantity: str = "loss"
    member: str = ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One file of the gallery, PNG or plain text (.txt); `group` is the heading that it stands under."""

    group: str
    title: str
    caption: str
    file: Path


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A cell without a result, and why."""

    cell: str
    status: Absence
    reason: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole report.

    Attributes:
        title: the suite's name.
        summary: one sentence under the title.
        facts: a few (name, value) pairs, shown large.
        findings: the answer in sentences; the caller makes the claims and answers for them.
        provenance: versions, commit, machine, time, as text.
    """

    title: str
    summary: str = ""
    facts: Sequence[tuple[str, str]] = ()
    findings: Sequence[str] = ()
    board: Sequence[BoardSection] = ()
    curves: Sequence[Curve] = ()
    gallery: Sequence[Picture] = ()
    problems: Sequence[Problem] = ()
    warnings: Sequence[str] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
