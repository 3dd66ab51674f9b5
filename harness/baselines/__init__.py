"""Features that need no learner, which every board carries unasked. One file each; `roster()` finds them all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.baselines._baseline import Baseline
from methods import discover

__all__ = ["Baseline", "roster"]


@cache
def roster() -> Mapping[str, type[Baseline]]:
    """Every baseline by name: those in this folder, and entry points of the group `harness.baselines`."""
    return discover(Baseline, __name__, __path__)
