"""What a reader must know of a grid that was searched."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def edge_warnings(name: str, winner: float, grid: Sequence[float]) -> list[str]:
    """One, if `winner` is the first or last of an ascending grid: the best value may lie beyond.

    A grid of one point was no search, so it has no edge.
    """
    if len(grid) == 1 or winner not in (grid[0], grid[-1]):
        return []
    return [f"the winning {name} {winner:g} lies on the edge of the grid [{grid[0]:g}, {grid[-1]:g}]; extend it"]


def check_grid(name: str, grid: Sequence[float]) -> None:
    """Raises ValueError unless `grid` is made of positive numbers in ascending order."""
    ascending = all(lower < higher for lower, higher in pairwise(grid))
    if not grid or not ascending or not 0 < grid[0] <= grid[-1] < float("inf"):
        raise ValueError(f"{name}: need positive numbers in ascending order, not {list(grid)}")
