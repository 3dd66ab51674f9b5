"""Cutting and pixelating patches, and hiding their colour."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from methods import Keys
from methods.context_prediction._color import RMS, equalise, hide, project, projection, views
from methods.context_prediction._config import Color
from methods.context_prediction._patches import cut, cut_rescaled, pixelate, pixelations
from methods.context_prediction._sampling import lay_out
from methods.context_prediction._stage import per_patch
from tests.methods.context_images import RandomImages, configured, keyed

SIDE = 17


def test_patches_are_those_of_a_plain_loop() -> None:
    images, config = RandomImages(5).pixels, configured(grids=2)
    found = lay_out(torch.tensor([64, 64]).expand(5, 2), keyed(5), config, (64, 64))
    expected = [
        images[image, :, top : top + SIDE, left : left + SIDE]
        for image in range(5)
        for there, (top, left) in zip(found.present[image].tolist(), found.corners[image].tolist(), strict=True)
        if there
    ]
    assert torch.equal(cut(images, found.corners, found.present, SIDE), torch.stack(expected))


@pytest.mark.parametrize("size", [(64, 64), (90, 71), (50, 60)])
def test_patches_of_rescaled_images_are_cut_from_the_rescaled_image(size: tuple[int, int]) -> None:
    images, config = RandomImages(3).pixels, configured()
    sizes = torch.tensor(size).expand(3, 2)
    found = lay_out(sizes, keyed(3), config, size)
    whole = functional.interpolate(images.float(), size, mode="bilinear", align_corners=False)
    expected = cut(whole, found.corners, found.present, SIDE)
    patches = cut_rescaled(images, sizes, found.corners, found.present, SIDE)
    assert torch.allclose(patches, expected, atol=0.02)  # of 255; the two name places by different roundings


def test_pixelation_is_resizing_down_and_up_of_the_asked_share() -> None:
    patches, keys, sides = torch.rand(1500, 3, SIDE, SIDE), keyed(1500), (4, 16)
    found = pixelate(patches, keys, 0.33, pixelations(SIDE, sides), sides)
    changed = (found != patches).flatten(1).any(1)
    assert abs(float(changed.float().mean()) - 0.33) < 0.05
    assert torch.equal(found[~changed], patches[~changed])

    def resized(small: int) -> torch.Tensor:
        down = functional.interpolate(patches[changed], (small, small), mode="bilinear", align_corners=False)
        return functional.interpolate(down, (SIDE, SIDE), mode="bilinear", align_corners=False)

    apart = torch.stack([(resized(small) - found[changed]).abs().amax((1, 2, 3)) for small in range(4, 17)])
    assert apart.amin(0).max() < 1e-5  # every one was sampled down to one of the sides
    assert len(apart.argmin(0).unique()) > 8
    large = float((apart.argmin(0) + 4 >= 12).float().mean())
    assert abs(large - (16**2 - 12**2) / (16**2 - 4**2)) < 0.08  # areas, not sides, are uniform


def test_the_projection_is_one_and_takes_out_green_against_magenta() -> None:
    matrix, axis = projection(), torch.tensor([-1.0, 2.0, -1.0])
    assert torch.allclose(matrix @ matrix, matrix, atol=1e-6)
    assert torch.allclose(matrix @ axis, torch.zeros(3), atol=1e-6)
    assert torch.allclose(matrix, matrix.T)
    pixels = torch.randn(4, 3, 5, 5)
    shifted = pixels + axis.view(3, 1, 1) * torch.randn(4, 1, 5, 5)
    assert torch.allclose(project(pixels), project(shifted), atol=1e-5)
    gray = torch.ones(1, 3, 2, 2)
    assert torch.allclose(project(gray), gray, atol=1e-6)


@pytest.mark.parametrize("color", ["drop", "drop_rms"])
def test_exactly_one_channel_says_anything_after_dropping(color: Color) -> None:
    patches = torch.randn(900, 3, SIDE, SIDE) * 60
    keys = keyed(900)
    found = hide(patches, keys, color, 255.0)
    alike = torch.stack([_correlation(found[:, c], patches[:, c]) for c in range(3)], dim=1)
    assert torch.equal((alike > 0.999).sum(1), torch.ones(900, dtype=torch.int64))
    kept = alike.argmax(1)
    assert torch.bincount(kept, minlength=3).min() > 230  # each channel about as often
    others = torch.stack([found[torch.arange(900), (kept + step) % 3] for step in (1, 2)], dim=1)
    for channel in range(3):
        assert _correlation(others.flatten(1), patches[:, channel].repeat(1, 2, 1).flatten(1)).abs().max() < 0.25
    again = hide(patches.roll(1, 0), keys, color, 255.0)  # the noise belongs to the patch's stream, not to its content
    assert not torch.equal(again, found)
    if color == "drop":
        assert torch.equal(found[torch.arange(900), kept], patches[torch.arange(900), kept])
        ratio = others.std((-2, -1)) / patches[torch.arange(900), kept].std((-2, -1))[:, None]
        assert abs(float(ratio.mean()) - 0.01) < 0.0005
    else:
        assert torch.allclose(found.square().mean((1, 2, 3)).sqrt(), torch.full((900,), RMS), rtol=1e-4)


def _correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return torch.cosine_similarity(
        first.flatten(1) - first.flatten(1).mean(1, keepdim=True),
        second.flatten(1) - second.flatten(1).mean(1, keepdim=True),
        dim=1,
    )


@pytest.mark.parametrize("color", ["drop", "drop_rms"])
def test_encoding_sees_what_training_saw_but_for_the_noise(color: Color) -> None:
    """A patch with channel c kept is, up to noise of a hundredth, the view that keeps c."""
    patches = torch.randn(50, 3, SIDE, SIDE) * 60
    found, seen = hide(patches, keyed(50), color, 255.0), views(patches, color, 255.0)
    assert seen.shape == (3, 50, 3, SIDE, SIDE)
    apart = (seen - found).square().mean((2, 3, 4)).amin(0).sqrt()
    assert (apart < 0.02 * found.square().mean((1, 2, 3)).sqrt()).all()


@pytest.mark.parametrize("color", ["none", "project"])
def test_without_dice_encoding_sees_exactly_what_training_saw(color: Color) -> None:
    patches = torch.randn(5, 3, SIDE, SIDE)
    assert torch.equal(views(patches, color, 255.0)[0], hide(patches, keyed(5), color, 255.0))


def test_a_uniform_patch_stays_finite() -> None:
    flat = torch.full((2, 3, SIDE, SIDE), 3.0)
    for color in ("drop", "drop_rms"):
        assert hide(flat, keyed(2), color, 255.0).isfinite().all()
    assert equalise(torch.zeros(1, 3, 4, 4), 255.0).isfinite().all()


def test_every_patch_has_a_stream_of_its_own_whatever_the_batch() -> None:
    present = torch.rand(20, 9) < 0.6
    keys = keyed(20)
    whole = per_patch(keys, present).bits(1)[:, 0]
    assert len(whole.unique()) == len(whole) == present.sum()
    parts = [per_patch(keys[part], present[part]).bits(1)[:, 0] for part in (slice(0, 7), slice(7, 20))]
    assert torch.equal(torch.cat(parts), whole)
    assert isinstance(per_patch(keys, present), Keys)
