"""The task's shortcuts, and that what the paper does against them works: networks are trained for a second each."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tests.methods.context_images import pretext_accuracy, smooth

COUNT, SIDE, STEPS = 16, 64, 80


def through_a_lens(seed: int, fringe: float = 0.08) -> Tensor:
    """Structureless noise whose green channel is magnified about the centre, as by lateral chromatic aberration."""
    wide = SIDE + 16
    gray = smooth(COUNT, wide, 1.2, seed)
    line = ((torch.arange(SIDE) + 0.5) / SIDE * 2 - 1) * SIDE / wide

    def magnified(scale: float) -> Tensor:
        down, across = torch.meshgrid(line / scale, line / scale, indexing="ij")
        grid = torch.stack([across, down], -1).expand(COUNT, -1, -1, -1)
        return functional.grid_sample(gray, grid, align_corners=False)

    plain, green = magnified(1.0), magnified(1.0 + fringe)
    return _bytes(torch.cat([plain, green, plain], dim=1))


def soft(seed: int) -> Tensor:
    """Smooth noise: what runs over the edge of a patch goes on in its neighbour."""
    return _bytes(smooth(COUNT, SIDE, 5.0, seed).expand(-1, 3, -1, -1))


def _bytes(levels: Tensor) -> Tensor:
    return (128 + 50 * levels).clamp(0, 255).to(torch.uint8)


def test_chromatic_aberration_gives_places_away_unless_colours_are_dropped() -> None:
    apart = {"gap": 6, "jitter": 2, "pixelated": 0.0}
    raw, majority = pretext_accuracy(through_a_lens, STEPS, color="none", **apart)
    dropped, _ = pretext_accuracy(through_a_lens, STEPS, color="drop", **apart)
    released, _ = pretext_accuracy(through_a_lens, STEPS, color="drop_rms", **apart)
    assert majority < 0.2
    assert raw > 0.6
    assert dropped < majority + 0.03
    assert released < majority + 0.03


def test_without_aberration_the_same_noise_says_nothing() -> None:
    raw, majority = pretext_accuracy(
        lambda seed: through_a_lens(seed, 0.0), STEPS, color="none", gap=6, jitter=2, pixelated=0.0
    )
    assert raw < majority + 0.03


def test_touching_patches_are_told_by_continuing_edges_and_a_gap_prevents_it() -> None:
    touching, majority = pretext_accuracy(soft, STEPS, color="none", gap=0, jitter=0, pixelated=0.0)
    apart, _ = pretext_accuracy(soft, STEPS, color="none", gap=8, jitter=3, pixelated=0.0)
    assert touching > majority + 0.08
    assert apart < majority + 0.05
