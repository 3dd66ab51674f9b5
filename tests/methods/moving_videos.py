"""Videos for the tests of colorization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods import Spec
from tests.toys import ToyColumn, ToySource


def source_of(videos: Sequence[NDArray[Any]]) -> ToySource:
    """Videos uint8 [T, C, H, W] as a source."""
    spec = Spec(modality="video", shape=tuple(videos[0].shape[1:]), size=len(videos))
    return ToySource(spec, {"video": ToyColumn(videos)})


def numbered(lengths: Sequence[int], side: int = 8) -> ToySource:
    """Each frame is of one gray value: ten times the number of its video, and its own number."""
    return source_of(
        [
            np.stack([np.full((3, side, side), 10 * row + t, np.uint8) for t in range(length)])
            for row, length in enumerate(lengths)
        ]
    )


def moving(count: int, frames: int = 5, side: int = 24, seed: int = 0) -> ToySource:
    """Coloured textures that slide over the frame, each another way."""
    rng = np.random.default_rng(seed)
    videos = []
    for _ in range(count):
        texture = rng.integers(0, 256, (3, side // 4, side // 4), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
        down, right = rng.integers(-2, 3, 2)
        videos.append(np.stack([np.roll(texture, (t * down, t * right), (1, 2)) for t in range(frames)]))
    return source_of(videos)


def plain(color: tuple[int, int, int], frames: int = 3, side: int = 8) -> NDArray[np.uint8]:
    """A video of one colour (red, green, blue)."""
    pixel = np.array(color, np.uint8)[None, :, None, None]
    return np.broadcast_to(pixel, (frames, 3, side, side)).copy()
