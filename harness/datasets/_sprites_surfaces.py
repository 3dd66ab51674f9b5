"""What the surfaces of a video look like: textures of two colours, changing light, noise.

Planes are [M, side, side], one for every frame of every video, in the fixed point of _drawing.py. Phases of waves are
in 65536ths of a period.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.datasets._drawing import UNITS, Numbers, Plane, Shade, spread, triangle_wave, turned, waves
from harness.datasets._procedural import Dice
from harness.datasets._sprites_motion import SIDE

_COLOURS = 5  # in a video, of which every surface has two
_WAVES = 3  # of a texture: two mix its colours, one is the grain, which is gray


class Texture(NamedTuple):
    """Of N surfaces: two colours [N, 3]; waves [N, 3], whose phase advances by `across` and `down` for a pixel; how
    strong the grain is [N]."""

    one: Numbers
    other: Numbers
    across: Numbers
    down: Numbers
    phase: Numbers
    grain: Numbers

    def of(self, chosen: Numbers) -> Texture:
        return Texture(*(values[chosen] for values in self))

    def colours(self, u: Plane, v: Plane, scale: Numbers) -> list[Shade]:
        """Three channels at coordinates (u, v) of a frame that moves with the surface, grown by scale / 1024."""
        across, down = (value * 1024 // scale[:, None] for value in (self.across, self.down))
        return self._mixed(
            [
                triangle_wave(
                    ((u * spread(across[:, wave]) + v * spread(down[:, wave])) // UNITS) + spread(self.phase[:, wave])
                )
                for wave in range(_WAVES)
            ]
        )

    def panned(self, side: int, right: Numbers, low: Numbers) -> list[Shade]:
        """Three channels over the whole picture, moved by sixteenths of a pixel [N]."""
        phase = self.phase - (self.across * right[:, None] + self.down * low[:, None]) // UNITS
        return self._mixed(
            [waves(side, self.across[:, wave], self.down[:, wave], phase[:, wave]) for wave in range(_WAVES)]
        )

    def _mixed(self, texture: list[Shade]) -> list[Shade]:
        mix = np.clip(2 * (texture[0] + texture[1]) + 64, 0, 128)
        grain = texture[2] * self.grain[:, None, None].astype(np.int16) >> 6
        one, other = (colour.astype(np.int16)[:, :, None, None] for colour in (self.one, self.other))
        return [
            np.clip(one[:, c] + ((other[:, c] - one[:, c]) * mix >> 7) + grain, 0, 255).astype(np.int16)
            for c in range(3)
        ]


def palettes(dice: Dice) -> Numbers:
    """The colours of N videos, which sprites and background share: [N, 5, 3]."""
    return np.stack([40 + dice.below(200) for _ in range(3 * _COLOURS)], axis=1).reshape(-1, _COLOURS, 3)


def sprite_texture(dice: Dice, palette: Numbers, side: int) -> Texture:
    return _texture(dice, palette, side, 8)


def background(dice: Dice, palette: Numbers, side: int, frames: int) -> list[Shade]:
    """Three channels [N, T, side, side] of a ground that moves past the camera at up to 1.2 pixels (of 48) a frame."""
    texture = _texture(dice, palette, side, 10)
    time = np.arange(frames)
    right, low = ((dice.within(19)[:, None] * time * side // SIDE).reshape(-1) for _ in range(2))
    planes = texture.of(np.repeat(np.arange(len(palette)), frames)).panned(side, right, low)
    return [plane.reshape(-1, frames, side, side) for plane in planes]


def _texture(dice: Dice, palette: Numbers, side: int, period: int) -> Texture:
    """No wave shorter than `period` pixels (of 48) along either axis."""
    first = dice.below(_COLOURS)
    second = (first + 1 + dice.below(_COLOURS - 1)) % _COLOURS
    video = np.arange(len(palette))
    fastest = 65536 * SIDE // (period * side)
    across, down = (np.stack([dice.within(fastest) for _ in range(_WAVES)], axis=1) for _ in range(2))
    phase = np.stack([dice.below(65536) for _ in range(_WAVES)], axis=1)
    return Texture(palette[video, first], palette[video, second], across, down, phase, 12 + dice.below(28))


def light(dice: Dice, planes: list[Shade]) -> None:
    """Dim the planes [N, T, side, side] in place: light that waxes, wanes and changes its tint, and a wide soft shadow
    that passes."""
    _, frames, side, _ = planes[0].shape
    time = np.arange(frames)
    brightness = 104 + (16 * _slow_wave(dice, time) >> 10)  # of 128
    slowest = 65536 * SIDE // (64 * side)
    right, low, begin, speed = dice.within(slowest), dice.within(slowest), dice.below(65536), dice.within(4000)
    phase = (begin[:, None] + speed[:, None] * time).reshape(-1)
    shadow = waves(side, np.repeat(right, frames), np.repeat(low, frames), phase).reshape(planes[0].shape)
    shadow = shadow >> 3  # at most 8 of 128 either way
    for plane in planes:
        tint = 6 * _slow_wave(dice, time) >> 10
        plane *= (brightness + tint)[:, :, None, None].astype(np.int16) + shadow - 6
        plane >>= 7


def _slow_wave(dice: Dice, time: Numbers) -> Numbers:
    """Between -1024 and 1024, with a period of 20 to 60 frames: [N, T]."""
    begin, speed = dice.below(720), 12 + dice.below(24)
    return turned(begin[:, None] + speed[:, None] * time)[0]


def add_noise(dice: Dice, planes: list[Shade]) -> None:
    """Of a camera: between -7 and 7, in place, for every pixel of its own."""
    _, frames, side, _ = planes[0].shape
    count = frames * len(planes) * side * side
    one, other = dice.below(1 << 31), dice.below(1 << 31)
    for video, key in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
        words = np.random.Philox(key=key[0] << 32 | key[1]).random_raw(-(-count // 8))
        raw = words.astype("<u8").view(np.uint8)[:count].reshape(frames, len(planes), side, side)
        noise = ((raw & 7) + (raw >> 5)).astype(np.int16) - 7
        for channel, plane in enumerate(planes):
            np.clip(plane[video] + noise[:, channel], 0, 255, out=plane[video])
