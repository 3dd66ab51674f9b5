"""What a colour is: Lab, the palette, and red before blue everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from methods import Keys
from methods.colorization import Colorization, ColorizationConfig
from methods.colorization._color import chroma, gray, lab, prepare, rgb
from methods.colorization._palette import fit_palette, nearest
from tests.methods.moving_videos import moving, numbered, plain, source_of

SMALL = ColorizationConfig(network="small", size=None, references=1, clusters=2)
RED, BLUE = (255, 0, 0), (0, 0, 255)
#: As scikit-image and colour charts have them, to two digits.
KNOWN = {
    RED: (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    BLUE: (32.30, 79.19, -107.86),
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (128, 128, 128): (53.59, 0.0, 0.0),
}


@pytest.mark.parametrize("color", KNOWN)
def test_known_colors(color: tuple[int, int, int]) -> None:
    found = prepare(torch.from_numpy(plain(color, 1, 1)), None).flatten()
    assert found.tolist() == pytest.approx(KNOWN[color], abs=0.02)


def test_as_the_formulas_say() -> None:
    """CIE 1976 on IEC 61966-2-1, written with plain Python."""
    pixels = torch.rand(50, 3, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pixels[:5] *= 0.03  # both branches of both curves
    found = lab(pixels)
    white = (0.95047, 1.0, 1.08883)
    for pixel, one in zip(pixels.flatten(1).tolist(), found.flatten(1).tolist(), strict=True):
        r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in pixel)
        xyz = (
            0.4124564 * r + 0.3575761 * g + 0.1804375 * b,
            0.2126729 * r + 0.7151522 * g + 0.0721750 * b,
            0.0193339 * r + 0.1191920 * g + 0.9503041 * b,
        )
        ratios = [value / whole for value, whole in zip(xyz, white, strict=True)]
        x, y, z = (math.cbrt(t) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in ratios)
        assert one == pytest.approx([116 * y - 16, 500 * (x - y), 200 * (y - z)], abs=0.02)


def test_there_and_back() -> None:
    pixels = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(rgb(lab(pixels)), pixels, atol=1e-4)


def test_gray_carries_no_color() -> None:
    """No gradient of what the network sees reaches a and b; black to white is -1 to 1."""
    pixels = (100 * torch.rand(2, 3, 4, 4)).requires_grad_()
    torch.autograd.backward(gray(pixels).square().sum())
    assert pixels.grad is not None
    assert pixels.grad[:, 0].any()
    assert not pixels.grad[:, 1:].any()
    ends = gray(prepare(torch.from_numpy(np.stack([plain((0, 0, 0), 1)[0], plain((255, 255, 255), 1)[0]])), None))
    assert ends[:, 0, 0].tolist() == pytest.approx([-1, 1], abs=1e-5)


def test_cells_have_their_mean_color() -> None:
    values = torch.rand(2, 3, 6, 8)
    found = chroma(values, 2)
    assert found.shape == (2, 12, 2)
    assert torch.allclose(found[1, 4 + 2], values[1, 1:, 2:4, 4:6].mean((1, 2)))


def test_frames_are_rescaled() -> None:
    frames = torch.from_numpy(moving(1).columns["video"].row(0))
    assert prepare(frames, (8, 16)).shape == (5, 3, 8, 16)
    assert torch.equal(prepare(frames, (24, 24)), prepare(frames, None))


def test_the_palette_and_the_labels_agree_on_red() -> None:
    """Clusters fitted on colours of another order than the labels' are a known mistake: both must be red first."""
    source = source_of([plain(RED), plain(BLUE)])
    palette = fit_palette(SMALL, 2, source, Keys.of(0, "fit"))
    red, blue = (torch.tensor(KNOWN[color][1:]) for color in (RED, BLUE))
    order = nearest(torch.stack([red, blue]), palette)
    assert torch.allclose(palette[order], torch.stack([red, blue]), atol=0.1)
    method = Colorization(SMALL, source.spec, {"palette": palette})
    drawn = method.stage.draw(method.sample(source, torch.tensor([0, 1]), Keys.of(0, "a", torch.arange(2))), KEYS)
    assert (drawn.tensors["target_colors"] == order[:, None]).all()
    assert (drawn.tensors["reference_colors"] == order[:, None]).all()
    pictures, swatches = method.eval().gallery(source)
    assert np.allclose(pictures.images[0], [1.0, 0.0, 0.0], atol=0.02) is False, "the target is shown gray"
    assert np.allclose(pictures.images[0, [0, 2, 3, 4]], [1.0, 0.0, 0.0], atol=0.02)
    assert np.allclose(pictures.images[1, [0, 2, 3, 4]], [0.0, 0.0, 1.0], atol=0.02)
    assert swatches.images.shape[:2] == (1, 2)


KEYS = Keys.of(0, "draw", torch.arange(2))


def test_the_palette_is_a_function_of_the_keys() -> None:
    source = moving(6)
    config = ColorizationConfig(network="small", size=None)
    first, again = (fit_palette(config, 2, source, Keys.of(0, "fit")) for _ in range(2))
    assert first.shape == (16, 2)
    assert torch.equal(first, again)
    assert not torch.equal(first, fit_palette(config, 2, source, Keys.of(1, "fit")))


def test_too_few_colors_are_told() -> None:
    with pytest.raises(ValueError, match="they are gray"):
        fit_palette(SMALL, 2, numbered([3, 4]), Keys.of(0, "fit"))
    with pytest.raises(ValueError, match="show 1 different colours"):
        fit_palette(SMALL, 2, source_of([plain(RED)]), Keys.of(0, "fit"))


def test_the_nearest_entry() -> None:
    colors = 100 * torch.rand(7, 5, 2, generator=torch.Generator().manual_seed(0)) - 50
    palette = 100 * torch.rand(16, 2, generator=torch.Generator().manual_seed(1)) - 50
    assert torch.equal(nearest(colors, palette), (colors[:, :, None] - palette).norm(dim=-1).argmin(-1))
