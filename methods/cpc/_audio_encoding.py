"""Features of whole recordings."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods._method import Features
from methods.cpc._waves import Waves

#: Values of the first, largest map at a time: bounds the memory.
AT_ONCE = 1 << 24
#: Frames of one recording at a time, where there are so many: what a piece sees beside them is computed twice.
FRAMES = 256


def encode(audio: Tensor, samples: Tensor, waves: Waves, recurrence: nn.GRU) -> dict[str, Features]:
    """`z`, the frames, and `c`, what the recurrent network makes of them up to each.

    Args:
        audio: float32 [N, T], padded with zeros.
        samples: int64 [N]; what comes after so many is padding. One that is too short for a frame counts as a frame.

    Returns:
        local [N, F, D]; centers [F], the sample at which each frame begins; pooled, the mean over real frames.
    """
    audio = functional.pad(audio, (0, max(waves.hop - audio.shape[1], 0)))
    samples = samples.clamp_min(waves.hop)
    count = waves.frames(audio.shape[1])
    each = waves.channels * waves.hop // waves.shapes[0][1]  # of the first map, for one frame
    rows = max(AT_ONCE // (each * min(count, FRAMES)), 1)
    parts = [
        _rows(*part, waves, recurrence, max(AT_ONCE // (each * len(part[0])), 1))
        for part in zip(torch.split(audio, rows), torch.split(samples, rows), strict=True)
    ]
    real = torch.arange(count, device=audio.device) < waves.frames(samples)[:, None]
    mask = None if bool(real.all()) else real
    centers = waves.hop * torch.arange(count, dtype=torch.float32, device=audio.device)
    found = {}
    for name, maps in zip(("z", "c"), zip(*parts, strict=True), strict=True):
        local = torch.cat(maps)
        pooled = (local * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        found[name] = Features(pooled, local, mask, centers)
    return found


def _rows(audio: Tensor, samples: Tensor, waves: Waves, recurrence: nn.GRU, frames: int) -> tuple[Tensor, Tensor]:
    """Frames and contexts of some recordings: [N, F, D] and [N, F, C]."""
    z, c = zip(*_pieces(audio, samples, waves, recurrence, frames), strict=True)
    return torch.cat(z, dim=1), torch.cat(c, dim=1)


def _pieces(
    audio: Tensor, samples: Tensor, waves: Waves, recurrence: nn.GRU, frames: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """So many frames at a time, as if all had been seen at once."""
    count, hidden = waves.frames(audio.shape[1]), None
    for start in range(0, count, frames):
        z = waves(audio, samples, start, min(start + frames, count))
        c, hidden = recurrence(z, hidden)
        yield z, c
