"""Paints videos of sprites: their pixels, whose pixel each is, and where the main sprite's landmarks lie.

Planes are [M, side, side], one for every frame of every video, in the fixed point of _drawing.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets._drawing import OPAQUE, SHAPES, UNITS, Numbers, Shade, blend, frame, turned
from harness.datasets._procedural import Dice
from harness.datasets._sprites_motion import MOST, Motion
from harness.datasets._sprites_surfaces import Texture, add_noise, background, light, palettes, sprite_texture

FORMS = ("diamond", "triangle", "cross", "ring")
#: Half the extent that gives each form the same area, 2.25 radius^2, in 1024ths of the radius.
_EXTENT = np.array([768, 1086, 1030, 1001])
LANDMARKS = ("top", "right", "bottom", "left")
#: Of each form, across and down in 1024ths of its radius, in a frame that turns with it: corners, ends of bars, the
#: quarters of the ring; a little inside the edge.
_LANDMARKS = np.array(
    [
        [(0, -850), (850, 0), (0, 850), (-850, 0)],
        [(0, -700), (780, 930), (0, 930), (-780, 930)],
        [(0, -850), (850, 0), (0, 850), (-850, 0)],
        [(0, -750), (750, 0), (0, 750), (-750, 0)],
    ]
)


class Painted(NamedTuple):
    """N videos: uint8 [N, T, 3, side, side], uint8 [N, T, side, side], float32 [N, T, 4, 3] (x, y, visible)."""

    video: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    landmarks: NDArray[np.float32]


def paint(dice: Dice, moved: Motion, form: Numbers, side: int) -> Painted:
    """`form` [N, K]: indices into `FORMS`."""
    frames = moved.across.shape[-1]
    palette = palettes(dice)
    planes = background(dice, palette, side, frames)
    textures = [sprite_texture(dice, palette, side) for _ in range(MOST)]
    masks = np.zeros(planes[0].shape, np.uint8)
    for depth in range(MOST):
        for k, texture in enumerate(textures):
            chosen = np.flatnonzero((moved.order[:, depth] == k) & (moved.count > k))
            coverage, colours = _sprite(moved, chosen, k, form[chosen, k], texture, side)
            shown = coverage.reshape(-1, frames, side, side)
            masks[chosen] = np.where(2 * shown >= OPAQUE, k + 1, masks[chosen])
            for plane, colour in zip(planes, colours, strict=True):
                under = plane[chosen].reshape(coverage.shape)
                blend(under, colour, coverage)
                plane[chosen] = under.reshape(shown.shape)
    light(dice, planes)
    add_noise(dice, planes)
    video = np.stack(planes, axis=2).astype(np.uint8)
    return Painted(video, masks, _landmarks(moved, form[:, 0], masks))


def _sprite(
    moved: Motion, chosen: Numbers, k: int, form: Numbers, texture: Texture, side: int
) -> tuple[Shade, list[Shade]]:
    """Sprite k of the chosen videos: coverage and three channels, planes of every frame of each."""
    across, down, angle, radius, scale = (
        values[chosen, k].reshape(-1) for values in (moved.across, moved.down, moved.angle, moved.radius, moved.scale)
    )
    frames = moved.across.shape[-1]
    form = np.repeat(form, frames)
    u, v = frame(side, across, down, angle)
    coverage = np.empty(u.shape, np.int16)
    for index, name in enumerate(FORMS):
        alike = np.flatnonzero(form == index)
        at_u, at_v = u[alike], v[alike]
        if name == "diamond":  # a square on its corner: 724 / 1024 is the cosine of 45 degrees
            at_u, at_v = (at_u + at_v) * 724 >> 10, (at_v - at_u) * 724 >> 10
            name = "square"
        coverage[alike] = SHAPES[name](at_u, at_v, radius[alike] * _EXTENT[index] >> 10)
    return coverage, texture.of(np.repeat(chosen, frames)).colours(u, v, scale)


def _landmarks(moved: Motion, form: Numbers, masks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Of the main sprites: [N, T, 4, 3]."""
    offset = _LANDMARKS[form][:, None] * moved.radius[:, 0, :, None, None] >> 10  # [N, T, 4, 2]
    cosine, sine = (values[..., None] for values in turned(moved.angle[:, 0]))
    u, v = offset[..., 0], offset[..., 1]
    x = moved.across[:, 0, :, None] + ((cosine * u - sine * v) >> 10)
    y = moved.down[:, 0, :, None] + ((sine * u + cosine * v) >> 10)
    column, row = x // UNITS, y // UNITS
    side = masks.shape[-1]
    inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    video, time = np.ogrid[: masks.shape[0], : masks.shape[1]]
    owner = masks[video[..., None], time[..., None], row.clip(0, side - 1), column.clip(0, side - 1)]
    # From the edge of the first pixel to its centre.
    places = [(at - UNITS // 2).astype(np.float32) / UNITS for at in (x, y)]
    return np.stack([*places, (inside & (owner == 1)).astype(np.float32)], axis=-1)
