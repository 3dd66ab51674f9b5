from __future__ import annotations

import numpy as np
import pytest

from harness.datasets._drawing import OPAQUE, SHAPES, UNITS, blend, frame, shade, waves

SIDE = 64
MIDDLE = np.array([SIDE * UNITS // 2])

#: Area over that of the square around the shape.
AREAS = {"square": 1.0, "triangle": 0.5, "cross": 1 - (2 / 3) ** 2, "ring": np.pi / 4 * (1 - 0.5**2)}


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("angle", [0, 17, 700])
def test_shapes_have_their_areas_however_turned(name: str, angle: int) -> None:
    u, v = frame(SIDE, MIDDLE, MIDDLE, np.array([angle]))
    coverage = SHAPES[name](u, v, np.array([20 * UNITS]))
    assert coverage.min() == 0
    assert coverage.max() == OPAQUE
    assert coverage.sum() / OPAQUE == pytest.approx(AREAS[name] * 40 * 40, rel=0.02)


def test_a_quarter_turn_is_clockwise() -> None:
    u, v = frame(SIDE, MIDDLE, MIDDLE, np.array([0, 180]))
    upright, turned = SHAPES["triangle"](u, v, np.array([320, 320]))
    assert np.abs(turned - np.rot90(upright, -1)).max() <= 1
    assert np.abs(turned - upright).max() == OPAQUE


def test_edges_are_a_pixel_wide_and_lie_where_they_should() -> None:
    u, v = frame(SIDE, MIDDLE, MIDDLE, np.array([0]))
    (row,) = SHAPES["square"](u, v, np.array([10 * UNITS + UNITS // 4]))[:, 32]
    assert row[20:44].tolist() == [0, 32, *[OPAQUE] * 20, 32, 0]


def test_waves_have_their_period_and_direction() -> None:
    (wave,) = waves(SIDE, np.array([65536 // 16]), np.array([0]), np.array([0]))
    assert (wave == wave[:1]).all()
    assert np.array_equal(wave[:, 16:], wave[:, :-16])
    assert (wave.min(), wave.max()) == (-64, 63)
    (down,) = waves(SIDE, np.array([0]), np.array([65536 // 16]), np.array([0]))
    assert np.array_equal(down, wave.T)


def test_blending_never_leaves_the_range() -> None:
    extremes = np.array([0, 255], np.int16)
    for coverage in range(OPAQUE + 1):
        under, over = (plane.copy() for plane in np.meshgrid(extremes, extremes))
        expected = (under * (OPAQUE - coverage) + over * coverage) / OPAQUE
        blend(under, over, np.full((2, 2), coverage, np.int16))
        assert np.abs(under - expected).max() < 1
        assert under.min() >= 0
        assert under.max() <= 255


def test_texture_never_leaves_the_range() -> None:
    texture = np.array([[[-64, 63]]], np.int16)
    for strength in (-64, 64):
        for colour in (0, 255):
            shaded = shade(np.array([colour]), texture, np.array([strength]))
            assert shaded.min() >= 0
            assert shaded.max() <= 255
            assert np.ptp(shaded) == pytest.approx(63.5, abs=0.5)
