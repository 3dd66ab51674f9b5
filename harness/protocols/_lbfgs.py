"""L-BFGS on several problems side by side, each with its own step length, memory and stopping.

*Compact form* (Byrd, Nocedal, Schnabel 1994, theorem 2.2): with the last m steps S and gradient changes Y as rows, R
the upper triangle of S Y', E its diagonal and H0 diagonal,

    H g = H0 g + S' R^-T [(E + Y H0 Y') R^-1 S g - Y H0 g] - H0 Y' R^-1 S g

a handful of batched products where the two-loop recursion needs 4m small ones.

*Stopping.* -g'd/2 for the direction d = -H g is the decrease that the quadratic model still promises. A problem is done
when that is at most `tolerance` times its objective. Finished ones leave the batch.
"""

from __future__ import annotations

from typing import NamedTuple
from typing import Protocol as Interface

import torch
from torch import Tensor

#: Pairs that are remembered.
MEMORY = 10
_ARMIJO = 1e-4  #: part of the promised linear decrease that a step must bring
_SMALLEST_STEP = 1e-8  #: below it the line search has failed


class Value(NamedTuple):
    """Of each of G problems: its objective float64 [G], its gradient [G, R], and float64 [G] how curved it is there."""

    objective: Tensor
    gradient: Tensor
    curvature: Tensor


class Problem(Interface):
    """A loss with an L2 penalty, of which each of G problems has its own."""

    def evaluate(self, weights: Tensor, penalties: Tensor) -> Value:
        """At weights [G, R], for penalties float64 [G]."""
        ...

    def initial_inverse(self, curvature: Tensor, penalties: Tensor) -> Tensor:
        """The diagonal of H0, a guess at the inverse Hessian up to a factor: [G, R]."""
        ...


class Minima(NamedTuple):
    """What was found, in the order of the penalties."""

    weights: Tensor  #: [G, R]
    objective: Tensor  #: float64 [G]
    iterations: Tensor  #: int64 [G]; evaluations of objective and gradient
    converged: Tensor  #: bool [G]; whether the stopping rule was met


def minimise(problem: Problem, penalties: Tensor, start: Tensor, max_iterations: int, tolerance: float) -> Minima:
    """From `start` ([G, R]) to the minimum of each problem.

    Every round evaluates each live problem once: the step is taken if it brings enough (Armijo), else shortened.
    """
    solution = start.clone()
    objective = torch.zeros_like(penalties)
    iterations = torch.full_like(penalties, max_iterations, dtype=torch.int64)
    converged = torch.zeros_like(penalties, dtype=torch.bool)
    live = torch.arange(len(start), device=start.device)
    rounding = 10 * torch.finfo(start.dtype).eps

    point = start.clone()
    value = problem.evaluate(point, penalties)
    direction = -value.gradient * problem.initial_inverse(value.curvature, penalties)
    length = torch.ones_like(penalties)
    steps = point.new_zeros(*start.shape[:1], MEMORY, start.shape[1])  # oldest pair first, by `order`
    changes = torch.zeros_like(steps)
    for iteration in range(1, max_iterations + 1):
        step = length.to(point.dtype)[:, None] * direction
        trial = problem.evaluate(point + step, penalties)
        promised = torch.linalg.vecdot(value.gradient, step).double()
        taken = trial.objective <= value.objective + _ARMIJO * promised + rounding * value.objective
        change = trial.gradient - value.gradient
        curved = torch.linalg.vecdot(step, change)
        useful = taken & (curved > 0)
        slot = (iteration - 1) % MEMORY
        steps[:, slot], changes[:, slot] = step, change
        shorter = -0.5 * promised / (trial.objective - value.objective - promised)  # of the parabola through both
        length = torch.where(taken, 1.0, length * shorter.nan_to_num(0.1).clamp(0.1, 0.5))
        reached, kept = point + step, direction
        if not useful.all():
            # A pair of zeros takes no part: refused steps, and curvature lost in rounding.
            steps[~useful, slot] = 0
            changes[~useful, slot] = 0
            refused = ~taken
            for new, old in zip((reached, *trial), (point, *value), strict=True):
                new[refused] = old[refused]
        point, value = reached, trial
        inverse = problem.initial_inverse(value.curvature, penalties)
        # H0 is right up to a factor that the last pair tells.
        factor = curved / torch.linalg.vecdot(change, change * inverse)
        inverse *= torch.where(useful, factor, 1.0)[:, None]
        order = torch.arange(iteration, iteration + MEMORY, device=start.device) % MEMORY
        direction = -times_inverse_hessian(value.gradient, steps, changes, inverse, order)
        if not taken.all():
            direction[~taken] = kept[~taken]

        left = -0.5 * torch.linalg.vecdot(value.gradient, direction).double()
        met = taken & (left <= tolerance * value.objective)
        over = met | (length < _SMALLEST_STEP)
        if iteration == max_iterations:
            over = torch.ones_like(over)
        if over.any():
            done = live[over]
            solution[done] = point[over]
            objective[done] = value.objective[over]
            iterations[done] = iteration
            converged[done] = met[over]
            on = ~over
            live, penalties, point, direction, length = live[on], penalties[on], point[on], direction[on], length[on]
            steps, changes, value = steps[on], changes[on], Value(*(part[on] for part in value))
            if not len(live):
                break
    return Minima(solution, objective, iterations, converged)


def times_inverse_hessian(gradient: Tensor, steps: Tensor, changes: Tensor, inverse: Tensor, order: Tensor) -> Tensor:
    """H g of the module's docstring, for each of G problems: [G, R].

    Args:
        gradient, inverse: [G, R]; `inverse` is the diagonal of H0.
        steps, changes: [G, m, R], pairs of zeros for none.
        order: int64 [m], slots from the oldest to the newest.
    """
    products = (steps @ changes.mT)[:, order][:, :, order]
    diagonal = products.diagonal(dim1=1, dim2=2)
    upper = products.triu(1) + torch.diag_embed(torch.where(diagonal > 0, diagonal, 1.0))

    along = torch.linalg.vecdot(steps, gradient[:, None])[:, order, None]
    first = torch.linalg.solve_triangular(upper, along, upper=True)
    unordered = torch.empty_like(first)
    unordered[:, order] = first
    corrected = inverse * (gradient - (unordered.mT @ changes).squeeze(1))  # H0 g - H0 Y' R^-1 S g
    inner = diagonal[..., None] * first - torch.linalg.vecdot(changes, corrected[:, None])[:, order, None]
    second = torch.linalg.solve_triangular(upper.mT, inner, upper=False)
    unordered = torch.empty_like(second)
    unordered[:, order] = second
    return corrected + (unordered.mT @ steps).squeeze(1)
