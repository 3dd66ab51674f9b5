"""The labelled problems that encoders are judged on. One file a dataset; `roster()` finds them all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.datasets._dataset import SPLITS, Dataset, DatasetError, SplitName, Task, Writer
from methods import discover

__all__ = ["SPLITS", "Dataset", "DatasetError", "SplitName", "Task", "Writer", "roster"]


@cache
def roster() -> Mapping[str, type[Dataset]]:
    """Every dataset by name: those in this folder, and entry points of the group `harness.datasets`."""
    return discover(Dataset, __name__, __path__)
