"""Followed objects and keypoints, drawn over the frames of their video."""

from __future__ import annotations

import colorsys
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:  # at run time it would bring torch with it, and readers of reports need none
    from methods import Panel

Pictures = NDArray[np.float32]  #: [T, H, W, 3] in [0, 1]

#: Frames are enlarged, pixel by pixel, or shrunk to about this many pixels a side.
SIDE = 144
#: Frames of a video that are shown, evenly spaced, the first and the last among them.
SHOWN = 8
_OPACITY = 0.5


def overlay(frames: NDArray[np.uint8], labels: NDArray[Any]) -> Pictures:
    """Labels over frames, each object or point in its own colour.

    Args:
        frames: uint8 [T, C, H, W] of one or three channels.
        labels: masks, uint8 [T, H, W], 0 for the background; or keypoints [T, K, 2] (x, y) or [T, K, 3] (x, y,
            visible) in pixels. Points that are hidden or not finite are not drawn.
    """
    height, width = frames.shape[2:]
    colour = np.repeat(frames, 3 // frames.shape[1], axis=1).transpose(0, 2, 3, 1)
    pictures: Pictures = np.divide(colour, 255, dtype=np.float32)
    if labels.dtype == np.uint8:
        for number in np.unique(labels[labels > 0]):
            _tint(pictures, labels == number, int(number) - 1)
        return pictures
    shown = np.isfinite(labels).all(-1)
    if labels.shape[-1] == 3:
        shown &= labels[..., 2] > 0
    rows, columns = np.mgrid[:height, :width]
    radius = max(height, width) / 48
    for frame, point in np.argwhere(shown):
        x, y = labels[frame, point, :2]
        away = np.hypot(columns - x, rows - y)
        pictures[frame][away <= radius + 1] = 0  # a dark rim, to be seen on any ground
        pictures[frame][away <= radius] = hue(int(point))
    return pictures


def _tint(pictures: Pictures, mask: NDArray[np.bool_], number: int) -> None:
    inside = mask.copy()
    inside[:, 1:] &= mask[:, :-1]
    inside[:, :-1] &= mask[:, 1:]
    inside[:, :, 1:] &= mask[:, :, :-1]
    inside[:, :, :-1] &= mask[:, :, 1:]
    pictures[mask] = (1 - _OPACITY) * pictures[mask] + _OPACITY * hue(number)
    pictures[mask & ~inside] = hue(number)


def hue(number: int) -> NDArray[np.float32]:
    """A colour for the object or point of this number (from 0), far from those of its neighbours."""
    return np.array(colorsys.hsv_to_rgb((0.02 + number * 0.618034) % 1, 0.9, 1.0), np.float32)


def propagation_panel(
    frames: NDArray[np.uint8], predicted: NDArray[Any], truth: NDArray[Any], title: str, caption: str = ""
) -> Panel:
    """One video: above what was predicted, below the truth, in frames from the first, which is given, to the last.

    Args:
        frames: uint8 [T, C, H, W].
        predicted, truth: as `overlay` takes them.
    """
    from methods import Panel

    shown = np.unique(np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).round().astype(int))
    scale = max(SIDE // max(frames.shape[2:]), 1)
    large = frames[shown].repeat(scale, axis=2).repeat(scale, axis=3)
    rows = [overlay(large, _enlarged(labels[shown], scale)) for labels in (predicted, truth)]
    images = np.stack([np.stack([_shrunk(picture) for picture in row]) for row in rows])
    told = f"frames {', '.join(map(str, shown))}; above as predicted from the first, below the truth"
    return Panel(title=title, caption=f"{caption}; {told}" if caption else told, images=images)


def _enlarged(labels: NDArray[Any], scale: int) -> NDArray[Any]:
    if labels.dtype == np.uint8:
        return labels.repeat(scale, axis=1).repeat(scale, axis=2)
    points = labels.copy()
    points[..., :2] = (points[..., :2] + 0.5) * scale - 0.5
    return points


def _shrunk(picture: Pictures) -> Pictures:
    height, width = picture.shape[:2]
    step = math.ceil(max(height, width) / (2 * SIDE))
    if step == 1:
        return picture
    image = Image.fromarray(np.rint(picture * 255).astype(np.uint8)).reduce(step)
    small: Pictures = np.divide(np.asarray(image), 255, dtype=np.float32)
    return small
