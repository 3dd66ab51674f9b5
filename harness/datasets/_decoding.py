"""One encoded picture -> pixels of the wanted shape."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

#: A picture of the user's: its file, or its encoded bytes.
Encoded = Path | bytes
Fit = Literal["crop", "squash", "pad"]

#: Orientations of EXIF that exchange width and height.
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)
#: JPEGs are decoded at a reduced scale, if that is still so many times what is wanted.
_MARGIN = 2


class UnreadableError(Exception):
    """A picture, video or sound cannot be used; says why, not which."""


def decoded(picture: Encoded, channels: int, size: tuple[int, int] | None, fit: Fit) -> NDArray[np.uint8]:
    """Pixels: uint8 [channels, H, W], upright as EXIF says; transparency is dropped.

    Args:
        size: (height, width), or None to keep the picture's own.
        fit: crop to the wanted aspect about the centre, squash to it, or pad with black.

    Raises:
        UnreadableError: damaged, or not of 8 bits a channel.
    """
    from PIL import ImageOps

    try:
        with _opened(picture) as image:
            if size is not None:
                _draft(image, size)
            _require_eight_bits(image)
            upright = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
    except UnreadableError:
        raise
    except Exception as error:  # decoders raise anything: OSError, SyntaxError, struct.error, DecompressionBombError
        raise UnreadableError(str(error)) from error
    pixels = np.asarray(upright if size is None else fitted(upright, size, fit))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def own_size(picture: Encoded) -> tuple[int, int]:
    """(height, width), upright, from the head of the file.

    Raises:
        UnreadableError: it is no picture.
    """
    try:
        with _opened(picture) as image:
            width, height = image.size
            return (width, height) if image.getexif().get(_ORIENTATION) in _LYING else (height, width)
    except Exception as error:  # as above
        raise UnreadableError(str(error)) from error


def fitted(image: Image, size: tuple[int, int], fit: Fit) -> Image:
    """Resized by a bicubic filter that looks at all pixels (antialiased)."""
    import PIL.Image

    height, width = size
    scale_x, scale_y = width / image.width, height / image.height
    if fit == "squash":
        return image.resize((width, height), PIL.Image.Resampling.BICUBIC)
    if fit == "crop":
        scale = max(scale_x, scale_y)
        left, top = (image.width - width / scale) / 2, (image.height - height / scale) / 2
        box = (
            max(left, 0),
            max(top, 0),
            min(left + width / scale, image.width),
            min(top + height / scale, image.height),
        )
        return image.resize((width, height), PIL.Image.Resampling.BICUBIC, box=box)
    scale = min(scale_x, scale_y)
    inner = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    canvas = PIL.Image.new(image.mode, (width, height))
    canvas.paste(image.resize(inner, PIL.Image.Resampling.BICUBIC), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _opened(picture: Encoded) -> Image:
    import PIL.Image
    from PIL import UnidentifiedImageError

    try:
        return PIL.Image.open(picture if isinstance(picture, Path) else io.BytesIO(picture))
    except UnidentifiedImageError as error:
        raise UnreadableError("no picture in a format that is known here") from error


def _draft(image: Image, size: tuple[int, int]) -> None:
    """Lets a JPEG decoder skip what the resizing would throw away. No effect on other formats."""
    scale = max(size) / min(image.size) * _MARGIN
    image.draft(image.mode, (round(image.width * scale) + 1, round(image.height * scale) + 1))


def _require_eight_bits(image: Image) -> None:
    if image.mode.startswith(("I", "F")):
        raise UnreadableError(f"more than 8 bits a channel (mode {image.mode}); convert it to 8")
