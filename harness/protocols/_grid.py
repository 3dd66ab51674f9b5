"""What a reader must know of a grid that was searched."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor


def edge_warnings(name: str, winner: float, grid: Sequence[float]) -> list[str]:
    """One, if `winner` is the first or last of an ascending grid: the best value may lie beyond.

    A grid of one point was no search, so it has no edge.
    """
    if len(grid) == 1 or winner not in (grid[0], grid[-1]):
        return []
    return [f"the winning {name} {winner:g} lies on the edge of the grid [{grid[0]:g}, {grid[-1]:g}]; extend it"]


def unconverged_warnings(penalties: Tensor, converged: Tensor, max_iterations: int, tolerance: float) -> list[str]:
    """One, naming the penalties (float64 [G]) whose solution is not as exact as was asked (bool [G])."""
    missed = penalties[~converged.cpu()].tolist()
    if not missed:
        return []
    named = ", ".join(f"{penalty:g}" for penalty in missed)
    limit = f"max_iterations {max_iterations}, tolerance {tolerance:g}"
    return [f"the solver did not converge for penalty {named} ({limit}); raise them, or use float64"]


def check_grid(name: str, grid: Sequence[float]) -> None:
    """Raises ValueError unless `grid` is made of positive numbers in ascending order."""
    ascending = all(lower < higher for lower, higher in pairwise(grid))
    if not grid or not ascending or not 0 < grid[0] <= grid[-1] < float("inf"):
        raise ValueError(f"{name}: need positive numbers in ascending order, not {list(grid)}")
