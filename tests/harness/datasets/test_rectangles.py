from __future__ import annotations

import numpy as np
import pytest

from harness.datasets import SPLITS, SplitName
from harness.datasets.rectangles import MIN_DIFFERENCE, Rectangles, RectanglesConfig, outlines
from tests.harness.datasets.toys import Kept


@pytest.mark.parametrize("split", SPLITS)
def test_every_image_is_one_outline_with_the_label_of_its_longer_side(split: SplitName) -> None:
    kept = Kept()
    Rectangles(RectanglesConfig(train=300, val=300, test=300)).write(split, kept)
    for image, label in zip(kept.inputs["image"][:, 0], kept.targets["shape"], strict=True):
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
        expected = np.zeros_like(image)
        expected[[top, bottom], left : right + 1] = 255
        expected[top : bottom + 1, [left, right]] = 255
        assert np.array_equal(image, expected)
        height, width = bottom - top + 1, right - left + 1
        assert abs(height - width) >= MIN_DIFFERENCE
        assert label == (width > height)


def test_sides_and_places_are_uniform() -> None:
    kept = Kept()
    Rectangles(RectanglesConfig(test=20_000)).write("test", kept)
    images = kept.inputs["image"][:, 0]
    heights, widths = images.any(axis=2).sum(axis=1), images.any(axis=1).sum(axis=1)
    sides = np.arange(1, 29)
    legal = np.abs(sides[:, None] - sides) >= MIN_DIFFERENCE
    expected_mean = (sides * legal.sum(axis=1)).sum() / legal.sum()
    for measured in (heights, widths):
        assert measured.mean() == pytest.approx(expected_mean, abs=0.35)
        assert set(measured) == set(sides)
    top = images.any(axis=2).argmax(axis=1)
    assert (top / np.maximum(28 - heights, 1))[heights < 20].mean() == pytest.approx(0.5, abs=0.02)


def test_thin_boxes_are_solid() -> None:
    (line,) = outlines(np.array([[2, 3, 1, 5]]), 12)[:, 0]
    assert (line > 0).sum() == 5
    assert (line[2, 3:8] == 255).all()
