"""How tasks are solved on frozen encoders. One file a protocol; `roster()` finds them all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.protocols._protocol import EncodedSplit, Encoder, Needs, Protocol, Solution, View
from methods import discover

__all__ = ["EncodedSplit", "Encoder", "Needs", "Protocol", "Solution", "View", "roster"]


@cache
def roster() -> Mapping[str, type[Protocol]]:
    """Every protocol by name: those in this folder, and entry points of the group `harness.protocols`."""
    return discover(Protocol, __name__, __path__)
