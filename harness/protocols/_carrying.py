"""Labels of a first frame carried through videos, frame by frame, by what their features resemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from harness.protocols._affinity import BLOCK, Affinities, Rule, Scorable, Tile, scorable, tiles


def carried(
    features: Tensor, lengths: Tensor, first: Tensor, rules: Sequence[Rule], block: int = BLOCK
) -> Iterator[tuple[Rule, Tensor]]:
    """Soft labels of all frames under every rule (Vondrick et al. 2018, section 3.4): recurrent, never hardened.

    The labels of a cell are the mean of the labels of the cells it is like in the frames of its context, weighted by
    softmax(similarity / temperature); those in turn were carried there the same way. Rules that share similarity and
    radius share the work. Neither batch-mates nor what stands behind a video's end have influence.

    Args:
        features: float32 [N, T, h, w, D].
        lengths: int64 [N], frames that are real.
        first: float32 [N, h, w, C], labels of the first frame.
        block: affinities held at a time; numbers depend on it by rounding only.

    Yields:
        Each rule with its labels, float32 [N, T, h, w, C], in an order of its own.
    """
    shape = (*features.shape[:4], first.shape[-1])
    real = torch.arange(shape[1], device=features.device) < lengths[:, None]
    flat = torch.where(real[:, :, None, None], features.flatten(2, 3), 0)
    start = first.flatten(1, 2)
    for similarity in dict.fromkeys(rule.similarity for rule in rules):
        scored = scorable(flat, lengths, similarity)
        alike = [rule for rule in rules if rule.similarity == similarity]
        for radius in dict.fromkeys(rule.radius for rule in alike):
            group = [rule for rule in alike if rule.radius == radius]
            labels = [start.new_zeros(len(start), shape[1], *start.shape[1:]) for _ in group]
            for own in labels:
                own[:, 0] = start
            # The context has at most so many frames.
            frames = min(max(rule.references + rule.keep_first for rule in group), shape[1])
            plan = list(tiles(shape[2], shape[3], radius, max(block // frames, 1), features.device))
            for frame in range(1, shape[1]):
                for tile in plan:
                    _carry(scored, frame, tile, group, labels, block)
            for rule, own in zip(group, labels, strict=True):
                yield rule, own.view(shape)


def _carry(
    scored: Scorable, frame: int, tile: Tile, rules: Sequence[Rule], labels: Sequence[Tensor], block: int
) -> None:
    """Fill in the labels (float32 [N, T, cells, C] per rule) of a tile's targets in one frame."""
    contexts = [rule.context(frame) for rule in rules]
    union = tuple(sorted({number for context in contexts for number in context}, reverse=True))
    at_once = max(block // (tile.pairs * len(union)), 1)
    for begin in range(0, len(scored.scale), at_once):
        videos = slice(begin, begin + at_once)
        part = Scorable(*(values[videos] for values in scored))
        affinities = Affinities(part, frame, union, tile, rules[0].radius)
        for context in dict.fromkeys(contexts):
            alike = [(rule, own) for rule, own, used in zip(rules, labels, contexts, strict=True) if used == context]
            counts = [rule.top_k for rule, _ in alike if rule.top_k is not None]
            best = affinities.nearest(context, max(counts)) if counts else None
            for rule, own in alike:
                if rule.top_k is not None and best is not None:
                    weights = torch.softmax(best.scores[..., : rule.top_k] / rule.temperature, -1)
                    new = _gathered(own[videos], best.places[..., : rule.top_k], weights)
                else:
                    weights = torch.softmax(affinities.within(context) / rule.temperature, -1)
                    new = torch.bmm(weights, own[videos][:, list(context)][:, :, tile.keys].flatten(1, 2))
                own[videos, frame, tile.targets] = new


def _gathered(labels: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of labels: [N, T, cells, C], [N, m, k], [N, m, k] -> [N, m, C]."""
    table = labels.reshape(-1, labels.shape[-1])
    offsets = torch.arange(len(labels), device=labels.device) * (labels.shape[1] * labels.shape[2])
    rows = (places + offsets[:, None, None]).flatten(0, 1)
    sums: Tensor = functional.embedding_bag(rows, table, per_sample_weights=weights.flatten(0, 1), mode="sum")
    return sums.view(*places.shape[:2], -1)
