"""Colours: from sRGB to CIE Lab and back.

Lightness L (0 to 100) is all that the network sees, a and b (about -110 to 110) are what it predicts.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

#: Linear sRGB to XYZ for the white point D65 (IEC 61966-2-1). Columns are the XYZ of red, green and blue.
_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
#: Stored frames that are rescaled at a time: large ones would fill the memory as float32.
_AT_ONCE = 16
#: Where CIE's cube root becomes a line: (6/29)^3, and the line's slope.
_KNEE, _SLOPE = (6 / 29) ** 3, (29 / 6) ** 2 / 3


def lab(rgb: Tensor) -> Tensor:
    """sRGB, red first, in [0, 1] -> Lab under D65: [..., 3, H, W] -> the same."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    red, green, blue = linear.unbind(-3)
    # not as a matrix product, whose rounding depends on the size of the batch: see `nearest` in _palette.py
    x, y, z = (_compress(red * to_r + green * to_g + blue * to_b) for to_r, to_g, to_b in _relative(rgb).tolist())
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def rgb(lab: Tensor) -> Tensor:
    """The inverse of `lab`, clipped to [0, 1] where a screen has no such colour."""
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], dim=-3)
    relative = torch.where(f > 6 / 29, f**3, (f - 4 / 29) / _SLOPE)
    linear = torch.einsum("cx,...xhw->...chw", torch.linalg.inv(_relative(lab)), relative).clamp(0, 1)
    encoded = torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(1e-9) ** (1 / 2.4) - 0.055)
    return encoded.clamp(0, 1)


def prepare(frames: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Stored frames as Lab, rescaled: uint8 [M, 3, H, W] -> float32 [M, 3, height, width]."""
    if size is None or size == tuple(frames.shape[2:]):
        return lab(frames.float() / 255)
    pieces = [
        functional.interpolate(some.float() / 255, size, mode="bilinear", align_corners=False, antialias=True)
        for some in torch.split(frames, _AT_ONCE)
    ]
    return lab(torch.cat(pieces).clamp(0, 1))


def gray(lab: Tensor) -> Tensor:
    """What the network sees, in [-1, 1]: [..., 3, H, W] -> [..., H, W]."""
    return lab.select(-3, 0) / 50 - 1


def chroma(lab: Tensor, cell: int) -> Tensor:
    """Mean a and b of cells of cell x cell pixels: [M, 3, H, W] -> [M, H / cell * W / cell, 2]."""
    return functional.avg_pool2d(lab[:, 1:], cell).flatten(2).mT


def _relative(like: Tensor) -> Tensor:
    """Linear sRGB to XYZ as a share of white, so that what has no colour is at a = b = 0."""
    matrix = torch.tensor(_XYZ, dtype=like.dtype, device=like.device)
    return matrix / matrix.sum(1, keepdim=True)


def _compress(xyz: Tensor) -> Tensor:
    return torch.where(xyz > _KNEE, xyz.clamp_min(_KNEE) ** (1 / 3), xyz * _SLOPE + 4 / 29)
