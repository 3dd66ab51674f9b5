"""What each kind of task asks and answers: the labels as protocols see them, and predictions beside the truth as
metrics compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets import Task
from harness.datasets._split import Split
from methods import Source

#: Predictions or targets, one an example: an array, or a sequence of rows.
Examples = Any


def for_protocol(split: Split, task: Task, ids: Tensor) -> Any:
    """Labels of these examples (int64 [N]) as a protocol takes them; see `harness.protocols.View`."""
    if task.whole:
        return split.labels(task.name)[ids]
    rows = split.rows(task.name).of(ids)
    if task.kind != "position":
        return rows
    return torch.from_numpy(np.concatenate(list(rows))) if len(rows) else torch.zeros(0, dtype=torch.int64)


def given(split: Split, task: Task, ids: Tensor) -> Sequence[NDArray[Any]] | None:
    """What a task gives of the examples that it tests."""
    if task.kind not in ("masks", "keypoints"):
        return None
    return [np.array(row[0]) for row in split.rows(task.name).of(ids)]


def truth(split: Split, task: Task, ids: Tensor) -> Examples:
    """The answers of these examples, as metrics take them: int64 or float64 [N]; for span the accepted texts of each
    example; else a row for each."""
    if task.whole:
        return split.labels(task.name)[ids].numpy()
    rows = split.rows(task.name).of(ids)
    if task.kind == "span":
        return [texts(split.source, index, row) for index, row in zip(ids.tolist(), rows, strict=True)]
    return list(rows)


def answers(predictions: NDArray[Any] | Sequence[NDArray[Any]], split: Split, task: Task, ids: Tensor) -> Examples:
    """What a protocol predicts for these examples, in the form of `truth`; for span one text an example."""
    if task.kind == "position":
        lengths = split.rows(task.name).of(ids).lengths()
        return np.split(np.asarray(predictions), lengths.cumsum(0)[:-1].numpy()) if len(ids) else []
    if task.kind == "span":
        spans = np.asarray(predictions)[:, None]
        return [texts(split.source, index, row)[0] for index, row in zip(ids.tolist(), spans, strict=True)]
    return predictions if task.whole else list(predictions)


def in_order(examples: Sequence[Examples], ids: Sequence[Tensor]) -> Examples:
    """Examples of several folds, sorted by their ids (int64 [N] each)."""
    if len(examples) == 1:
        return examples[0]
    order = torch.cat(list(ids)).argsort().tolist()
    if isinstance(examples[0], np.ndarray):
        return np.concatenate(examples)[order]
    flat = [row for part in examples for row in part]
    return [flat[index] for index in order]


def stored(predictions: NDArray[Any] | Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Predictions as one array for the disk; rows end to end."""
    whole = predictions if isinstance(predictions, np.ndarray) else np.concatenate(list(predictions))
    return np.ascontiguousarray(whole)


def texts(source: Source, index: int, spans: NDArray[np.int64]) -> list[str]:
    """Pieces of the text of one example, from spans int64 [A, 2] (begin, end) in bytes."""
    text = source.columns["text"].row(index).tobytes()
    return [text[begin:end].decode(errors="replace") for begin, end in spans.tolist()]
