from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.datasets._decoding import UnreadableError, decoded, own_size


def gradient(height: int, width: int) -> Image.Image:
    """Brightness grows to the right, redness downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([y, x, x], axis=2).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "png", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(8, 8), (16, 4), (90, 200), (3, 7)])
def test_every_fit_gives_the_size(fit: Any, size: tuple[int, int]) -> None:
    for source in (gradient(30, 60), gradient(61, 7)):
        for kind in ("png", "jpeg"):
            assert decoded(encoded(source, kind), 3, size, fit).shape == (3, *size)
            assert decoded(encoded(source, kind), 1, size, fit).shape == (1, *size)


def test_crop_takes_the_middle_squash_takes_all_pad_adds_black() -> None:
    source = encoded(gradient(40, 80))
    cropped = decoded(source, 3, (20, 20), "crop")[1].mean(axis=0)
    assert cropped[[0, -1]] == pytest.approx([255 / 4, 255 * 3 / 4], abs=6)
    squashed = decoded(source, 3, (20, 20), "squash")[1].mean(axis=0)
    assert squashed[[0, -1]] == pytest.approx([0, 255], abs=8)
    padded = decoded(source, 3, (20, 20), "pad")
    assert not padded[:, [0, 4, 15, 19]].any()
    assert padded[1, 5:15].mean(axis=0)[[0, -1]] == pytest.approx([0, 255], abs=8)


def test_a_large_jpeg_is_near_what_full_decoding_gives() -> None:
    large = gradient(600, 900)
    reduced = decoded(encoded(large, "jpeg", quality=95), 3, (24, 32), "crop").astype(int)
    whole = decoded(encoded(large), 3, (24, 32), "crop").astype(int)
    assert np.abs(reduced - whole).max() <= 4


def test_pictures_are_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left: rows run from the bottom up
    lying = encoded(gradient(10, 30), exif=exif)
    assert own_size(lying) == (30, 10)
    upright = decoded(lying, 3, None, "crop")
    assert upright.shape == (3, 30, 10)
    assert np.array_equal(upright, np.rot90(decoded(encoded(gradient(10, 30)), 3, None, "crop"), -1, axes=(1, 2)))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_common_modes_become_grey_or_colour(mode: str) -> None:
    source = encoded(gradient(8, 8).convert(mode), "tiff" if mode == "CMYK" else "png")
    assert decoded(source, 3, None, "crop").shape == (3, 8, 8)
    assert decoded(source, 1, None, "crop").shape == (1, 8, 8)


def test_what_is_no_picture_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("<html>")
    for read in (lambda: decoded(tmp_path / "a.png", 3, (8, 8), "crop"), lambda: own_size(b"")):
        with pytest.raises(UnreadableError, match="no picture in a format that is known here"):
            read()
    whole = encoded(gradient(64, 64), "jpeg")
    with pytest.raises(UnreadableError, match=r"(?i)truncated"):
        decoded(whole[: len(whole) // 2], 3, (8, 8), "crop")
    deep = encoded(Image.fromarray(np.full((8, 8), 40_000, np.uint16)))
    with pytest.raises(UnreadableError, match="more than 8 bits a channel"):
        decoded(deep, 1, (4, 4), "crop")
