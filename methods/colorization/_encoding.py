"""Features of whole videos."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from methods._method import Features
from methods._videos import centers
from methods.colorization._color import gray, prepare
from methods.colorization._config import ColorizationConfig
from methods.colorization._networks import Embedder

#: Pooled features keep so many cells along a side of the frame: embeddings tell places apart by design, and a mean
#: over the whole frame would say little but where things were on average.
CELLS = 4
#: Pixels that go through the network at a time, beside the frames around them: bounds the memory.
AT_ONCE = 1 << 20


def encode(video: Tensor, frames: Tensor, embedder: Embedder, config: ColorizationConfig) -> dict[str, Features]:
    """`trunk`, the last map of the network on each frame, and `embedding`, what points.

    Args:
        video: uint8 [N, T, C, H, W].
        frames: int64 [N]; what comes after so many frames is padding.

    Returns:
        local [N, T, h, w, D]; pooled [N, CELLS * CELLS * D], the mean over time of CELLS x CELLS cells.
    """
    lengths = frames.tolist()
    shape = video.shape[-2:] if config.size is None else config.size
    at_once = max(AT_ONCE // (shape[0] * shape[1]), 1)
    each = [
        [torch.cat(parts) for parts in zip(*_pieces(one[:length], embedder, config, at_once), strict=True)]
        for one, length in zip(video, lengths, strict=True)
    ]
    longest = video.shape[1]
    real = torch.arange(longest, device=video.device) < frames[:, None]
    found = {}
    for name, rows in zip(("trunk", "embedding"), zip(*each, strict=True), strict=True):
        pooled = torch.stack([_pooled(row) for row in rows])
        local = torch.stack([functional.pad(row, (0, 0, 0, 0, 0, 0, 0, longest - len(row))) for row in rows])
        mask = None if min(lengths) == longest else real[:, :, None, None].expand(local.shape[:-1])
        places = centers(longest, local.shape[2:4], video.shape[-2:]).to(video.device)
        found[name] = Features(pooled, local, mask, places)
    return found


def _pieces(
    video: Tensor, embedder: Embedder, config: ColorizationConfig, at_once: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Trunk and embeddings of so many frames of one video at a time, as if all had been seen at once."""
    for start in range(0, len(video), at_once):
        stop = min(start + at_once, len(video))
        first, last = max(start - embedder.context, 0), min(stop + embedder.context, len(video))
        seen = gray(prepare(video[first:last], config.size))
        yield tuple(maps[0, start - first : stop - first] for maps in embedder(seen[None]))


def _pooled(local: Tensor) -> Tensor:
    """[T, h, w, D] -> [cells * D]."""
    maps = local.mean(0).movedim(-1, 0)
    cells = (min(CELLS, maps.shape[1]), min(CELLS, maps.shape[2]))
    return functional.adaptive_avg_pool2d(maps, cells).flatten()
