"""Hiding colour, so that the fringes of a lens do not tell where in the image a patch lay.

A lens focuses colours differently: away from the centre, green is displaced against red and blue. A network finds that
out and locates patches without looking at what they show.
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods._keys import Keys
from methods.context_prediction._config import Color

#: The released code's root mean square of a patch, where white is 255.
RMS = 50.0


def projection() -> Tensor:
    """B = I - a'a / (aa') with a = [-1, 2, -1]: takes the green-magenta axis out of a pixel. Float32 [3, 3]."""
    axis = torch.tensor([[-1.0, 2.0, -1.0]])
    return torch.eye(3) - axis.mT @ axis / (axis @ axis.mT)


def project(pixels: Tensor) -> Tensor:
    """[N, 3, H, W] -> the same."""
    return torch.einsum("dc,nchw->ndhw", projection().to(pixels), pixels)


def hide(patches: Tensor, keys: Keys, color: Color, white: float) -> Tensor:
    """Patches as a tower sees them in training: [M, C, side, side] -> the same.

    Args:
        patches: less the mean of the corpus, black to white of range `white`.
        keys: one stream per patch.
    """
    match color:
        case "none":
            return patches
        case "project":
            return project(patches)
        case "drop":
            kept = _kept(patches, keys)
            centred = kept - kept.mean((-2, -1), keepdim=True)
            deviation = centred.square().mean((-2, -1), keepdim=True).sqrt()
            noise = keys.fold("noise").normal(2, *patches.shape[2:])
            return _in_place(kept, noise * (deviation / 100), keys)
        case "drop_rms":
            kept = _kept(patches, keys)
            kept = kept - kept.mean((-2, -1), keepdim=True)
            level = white / 255
            noise = (keys.fold("noise").uniform(2, *patches.shape[2:]) - 0.5) * level
            return equalise(_in_place(kept, noise, keys), white)


def equalise(pixels: Tensor, white: float) -> Tensor:
    """Images divided by their root mean square, times 50 where white is 255: [M, C, H, W] -> the same."""
    power = pixels.square().mean((1, 2, 3), keepdim=True)
    return pixels * ((RMS / 255 * white) * (power + 1e-12).rsqrt())


def views(pixels: Tensor, color: Color, white: float) -> Tensor:
    """Whole images as towers saw patches, without randomness: [N, C, H, W] -> [V, N, C, H, W].

    Where a channel was kept at random, each is kept in turn and the others are at the mean of their noise, which is 0.
    """
    match color:
        case "none":
            return pixels[None]
        case "project":
            return project(pixels)[None]
    if color == "drop_rms":
        pixels = pixels - pixels.mean((-2, -1), keepdim=True)
    each = pixels * torch.eye(3, device=pixels.device).view(3, 1, 3, 1, 1)
    return each if color == "drop" else equalise(each.flatten(0, 1), white).view_as(each)


def _channel(keys: Keys) -> Tensor:
    return keys.fold("channel").integers(3)


def _kept(patches: Tensor, keys: Keys) -> Tensor:
    """The channel that each patch keeps: [M, 1, side, side]."""
    return patches[torch.arange(len(patches), device=patches.device), _channel(keys)][:, None]


def _in_place(kept: Tensor, noise: Tensor, keys: Keys) -> Tensor:
    """The kept channel where it was, noise in the two others: [M, 1, ...], [M, 2, ...] -> [M, 3, ...]."""
    channels = torch.cat([kept, noise], dim=1)
    source = (torch.arange(3, device=kept.device) - _channel(keys)[:, None]) % 3
    return channels[torch.arange(len(kept), device=kept.device)[:, None], source]
