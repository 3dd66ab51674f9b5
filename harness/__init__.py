"""The benchmark for self-supervised learning: which method learns the best representation, and how sure are we?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars

__version__ = "0.1.0"
__all__ = ["records"]


def records(store: str | Path = "runs") -> polars.DataFrame:
    """All results of a store as a tidy Polars frame: one row per cell x task x protocol x representation x metric.

    Columns: `harness.table.SCHEMA`.

    Raises:
        harness.store.StoreError: there is no such store, or it cannot be read.
    """
    from harness.store import Store  # here, so that `import harness` stays light
    from harness.table import tidy

    return tidy(Store.open(Path(store), write=False))
