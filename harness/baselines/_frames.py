"""Audio in frames: a vector every 10 ms, of the 25 ms around it.

Framing is Kaldi's with `snip_edges` off, by its library: the i-th window is centred on the i-th 10 ms, beyond the ends
the recording is mirrored, and half an interval at the end counts as one. Each window loses its mean, is pre-emphasised
by 0.97 and tapered (Povey's window); no noise is added (dither), so that the same sound has the same features.

Samples stay in [-1, 1]. The floor under the logarithm (2^-23 of energy) then lies where 16 bits end: silence made of
zeros is as loud as silence that was recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import kaldi_native_fbank as knf
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from methods import Batch, Features, Source

#: float32 [samples], at least one interval long -> float32 [frames, D].
Analysis: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def hop(rate: int) -> int:
    """Samples in 10 ms, whole ones."""
    return rate // 100


def framing(rate: int) -> Any:
    """knf.FrameExtractionOptions at this many samples a second."""
    # Half a sample more, which the library cuts off: exact whatever the rounding.
    shift, length = (1000 * (samples + 0.5) / rate for samples in (hop(rate), rate // 40))
    return knf.FrameExtractionOptions(
        samp_freq=rate, frame_shift_ms=shift, frame_length_ms=length, dither=0.0, snip_edges=False
    )


def analysed(stream: Any, rate: int, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a fresh `stream` of the library (knf.OnlineMfcc, knf.OnlineFbank) makes of a recording: [frames, D]."""
    stream.accept_waveform(rate, samples)
    stream.input_finished()
    return np.stack([stream.get_frame(frame) for frame in range(stream.num_frames_ready)])


def batch(source: Source, ids: Tensor, analysis: Analysis) -> Batch:
    """Frames of whole recordings: `frames` float32 [N, F, D], zeros beyond an example's own, of which it has `count`
    (int64 [N]), at least one: a shorter recording is filled up with silence."""
    column, least = source.columns["audio"], hop(source.spec.rate)
    rows = []
    for index in ids.tolist():
        samples = np.asarray(column.row(index), np.float32)
        samples = np.pad(samples, (0, max(least - len(samples), 0)))
        rows.append(torch.from_numpy(analysis(samples)))
    return {"frames": pad_sequence(rows, batch_first=True), "count": torch.tensor([len(row) for row in rows])}


def features(batch: Batch, rate: int) -> Features:
    """Local ones are the frames; pooled are their mean and their standard deviation over time, [N, 2 D]."""
    frames, count = batch["frames"], batch["count"]
    real = torch.arange(frames.shape[1], device=frames.device) < count[:, None]
    shares = real.double() / count[:, None]
    mean = torch.einsum("nf,nfd->nd", shares, frames.double())
    variance = torch.einsum("nf,nfd->nd", shares, (frames - mean[:, None]).square())
    pooled = torch.cat([mean, variance.sqrt()], dim=1).float()
    centers = torch.arange(frames.shape[1], dtype=torch.float32, device=frames.device) * hop(rate)
    return Features(pooled, frames, None if bool(real.all()) else real, centers)
