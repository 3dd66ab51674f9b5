"""From a store to what people look at: the board of a suite, and its page of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import harness
from harness import provenance
from harness.board_notes import costs, rank_text, remarks, verdicts
from harness.leaderboard import Board, leaderboard
from harness.outcomes import gather
from harness.plan import Cell, Plan, Pretraining
from harness.record import Kind, Record
from harness.report.gallery import load_panels
from harness.report.html import write_report
from harness.report.page import BoardRow, BoardSection, Curve, Interval, Page, Picture, Problem
from harness.store import Store
from harness.table import tidy
from harness.wording import difference, duration, number

_NUMBERED = re.compile(r"(.+)_(\d+)")


def board_of(store: Store, plan: Plan | None) -> Board:
    """The leaderboard of a plan's cells, or of all that the store holds."""
    return leaderboard(tidy(store), plan, outcomes=lambda wanted: gather(store, wanted).of)


def write_page(store: Store, plan: Plan | None, board: Board) -> Path:
    """Write the report beside the records; returns its path."""
    path = store.root / "report.html"
    pretrainings = _pretrainings(store, plan)
    evaluations = _evaluations(store, plan)
    write_report(
        Page(
            title=plan.suite if plan else store.root.name,
            summary="Frozen encoders, probed: means over seeds with 95% intervals, beside their controls.",
            facts=list(_facts(board, pretrainings)),
            findings=list(_findings(board)),
            board=[_section(rows) for rows in board.groups()],
            curves=[curve for record in pretrainings for curve in _curves(record)],
            gallery=list(_pictures(store, pretrainings, evaluations)),
            problems=list(_problems(store, plan)),
            warnings=list(_warnings(evaluations)),
            provenance=_provenance(),
        ),
        path,
    )
    return path


def _section(rows: Sequence[Mapping[str, Any]]) -> BoardSection:
    first = rows[0]
    return BoardSection(
        dataset=first["dataset"],
        task=first["task"],
        protocol=first["protocol"],
        metric=first["metric"],
        higher_is_better=bool(first["higher_is_better"]),
        chance=first["chance"],
        rows=[_row(row) for row in rows],
        notes=[*verdicts(rows), *remarks(rows)],
    )


def _row(row: Mapping[str, Any]) -> BoardRow:
    return BoardRow(
        label=row["method"],
        control=row["control"],
        score=_interval(row["value"], row["low"], row["high"]),
        n=row["seeds"],
        basis="test sample" if row["interval"] == "test sample" else "seeds",
        rank=rank_text(row),
        gain=_interval(row["delta"], row["delta_low"], row["delta_high"]),
        seconds=row["pretrain_seconds"],
        costs=costs(row),
        flags=[*row["flags"], *_absences(row)],
    )


def _absences(row: Mapping[str, Any]) -> Iterator[str]:
    for state in ("failed", "skipped", "missing"):
        if row[state]:
            yield f"{row[state]} {state}"


def _interval(value: float | None, low: float | None, high: float | None) -> Interval | None:
    return None if value is None else Interval(value=value, low=low, high=high)


def _facts(board: Board, pretrainings: Sequence[Record]) -> Iterator[tuple[str, str]]:
    rows = board.rows
    yield "methods", str(rows.filter(rows["control"].is_null())["method"].n_unique())
    yield "datasets", str(rows["dataset"].n_unique())
    yield "encoders trained", str(len(pretrainings))
    yield "training time", duration(sum(record.seconds for record in pretrainings))


def _findings(board: Board) -> Iterator[str]:
    """What each group of the board says, in words that claim no more than the intervals do: of the best method, and of
    the next one."""
    for rows in board.groups():
        ranked = [row for row in rows if row["rank"] is not None]
        if not ranked:
            continue
        best = ranked[0]
        where = f"{best['dataset']}, {best['task']} ({best['protocol']})"
        gain = best["delta"]
        text = f"{where}: {best['method']} ranks first with {best['metric']} {number(best['value'])}"
        if gain is not None and best["delta_low"] is not None:
            low, high = best["delta_low"], best["delta_high"]
            text += f", {difference(gain)} over its untrained twin ({difference(low)} to {difference(high)})"
            text += ", which is within the noise" if low <= 0 <= high else ""
        next_ = next((row["words"] for row in ranked if row["words"]), None)
        yield f"{text}; {best['seeds']} seed{'s' * (best['seeds'] != 1)}{f'; {next_}' if next_ else ''}."
    for line in board.across:
        yield f"Across datasets, {line}."


def _pretrainings(store: Store, plan: Plan | None) -> list[Record]:
    """Records of the trained encoders, by label and seed; of a plan, only its own."""
    return _finished(store, "pretraining", None if plan is None else _by_encoder(plan))


def _evaluations(store: Store, plan: Plan | None) -> list[Record]:
    """Records of what was evaluated; of a plan, only its own."""
    cells = None if plan is None else {name: cell for cell in plan.cells for name in cell.wanted}
    return _finished(store, "evaluation", cells)


def _by_encoder(plan: Plan) -> dict[str, Cell]:
    """The first cell of each pretraining."""
    return {name: cell for cell in reversed(plan.cells) if (name := _trained(cell))}


def _finished(store: Store, kind: Kind, cells: Mapping[str, Cell] | None) -> list[Record]:
    """Ok records of one kind, one a fingerprint, sorted. With `cells`, only those, and under the names that the plan
    gives them: another suite may have left the same result under names of its own."""
    names = (name for name in store.record_names() if name.startswith(f"{kind}-") and name.endswith(".ok.json"))
    found = {}
    for record in store.read(name for name in names if cells is None or name.split("-")[1] in cells):
        cell = cells[record.fingerprint] if cells is not None else None
        found[record.fingerprint] = record if cell is None else _renamed(record, cell)
    return sorted(found.values(), key=lambda record: (record.dataset, record.label, record.seed))


def _renamed(record: Record, cell: Cell) -> Record:
    return replace(record, cell=cell.id, label=cell.label, dataset=cell.dataset_label, control=cell.control)


def _trained(cell: Cell) -> str | None:
    return cell.encoder.fingerprint if isinstance(cell.encoder, Pretraining) else None


def _curves(record: Record) -> Iterator[Curve]:
    """The loss, and the monitors: those whose names differ in a number at the end are members of one quantity."""
    found: dict[tuple[int, str, str], list[tuple[float, float]]] = {}
    for point in record.result.get("curve", ()):
        found.setdefault((point["stage"], "loss", ""), []).append((point["step"], point["loss"]))
        for name, value in point.get("monitors", {}).items():
            numbered = _NUMBERED.fullmatch(name)
            quantity, member = numbered.groups() if numbered else (name, "")
            if value is not None:
                found.setdefault((point["stage"], quantity, member), []).append((point["step"], value))
    for (stage, quantity, member), points in found.items():
        yield Curve(
            dataset=record.dataset,
            label=record.label,
            seed=record.seed,
            stage=stage,
            points=points,
            quantity=quantity,
            member=member,
        )


def _pictures(store: Store, pretrainings: Sequence[Record], evaluations: Sequence[Record]) -> Iterator[Picture]:
    """The gallery of each method on each dataset, and what it answers there, from its first seed."""
    shown = set()
    trained = (record for record in evaluations if record.control is None)
    for record in sorted((*pretrainings, *trained), key=lambda record: (record.dataset, record.label, record.seed)):
        group = f"{record.label} on {record.dataset}"
        source = (group, record.result.get("task"), record.result.get("protocol"))
        if source in shown:
            continue
        shown.add(source)
        for panel in load_panels(store.artifacts(record.fingerprint) / "gallery"):
            yield Picture(group=group, title=panel.title, caption=panel.caption, file=panel.file)


def _problems(store: Store, plan: Plan | None) -> Iterator[Problem]:
    finished = store.finished()
    failed = store.read(name for name in store.record_names() if name.endswith(".failed.json"))
    failures = {record.fingerprint: record for record in sorted(failed, key=lambda record: record.attempt)}  # the last
    for cell in plan.cells if plan else ():
        for name in filter(None, (_trained(cell), *cell.wanted)):
            if name in finished:
                continue
            record = failures.get(name)
            if record is not None and record.failure is not None:
                reason = f"{record.failure['class']}: {record.failure['message']}"
                yield Problem(cell=cell.id, status="failed", reason=reason)
                break
    for pair in plan.not_applicable if plan else ():
        yield Problem(cell=f"{pair.label}/{pair.dataset}", status="not applicable", reason=pair.reason)


def _warnings(evaluations: Sequence[Record]) -> Iterator[str]:
    """What evaluations warn of, each text once for all seeds of a row."""
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for record in evaluations:
        row = record.label if record.control in (None, record.label) else f"{record.label} ({record.control})"
        for text in record.result.get("warnings", ()):
            seeds.setdefault((record.dataset, row, text), set()).add(record.seed)
    for (dataset, row, text), found in sorted(seeds.items()):
        yield f"{row} on {dataset}, seed{'s' * (len(found) > 1)} {', '.join(map(str, sorted(found)))}: {text}"


def _provenance() -> dict[str, str]:
    commit = provenance.git()
    machine = provenance.hardware()
    return {
        "harness": harness.__version__,
        **{name: str(version) for name, version in provenance.versions().items()},
        "commit": f"{commit.get('commit') or 'unknown'}{' and changes' if commit.get('dirty') else ''}",
        "machine": ", ".join(f"{name} {value}" for name, value in machine.items() if value),
    }
