"""A plan beside what the store already holds: which cells are new, done or failed, and which setting changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.plan import Cell, Plan, Pretraining
from harness.record import Kind, Record


class State(StrEnum):
    """Where a cell stands."""

    NEW = "new"
    DONE = "done"
    PARTLY_DONE = "partly done"
    CHANGED = "changed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, kw_only=True)
class CellState:
    """One line of `harness plan`.

    Attributes:
        id: the cell's; "label/dataset" of a pair that is not applicable.
        why: what a reader wants to know: the settings that changed, the failure, what is missing, why not applicable.
    """

    id: str
    state: State
    why: tuple[str, ...] = ()


def states(plan: Plan, finished: Set[str], records: Iterable[Record]) -> list[CellState]:
    """The state of every cell, in the order of the plan, then the pairs that are not applicable.

    Args:
        finished: fingerprints with an ok record.
        records: all there are, ok and failed.
    """
    past = _Past(records)
    found = [_state(cell, finished, past) for cell in plan.cells]
    for pair in plan.not_applicable:
        found.append(CellState(id=f"{pair.label}/{pair.dataset}", state=State.NOT_APPLICABLE, why=(pair.reason,)))
    return found


def differences(before: Any, after: Any) -> list[str]:
    """The settings in which two identities differ: "training.steps 2000 -> 3000"."""
    old, new = dict(_flat(before)), dict(_flat(after))
    paths = [*old, *(path for path in new if path not in old)]
    changed = [path for path in paths if old.get(path, _ABSENT) != new.get(path, _ABSENT)]
    return list(dict.fromkeys(f"{_shown(path)} {_value(old, path)} -> {_value(new, path)}" for path in changed))


class _Past:
    """The records, ready to be asked: those of a cell's name, and the last failure of each fingerprint."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.failures: dict[str, Record] = {}
        self._finished: dict[tuple[str, Kind], list[Record]] = defaultdict(list)
        for record in records:
            if record.status == "ok":
                self._finished[record.cell, record.kind].append(record)
                continue
            known = self.failures.get(record.fingerprint)
            if known is None or known.attempt < record.attempt:
                self.failures[record.fingerprint] = record

    def of(self, cell: Cell, kind: Kind) -> list[Record]:
        """What was finished under the cell's name: its label, dataset, seed and control."""
        return self._finished.get((cell.id, kind), [])


def _state(cell: Cell, finished: Set[str], past: _Past) -> CellState:
    open_ = [name for name in cell.wanted if name not in finished]
    if not open_:
        return CellState(id=cell.id, state=State.DONE)
    trained = cell.encoder if isinstance(cell.encoder, Pretraining) else None
    pretrained = trained is not None and trained.fingerprint in finished
    unfinished = open_ if trained is None or pretrained else [trained.fingerprint, *open_]
    failures = [past.failures[name] for name in unfinished if name in past.failures]
    if failures:
        return CellState(id=cell.id, state=State.FAILED, why=tuple(dict.fromkeys(map(_failure, failures))))
    changes = tuple(_changes(cell, open_, None if pretrained else trained, past))
    if changes:
        return CellState(id=cell.id, state=State.CHANGED, why=changes)
    done = len(cell.wanted) - len(open_)
    if done or pretrained:
        missing = ", ".join(f"{cell.wanted[name].task} by {cell.wanted[name].protocol}" for name in open_)
        return CellState(id=cell.id, state=State.PARTLY_DONE, why=(f"missing: {missing}",))
    return CellState(id=cell.id, state=State.NEW)


def _failure(record: Record) -> str:
    failure: Mapping[str, str] = record.failure or {}
    return f"{failure.get('class', 'unknown')}: {failure.get('message', 'no message')} (attempt {record.attempt})"


def _changes(cell: Cell, open_: list[str], untrained: Pretraining | None, past: _Past) -> Iterator[str]:
    """The settings by which this cell's work differs from the nearest finished work under its name."""
    if untrained is not None:
        nearest = _nearest(untrained.identity, past.of(cell, "pretraining"))
        if nearest is not None:
            yield from nearest
            return
    said: dict[str, None] = {}
    for name in open_:
        evaluation = cell.wanted[name]
        alike = [
            record
            for record in past.of(cell, "evaluation")
            if record.fingerprint not in cell.wanted
            and (record.result.get("task"), record.result.get("protocol")) == (evaluation.task, evaluation.protocol)
        ]
        said.update(dict.fromkeys(_nearest(cell.evaluation_identity(evaluation), alike) or ()))
    yield from said


def _nearest(identity: Any, records: Iterable[Record]) -> list[str] | None:
    """What changed since the most similar finished record; None where there is none."""
    changes = [differences(record.identity, identity) for record in records]
    return min((change for change in changes if change), key=len, default=None)


_ABSENT = object()


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key in value:
            yield from _flat(value[key], (*path, str(key)))
    else:
        yield path, value


def _shown(path: tuple[str, ...]) -> str:
    """Without the names of the shells around a setting."""
    return ".".join(part for part in path if part not in ("encoder", "initialisation"))


def _value(values: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> str:
    value = values.get(path, _ABSENT)
    return "unset" if value is _ABSENT else "none" if value is None else str(value)
