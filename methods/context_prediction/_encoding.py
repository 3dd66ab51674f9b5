"""Features of whole images: the tower slides over them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods._method import Features
from methods.context_prediction._color import views
from methods.context_prediction._config import ContextPredictionConfig
from methods.context_prediction._towers import Tower, centers

#: Pooled features keep so many cells along a side: where something is counts, but not to the pixel.
CELLS = 4
#: Pixel values that go through the tower at a time: its maps then stay near the processor's caches, which halves the
#: time there, and within some hundred megabytes.
AT_ONCE = 1 << 19


def encode(images: Tensor, tower: Tower, mean: Tensor, config: ContextPredictionConfig) -> dict[str, Features]:
    """The trunk's last map and fc6, under their names: uint8 [N, C, H, W] -> local [N, h, w, D], pooled over
    CELLS x CELLS cells to [N, CELLS * CELLS * D].

    Where colours are dropped, the maps are the mean over the three channels kept, each in turn. Images go through the
    tower a few at a time, so that in training mode (fine-tuning) batch statistics are of these.
    """
    height, width = encoded_size(images.shape[2], images.shape[3], config)
    at_once = max(AT_ONCE // (images.shape[1] ** 2 * height * width), 4)
    pieces = [_maps(piece, tower, mean, config) for piece in torch.split(images, at_once)]
    layers = {tower.name: [tower.trunk], "fc6": [tower.trunk, tower.fc6]}
    features = {}
    for name in layers:
        pooled, local = (torch.cat(parts) for parts in zip(*(piece[name] for piece in pieces), strict=True))
        places = _places(layers[name], (height, width), images.shape[2:]).to(local.device)
        features[name] = Features(pooled, local, None, places)
    return features


def encoded_size(height: int, width: int, config: ContextPredictionConfig) -> tuple[int, int]:
    """Height and width at which an image is encoded: in the middle of the sizes that training saw."""
    if config.pixels is None:
        return height, width
    scale = (sum(config.pixels) / 2 / (height * width)) ** 0.5
    return int(height * scale), int(width * scale)


def _maps(
    images: Tensor, tower: Tower, mean: Tensor, config: ContextPredictionConfig
) -> dict[str, tuple[Tensor, Tensor]]:
    """Pooled and local, by representation."""
    pixels = images.float()
    if config.pixels is not None:
        size = encoded_size(images.shape[2], images.shape[3], config)
        pixels = functional.interpolate(pixels, size, mode="bilinear", align_corners=False)
    seen = views((pixels - mean) * (config.white / 255), config.color, config.white)
    trunk = tower.trunk(seen.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    maps = {tower.name: trunk, "fc6": tower.fc6(trunk)}
    return {name: _pooled_and_local(map_, len(seen)) for name, map_ in maps.items()}


def _pooled_and_local(map_: Tensor, views: int) -> tuple[Tensor, Tensor]:
    """The mean over views of [views * N, D, h, w], as [N, cells * D] and [N, h, w, D]."""
    local = map_.view(views, -1, *map_.shape[1:]).mean(0)
    cells = (min(CELLS, local.shape[2]), min(CELLS, local.shape[3]))
    return functional.adaptive_avg_pool2d(local, cells).flatten(1), local.movedim(1, -1)


def _places(layers: Sequence[nn.Module], encoded: tuple[int, int], stored: torch.Size) -> Tensor:
    """Centres of the positions in pixels of the stored image: float32 [h, w, 2]."""
    axes = [
        (centers(layers, length) + 0.5) * (kept / length) - 0.5 for length, kept in zip(encoded, stored, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
