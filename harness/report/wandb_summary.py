"""The summary run of a suite in W&B: the leaderboard and the tidy scores as tables, and how the cells stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from harness.board_formats import render
from harness.plan import Plan
from harness.report.mirrored import Names, fingerprints, summary_id
from harness.report.wandb_runs import Content
from harness.results import board_of
from harness.store import Store
from harness.table import tidy


def summary_run(plan: Plan, store: Store) -> Content:
    """The summary of all that the store has of this plan."""
    board = board_of(store, plan)
    ours = {name for cell in plan.cells for name in fingerprints(cell)}
    scores = tidy(store).filter(pl.col("fingerprint").is_in(ours))
    names, finished = Names(store), store.finished()
    done = [cell for cell in plan.cells if finished.issuperset(cell.wanted)]
    settled = [cell for cell in plan.cells if names.settled(cell)]
    return Content(
        id=summary_id(plan.suite),
        name=f"{plan.suite}: summary",
        group=plan.suite,
        job_type="summary",
        tags=("summary",),
        config={
            "suite": plan.suite,
            "methods": sorted({cell.label for cell in plan.cells}),
            "datasets": sorted({cell.dataset_label for cell in plan.cells}),
            "seeds": sorted({cell.seed for cell in plan.cells}),
            "not_applicable": {f"{pair.label}/{pair.dataset}": pair.reason for pair in plan.not_applicable},
        },
        summary={
            "cells/planned": len(plan.cells),
            "cells/done": len(done),
            "cells/failed": len(settled) - len(done),
            "cells/missing": len(plan.cells) - len(settled),
        },
        notes=render(board, "markdown").decode(),
        tables={"leaderboard": _rows(board.rows), "scores": _rows(scores)},
    )


def _rows(frame: pl.DataFrame) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Columns and rows of plain values: lists become text, a column without any value is left out, since W&B could not
    tell what it holds."""
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    plain = frame.with_columns(pl.col(name).list.join("; ") for name in lists)
    kept = [column for column in plain.iter_columns() if column.null_count() < len(column)]
    return [column.name for column in kept], [list(row) for row in zip(*kept, strict=True)]
