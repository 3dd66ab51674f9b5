"""Images from either kind of source: still ones, and frames of videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from methods import videos
from methods._keys import Keys
from methods._method import Batch, Features, Source


def any_still(source: Source, ids: Tensor, keys: Keys) -> Tensor:
    """An image of each example, of a video any frame: uint8 [N, C, H, W]."""
    if source.spec.modality == "image":
        return source.columns["image"].take(ids)
    lengths = source.columns[videos.COLUMN].lengths(ids)
    dice = keys.fold("frame").uniform(1)[:, 0].double()
    return videos.frames(source, ids, (dice * lengths).long()[:, None])[:, 0]


def whole(source: Source, ids: Tensor) -> Batch:
    """Whole examples: `image` uint8 [N, C, H, W], or those of `methods._videos.whole`."""
    return (
        {"image": source.columns["image"].take(ids)} if source.spec.modality == "image" else videos.whole(source, ids)
    )


def encode_each(batch: Batch, encode: Callable[[Tensor], Mapping[str, Features]]) -> Mapping[str, Features]:
    """Features of `whole` examples. The frames of a video are encoded one by one: local [N, T, h, w, D], and pooled as
    the mean over time.

    Args:
        encode: uint8 [M, C, H, W] -> features of images.
    """
    if "image" in batch:
        return encode(batch["image"])
    video, frames = batch["video"], batch["frames"]
    real = torch.arange(video.shape[1], device=video.device) < frames[:, None]
    return {name: _ofvideos(features, real) for name, features in encode(video[real]).items()}


def _ofvideos(features: Features, real: Tensor) -> Features:
    """Features of frames, those of one video after those of another, as features of videos; real: bool [N, T]."""
    lengths = real.sum(1).tolist()
    longest = real.shape[1]
    local = features.local
    assert local is not None
    assert features.centers is not None
    stacked = [functional.pad(part, (0, 0, 0, 0, 0, 0, 0, longest - len(part))) for part in torch.split(local, lengths)]
    pooled = torch.stack([part.mean(0) for part in torch.split(features.pooled, lengths)])
    mask = None if bool(real.all()) else real[:, :, None, None].expand(-1, -1, *local.shape[1:3])
    places = features.centers.expand(longest, *features.centers.shape)
    times = torch.arange(float(longest), device=places.device)[:, None, None, None].expand(*places.shape[:-1], 1)
    return Features(pooled, torch.stack(stacked), mask, torch.cat([times, places], dim=-1))
