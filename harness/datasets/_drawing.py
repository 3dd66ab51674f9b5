"""Soft-edged shapes and textures in fixed point: the same bytes on every platform.

Planes are [N, side, side], indexed by row and column. Coordinates and lengths are in sixteenths of a pixel, the
centre of pixel (0, 0) at (8, 8); coverage is 0 outside a shape, 128 inside, with one pixel of ramp on the edge.
Per-scene parameters are [N] and are spread over the plane here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.int32]
Shade = NDArray[np.int16]
Numbers = NDArray[np.int64]

UNITS = 16  # per pixel
OPAQUE = 128
_TURN = 720  # angles are in half degrees

# Scaled to integers: no platform's cosine is off by enough to change one.
_COSINES = np.rint(np.cos(np.arange(_TURN) * (2 * np.pi / _TURN)) * 1024).astype(np.int64)


def frame(side: int, across: Numbers, down: Numbers, angle: Numbers) -> tuple[Plane, Plane]:
    """Coordinates in a frame with its origin at (across, down), turned clockwise by `angle` half degrees."""
    cosine, sine = turned(angle)
    centres = UNITS * np.arange(side) + UNITS // 2
    x, y = centres - across[:, None], centres - down[:, None]
    u = _column(cosine * x.T) + _row(sine * y.T)
    v = _row(cosine * y.T) - _column(sine * x.T)
    return u >> 10, v >> 10


def turned(angle: Numbers) -> tuple[Numbers, Numbers]:
    """1024 times cosine and sine of `angle` half degrees, whole numbers."""
    return _COSINES[angle % _TURN], _COSINES[(angle - _TURN // 4) % _TURN]


def spread(values: Numbers) -> Plane:
    """[N] -> [N, 1, 1]."""
    return values[:, None, None].astype(np.int32)


def square(u: Plane, v: Plane, size: Numbers) -> Shade:
    """Side 2 x size."""
    return _coverage(spread(size) - np.maximum(np.abs(u), np.abs(v)))


def cross(u: Plane, v: Plane, size: Numbers) -> Shade:
    """Two bars of length 2 x size, a third as wide."""
    u, v = np.abs(u), np.abs(v)
    ends = spread(size) - np.maximum(u, v)
    return _coverage(np.minimum(ends, spread(size // 3) - np.minimum(u, v)))


def triangle(u: Plane, v: Plane, size: Numbers) -> Shade:
    """Base and height 2 x size, its tip at the top."""
    h = spread(size)
    slanted = (h + v - 2 * np.abs(u)) * 458 >> 10  # 458 / 1024 = 1 / sqrt(5), the length of the normal
    return _coverage(np.minimum(h - v, slanted))


def ring(u: Plane, v: Plane, size: Numbers) -> Shade:
    """Outer radius `size`, inner radius half of it."""
    middle, width = size * 3 // 4, size // 4
    # (m^2 - rho^2) / 2m is the distance from the circle of radius m, to first order
    beyond = spread(middle * middle) - (u * u + v * v)
    limit = spread(2 * middle * (width + UNITS))
    np.clip(beyond, -limit, limit, out=beyond)
    distance = beyond * spread((1 << 16) // middle) >> 17
    return _coverage(spread(width) - np.abs(distance))


def _coverage(distance: Plane) -> Shade:
    """From the signed distance to the edge, positive inside."""
    distance = distance * (OPAQUE // UNITS) + OPAQUE // 2
    return np.clip(distance, 0, OPAQUE, out=distance).astype(np.int16)


#: Of (u, v) in a frame, whose origin is the shape's centre, and of half the shape's extent: its coverage.
SHAPES: Mapping[str, Callable[[Plane, Plane, Numbers], Shade]] = {
    "square": square,
    "triangle": triangle,
    "cross": cross,
    "ring": ring,
}


def waves(side: int, across: Numbers, down: Numbers, phase: Numbers) -> Shade:
    """Triangle waves between -64 and 63; one pixel across advances the phase by `across` / 65536 of a period."""
    steps = np.arange(side)[:, None]
    return triangle_wave(_column(across * steps + phase) + _row(down * steps))


def triangle_wave(phase: Plane) -> Shade:
    """Of a phase in 65536ths of a period: between -64 and 63."""
    wrapped = phase.astype(np.int16)
    return ((wrapped ^ (wrapped >> 15)) >> 8) - 64


def shade(colour: Numbers, texture: Shade, strength: Numbers) -> Shade:
    """One channel of a textured surface, in 0..255; `strength` is that of the texture, at most 64 either way."""
    plane = (texture * strength[:, None, None].astype(np.int16) >> 6) + colour[:, None, None].astype(np.int16)
    return np.clip(plane, 0, 255, out=plane)


def blend(under: Shade, over: Shade, coverage: Shade) -> None:
    """Lay `over` on `under`, in place. Both within 0..255, so that no product leaves 16 bits."""
    under += ((over - under) * coverage) >> 7


def _column(values: Numbers) -> Plane:
    """[side, N], one value a column -> [N, 1, side]."""
    return values.T[:, None, :].astype(np.int32)


def _row(values: Numbers) -> Plane:
    """[side, N], one value a row -> [N, side, 1]."""
    return values.T[:, :, None].astype(np.int32)
