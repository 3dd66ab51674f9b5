"""InfoNCE: of all candidates, which is the latent that came? Section 2.3, equations 3 and 4.

A row is one prediction: a context c_t and a number of steps k. Its logits are f_k's logarithms, z_j . (W_k c_t), over
candidates j, and its loss is -log softmax at the latent that did come k steps later. The softmax is over candidates
with the context fixed; over contexts with the candidate fixed it would be another loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

#: Logits that are held at a time: a few megabytes, near what a core has of cache; more keep a GPU busy.
_AT_ONCE = {"cpu": 1 << 20}
_AT_ONCE_ELSEWHERE = 1 << 26


class Block(NamedTuple):
    """Rows that share their candidates: [first_row, last_row) choose among columns [first, last)."""

    first_row: int
    last_row: int
    first: int
    last: int


class Contrast(NamedTuple):
    """What R predictions came to."""

    loss: Tensor  #: [], the sum over rows; differentiable
    correct: Tensor  #: bool [R]: the positive's logit is above that of every negative


def predict(contexts: Tensor, weights: Tensor) -> Tensor:
    """W_k c for all k at once: [N, C] and [K, C, D] -> [N, K, D]."""
    steps, _, width = weights.shape
    return (contexts @ weights.transpose(0, 1).flatten(1)).view(len(contexts), steps, width)


def contrast(
    predictions: Tensor,
    candidates: Tensor,
    positives: Tensor,
    blocks: Sequence[Block],
    excluded: Tensor | None = None,
    longest: int = 0,
) -> Contrast:
    """The loss of all rows.

    The matrix products are all that costs: gradients are made on the way, while a piece of the logits is in the cache,
    so that no more than a piece is ever held.

    Args:
        predictions: W_k c_t of each row, float32 [R, D].
        candidates: latents, float32 [M, D].
        positives: the column of each row's own latent, int64 [R]; within its block.
        blocks: together they hold every row once.
        excluded: int64 [R, 2], a range of columns of which only the positive is a candidate of the row.
        longest: of these ranges.
    """
    if not len(predictions):
        return Contrast(predictions.sum() + candidates.sum() * 0.0, positives.bool())
    loss, correct = _Contrast.apply(predictions, candidates, positives, tuple(blocks), excluded, longest)  # type: ignore[no-untyped-call]
    return Contrast(loss, correct)


class _Contrast(Function):
    @staticmethod
    def forward(
        ctx: Any,
        predictions: Tensor,
        candidates: Tensor,
        positives: Tensor,
        blocks: Sequence[Block],
        excluded: Tensor | None,
        longest: int,
    ) -> tuple[Tensor, Tensor]:
        learns = any(ctx.needs_input_grad[:2])
        to_predictions = torch.empty_like(predictions) if learns else None
        to_candidates = torch.zeros_like(candidates) if learns else None
        correct = torch.empty(len(positives), dtype=torch.bool, device=positives.device)
        loss = predictions.new_zeros((), dtype=torch.float64 if predictions.device.type == "cpu" else torch.float32)
        for rows, columns in _pieces(blocks, predictions.device.type):
            guesses, choice = predictions[rows], candidates[columns]
            own = (positives[rows] - columns.start)[:, None]
            logits = guesses @ choice.T
            positive = logits.gather(1, own)
            if excluded is not None:
                logits.scatter_(1, _columns(excluded[rows] - columns.start, longest), -torch.inf)
            logits.scatter_(1, own, -torch.inf)
            rival = logits.amax(1, keepdim=True)
            torch.gt(positive, rival, out=correct[rows, None])
            logits.scatter_(1, own, positive)
            highest = torch.maximum(positive, rival)
            odds = logits.sub_(highest).exp_()
            total = odds.sum(1, keepdim=True)
            loss += (total.log() + (highest - positive)).sum(
                dtype=loss.dtype
            )  # the difference first: logits may be large
            if (
                to_predictions is not None and to_candidates is not None
            ):  # of log total: odds / total; of the positive: -1
                torch.mm(odds, choice, out=to_predictions[rows])
                to_predictions[rows] /= total
                to_predictions[rows] -= choice[own[:, 0]]
                to_candidates[columns].addmm_(odds.T, guesses / total)
                to_candidates.index_add_(0, positives[rows], guesses, alpha=-1.0)
        ctx.save_for_backward(to_predictions, to_candidates)
        ctx.mark_non_differentiable(correct)
        return loss.to(predictions.dtype), correct

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        to_predictions, to_candidates = ctx.saved_tensors
        return to_predictions * gradient, to_candidates * gradient, None, None, None, None


def _pieces(blocks: Sequence[Block], device: str) -> Iterator[tuple[slice, slice]]:
    """Blocks, cut by rows to what is held at a time."""
    at_once = _AT_ONCE.get(device, _AT_ONCE_ELSEWHERE)
    for block in blocks:
        step = max(at_once // max(block.last - block.first, 1), 1)
        for start in range(block.first_row, block.last_row, step):
            yield slice(start, min(start + step, block.last_row)), slice(block.first, block.last)


def _columns(ranges: Tensor, longest: int) -> Tensor:
    """The columns of ranges [R, 2], shorter ones filled up with their last: int64 [R, longest]."""
    along = torch.arange(longest, device=ranges.device)
    return torch.minimum(ranges[:, :1] + along, ranges[:, 1:] - 1)
