"""What labels of each kind of task look like: the reasons why some do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import Task

#: What a row is, of the kinds whose examples have labels of different number.
_ROWS: dict[str, tuple[type[np.generic], str]] = {
    "span": (np.int64, "int64 [A, 2]"),
    "masks": (np.uint8, "uint8 [T, H, W]"),
    "keypoints": (np.float32, "float32 [T, K, 3]"),
}


def wrong_answers(task: Task, values: NDArray[Any]) -> str | None:
    """What is wrong with one answer an example, or None."""
    if not task.whole:
        return f"a task of kind {task.kind} has no single answer an example"
    wanted = np.int64 if task.classes else np.float64
    if values.dtype != wanted or values.ndim != 1:
        return f"must be {np.dtype(wanted)} [N], not {values.dtype} {list(values.shape)}"
    return _beyond(task, values) if task.classes else None


def wrong_positions(
    task: Task, intervals: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.int64]]
) -> str | None:
    """What is wrong with labels of positions, or None."""
    if task.kind != "position":
        return f"a task of kind {task.kind} labels no positions"
    if len(intervals) != len(values):
        return f"{len(intervals)} rows of intervals, but {len(values)} of values"
    for index, (where, what) in enumerate(zip(intervals, values, strict=True)):
        if what.dtype != np.int64 or what.ndim != 1 or where.dtype != np.int64 or where.shape != (len(what), 2):
            found = f"{where.dtype} {list(where.shape)} and {what.dtype} {list(what.shape)}"
            return f"row {index} must be int64 [L, 2] and int64 [L], not {found}"
        if len(what) and (where[:, 0].min() < 0 or (where[:, 0] >= where[:, 1]).any()):
            return f"row {index} has an interval that is empty or begins before 0"
        if (beyond := _beyond(task, what)) is not None:
            return f"row {index}: {beyond}"
    return None


def wrong_row(task: Task, row: NDArray[Any]) -> str | None:
    """What is wrong with the labels of one example, or None."""
    if task.kind not in _ROWS:
        return f"belongs to a task of kind {task.kind}, whose labels are not written so"
    dtype, form = _ROWS[task.kind]
    fits = row.ndim == (2 if task.kind == "span" else 3) and row.dtype == dtype and len(row) > 0
    if task.kind == "span":
        fits = fits and row.shape[1] == 2
    if task.kind == "keypoints":
        fits = fits and row.shape[1:] == (len(task.classes), 3)
    if not fits:
        return f"must be {form}, not {row.dtype} {list(row.shape)}"
    if task.kind == "span" and (row[:, 0].min() < 0 or (row[:, 0] >= row[:, 1]).any()):
        return "has an answer that is empty or begins before 0"
    return None


def _beyond(task: Task, values: NDArray[np.int64]) -> str | None:
    classes = len(task.classes)
    if len(values) and not (values.min() >= 0 and values.max() < classes):
        return f"lie in {values.min()}..{values.max()}, but there are {classes} classes"
    return None
