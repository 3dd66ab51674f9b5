from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from harness.datasets._procedural import words
from harness.datasets.scenes import ARRANGEMENTS, CONTRAST, Scenes, ScenesConfig, draw
from tests.harness.datasets.toys import Kept

MIDDLE = 2**31  # of the words; no texture, no turn, the centre
LABELS = np.arange(len(ARRANGEMENTS))


def in_the_middle(word: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same scenes with their object upright in the centre, 16 pixels between its parts."""
    word = word.copy()
    word[:, 12] = 2**32 * 3 // 7 + 1  # 13 pixels, and 3 of 7 more
    word[:, 13:16] = MIDDLE
    return word


def plain(labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The same scene for every label: gray background, white parts in the quarters of rows and columns 16 to 48."""
    word = in_the_middle(np.full((len(labels), 41), MIDDLE))
    word[:, 25:] = 2**32 - 1
    return draw(word, labels, 64)


def generated(**config: int) -> Kept:
    kept = Kept()
    Scenes(ScenesConfig(**config)).write("train", kept)
    return kept


def part_in(quarter: NDArray[Any]) -> str:
    """Told by a few pixels of a quarter [16, 16] that holds one white part, as a person would."""
    white = quarter > 250
    if not white[7:9, 7:9].any():
        return "ring"
    if not white[11:13, 2:4].any():
        return "cross"
    return "square" if white[2:4, 2:4].all() else "triangle"


def test_labels_say_where_the_parts_lie() -> None:
    objects = plain(LABELS)[:, 0, 16:48, 16:48]
    for image, arrangement in zip(objects, ARRANGEMENTS, strict=True):
        quarters = (image[:16, :16], image[:16, 16:], image[16:, :16], image[16:, 16:])
        assert tuple(part_in(quarter) for quarter in quarters) == arrangement
    assert Scenes(ScenesConfig(classes=3)).tasks["object"].classes[2] == "square cross triangle ring"


def test_arrangements_have_the_same_colours_pixel_by_pixel() -> None:
    images = np.sort(plain(LABELS).reshape(len(LABELS), 3, -1))
    assert (images == images[:1]).all()
    assert 0.1 < (images[0] > 250).mean() < 0.2


def test_only_the_object_depends_on_the_class() -> None:
    word = words("any", 50, 41)
    images = [draw(word, np.full(50, label), 64).astype(np.int64) for label in (0, 23)]  # no part stays
    changed = (images[0] != images[1]).any(axis=1)
    for axis in (1, 2):
        extent = changed.any(axis=axis)
        length = 64 - extent.argmax(axis=1) - extent[:, ::-1].argmax(axis=1)
        assert length.min() >= 20
        assert length.max() <= 48


def test_parts_differ_from_the_background_in_every_channel() -> None:
    word = in_the_middle(words("any", 500, 41))
    word[:, 9:12] = word[:, 22:25] = MIDDLE  # no texture
    images = draw(word, np.zeros(500, np.int64), 64).astype(np.int64)
    ground = images[:, :, 0, 0]
    for part, (row, column) in {"square": (24, 24), "triangle": (24, 40), "cross": (40, 24)}.items():
        difference = images[:, :, row, column] - ground
        assert np.abs(difference).min() == CONTRAST, part
        assert (np.abs(np.sign(difference).sum(axis=1)) == 3).all(), part
        assert (difference[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.1)


def test_objects_lie_anywhere() -> None:
    word = words("any", 2000, 41)
    changed = (draw(word, np.zeros(2000, np.int64), 64) != draw(word, np.full(2000, 23), 64)).any(axis=1)
    for axis in (1, 2):
        extent = changed.any(axis=axis)
        first, last = extent.argmax(axis=1), 63 - extent[:, ::-1].argmax(axis=1)
        centre = (first + last) / 2
        assert centre.mean() == pytest.approx(31.5, abs=0.6)
        assert centre.std() > 7
        assert first.min() <= 2
        assert last.max() >= 61


def test_another_size_is_the_same_picture() -> None:
    """Finer, but nothing runs over: 256 x 256 averaged over 4 x 4 is the picture of 64 x 64."""
    word, label = words("any", 20, 41), np.arange(20)
    large = draw(word, label, 256).astype(float).reshape(20, 3, 64, 4, 64, 4).mean(axis=(3, 5))
    small = draw(word, label, 64).astype(float)
    assert np.abs(large - small).mean() < 4
    other = draw(word[::-1], label, 64).astype(float)
    assert np.abs(large - other).mean() > 20


def gray(images: NDArray[Any]) -> NDArray[Any]:
    """Pictures [N, 3, 64, 64] at a quarter of their size: [N, 256]."""
    return images.reshape(len(images), 3, 16, 4, 16, 4).mean(axis=(1, 3, 5)).reshape(len(images), -1) / 255


def histograms(images: NDArray[Any]) -> NDArray[Any]:
    """Of each channel, and of gray, in 16 bins: [N, 64]."""
    planes = np.concatenate([images, images.mean(axis=1, keepdims=True).astype(np.uint8)], axis=1) >> 4
    counted = (planes.reshape(len(images), 4, -1, 1) == np.arange(16)).mean(axis=2)
    return counted.reshape(len(images), -1)


def accuracy(features: NDArray[Any], labels: NDArray[np.int64]) -> float:
    train = len(features) * 3 // 4
    classifier = LogisticRegression(max_iter=1000).fit(features[:train], labels[:train])
    return float(classifier.score(features[train:], labels[train:]))


def test_neither_pixels_nor_colours_tell_the_class() -> None:
    kept = generated(train=2400)
    images, labels = kept.inputs["image"], kept.targets["object"]
    assert accuracy(gray(images), labels) < 0.25
    assert accuracy(histograms(images), labels) < 0.2


def test_pixels_would_tell_the_class_if_nothing_varied_but_colour() -> None:
    """The test above can fail: with place, scale and lightness of the parts held fast, pixels do."""
    word, label = in_the_middle(words("fixed", 1200, 41)), np.arange(1200) % 8
    word[:, 25::4] = 2**32 - 1
    assert accuracy(gray(draw(word, label, 64)), label) > 0.9


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"classes": 25}, "classes: 25 is not between 2 and 24"),
        ({"val": 7}, "val: 7 examples cannot hold 8 classes"),
        ({"image_size": 31}, "image_size: 31"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ScenesConfig(**wrong)
