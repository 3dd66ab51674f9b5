"""Rows of numbers as a source, for the tests of what encodes them."""

from __future__ import annotations

from torch import Tensor

from methods import Source, Spec
from tests.toys import ToyColumn, ToySource


def rows(table: Tensor) -> Source:
    """float32 [N, ...] or uint8 [N, ...] as the column "row"."""
    spec = Spec(modality="image", shape=tuple(table.shape[1:]), size=len(table))
    return ToySource(spec, {"row": ToyColumn(list(table.numpy()))})
