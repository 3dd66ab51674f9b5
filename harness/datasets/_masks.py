"""Pictures of masks -> the object of each pixel. DAVIS writes them as indices of a palette, or in black and white."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets._decoding import UnreadableError

Mask = NDArray[np.uint8]  #: [H, W]; 0 is background

_WHITE = 255


def read_mask(path: Path) -> Mask:
    """The values that a file holds: indices of a palette (DAVIS 2017), or grey levels (DAVIS 2016): [H, W].

    Raises:
        UnreadableError: damaged, or in colours that no palette numbers.
    """
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            image.load()
            mode, values = image.mode, np.array(image.convert("L") if image.mode == "1" else image)
    except Exception as error:  # decoders raise anything: OSError, SyntaxError, struct.error, DecompressionBombError
        raise UnreadableError(f"no picture that can be read: {error}") from error
    if values.ndim == 3:
        colours = values[..., : len(mode.removesuffix("A"))]
        if (colours != colours[..., :1]).any():
            raise UnreadableError(
                f"a mask in colours ({mode}); save it with a palette, whose indices number the objects"
            )
        values = colours[..., 0]
    if values.dtype != np.uint8:
        raise UnreadableError(f"more than 8 bits a pixel (mode {mode}); convert it to 8")
    return np.ascontiguousarray(values)


def numbered(mask: Mask, first: Mask) -> Mask:
    """Objects of the first mask as 1, 2, ... in the order of their values; white of black and white is 1. What the
    first mask does not hold cannot be followed, and becomes background, as for the official scorer: [H, W].

    Args:
        first: the values of the first mask of the same video.

    Raises:
        UnreadableError: white beside other values, which DAVIS has for pixels that belong to nobody's object.
    """
    held = np.setdiff1d(first, 0)
    if _WHITE in held and len(held) > 1:
        raise UnreadableError("its first mask holds 255 beside other numbers; number the objects 1, 2, ...")
    if _WHITE in held and len(strange := np.setdiff1d(mask, (0, _WHITE))):
        raise UnreadableError(f"a mask in black and white that holds {strange[0]} too; save it without smoothing")
    kept = np.zeros(256, np.uint8)
    kept[held] = np.arange(1, len(held) + 1)
    return kept[mask]
