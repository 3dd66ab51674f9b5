from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from harness.datasets._halfplanes import areas, convex_sets, geometric, hull_areas, lines, pixels
from harness.datasets._procedural import words
from harness.datasets.convex import Convex, ConvexConfig, pair_by_fill
from tests.harness.datasets.toys import Kept

CONFIG = ConvexConfig(train=1000, val=2, test=1000)


def is_convex(image: NDArray[np.bool_]) -> bool:
    """By the hull that scipy finds, one image at a time."""
    points = np.argwhere(image)
    others = np.argwhere(~image)
    try:
        faces = ConvexHull(points).equations
        inside = (others @ faces[:, :2].T + faces[:, 2] <= 1e-9).all(axis=1)
    except QhullError:  # all on one line: then whatever lies between the ends must be set
        ends = points[[0, -1]]
        along = others - ends[0]
        direction = ends[1] - ends[0]
        on_line = along[:, 0] * direction[1] == along[:, 1] * direction[0]
        position = along @ direction
        inside = on_line & (position > 0) & (position < direction @ direction)
    return not bool(inside.any())


@pytest.fixture(scope="module")
def splits() -> tuple[Kept, Kept]:
    train, test = Kept(), Kept()
    Convex(CONFIG).write("train", train)
    Convex(CONFIG).write("test", test)
    return train, test


def test_labels_say_whether_the_region_is_convex(splits: tuple[Kept, Kept]) -> None:
    images, labels = splits[1].inputs["image"][:150, 0] > 0, splits[1].targets["convexity"][:150]
    assert [is_convex(image) for image in images] == [bool(label) for label in labels]


def test_hulls_agree_with_scipy_on_any_pixels() -> None:
    dice = np.random.default_rng(1)
    for density in (0.02, 0.1, 0.5, 0.97):
        images = dice.random((25, 12, 12)) < density
        images[:, 3, 5] = True
        rows = (images * (1 << np.arange(12, dtype=np.uint64))).sum(axis=2).astype(np.uint64)
        assert np.array_equal(pixels(rows), images)
        assert (hull_areas(rows) == areas(rows)).tolist() == [is_convex(image) for image in images]


def test_fill_alone_tells_nothing(splits: tuple[Kept, Kept]) -> None:
    fills = [(kept.inputs["image"] > 0).sum(axis=(1, 2, 3))[:, None] for kept in splits]
    targets = [kept.targets["convexity"] for kept in splits]
    for classifier in (LogisticRegression(), DecisionTreeClassifier(max_depth=1), DecisionTreeClassifier(max_depth=6)):
        accuracy = classifier.fit(fills[0], targets[0]).score(fills[1], targets[1])
        assert accuracy <= 0.55, classifier
    for fill, target in zip(fills, targets, strict=True):
        strata = fill[:, 0] * 100 // 785
        assert np.array_equal(np.sort(strata[target == 0]), np.sort(strata[target == 1]))


def test_without_matching_fill_would_tell_the_class() -> None:
    """The test above can fail: the raw rule leaves the classes apart."""
    draws = words("raw", 2000, 1)[:, 0]
    one = areas(convex_sets("one", geometric(0.195, draws), 19, 28)) / 784
    other = areas(convex_sets("other", geometric(0.07, draws), 10, 28)) / 784
    fill, label = np.concatenate([one, other])[:, None], np.repeat([0, 1], 2000)
    assert DecisionTreeClassifier(max_depth=6).fit(fill, label).score(fill, label) > 0.6


def test_regions_are_large_enough(splits: tuple[Kept, Kept]) -> None:
    fill = (splits[0].inputs["image"] > 0).sum(axis=(1, 2, 3))
    assert fill.min() >= 16  # the stratum of 19 pixels
    assert (fill[splits[0].targets["convexity"] == 1] >= 19).all()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_draws_give_the_distribution_of_plain_rejection(count: int) -> None:
    """The acceptance by area is exact: compare with redrawing until large enough."""
    fast = areas(convex_sets("fast", np.full(4000, count), 19, 28))
    planes = lines(words("plain", 40_000 * count, 3), 28)
    flipped = words("side", len(planes), 1) >= 2**31
    planes = np.where(flipped, planes, planes ^ np.uint64((1 << 28) - 1)).reshape(40_000, count, 28)
    plain = areas(np.bitwise_and.reduce(planes, axis=1))
    plain = plain[plain >= 19]
    error = 4 * plain.std() * (1 / len(fast) + 1 / len(plain)) ** 0.5
    assert fast.mean() == pytest.approx(plain.mean(), abs=error)
    assert np.quantile(fast, [0.25, 0.5, 0.75]) == pytest.approx(np.quantile(plain, [0.25, 0.5, 0.75]), rel=0.12)


def test_geometric_has_its_mean() -> None:
    draws = geometric(0.195, words("g", 50_000, 1)[:, 0])
    assert draws.min() == 1
    assert draws.mean() == pytest.approx(1 / 0.195, rel=0.02)
    assert geometric(0.07, np.array([0, 2**32 - 1])).tolist() == [1, 64]


def test_half_planes_are_exact() -> None:
    """Against the inequality itself, in Python's integers, for every pixel."""
    word = words("h", 50, 3)
    normals = [
        (round(np.cos(t) * 32768), round(np.sin(t) * 32768)) for t in (np.arange(8192) + 0.5) * np.pi / 8192 - np.pi / 2
    ]
    for image, (angle, across, down) in zip(pixels(lines(word, 28)), word.tolist(), strict=True):
        a, b = normals[angle * 8192 >> 32]
        c = a * (across * 28 * 256 >> 32) + b * (down * 28 * 256 >> 32)
        expected = [[a * (256 * x + 128) + b * (256 * y + 128) >= c for x in range(28)] for y in range(28)]
        assert np.array_equal(image, expected)


def test_pairs_are_disjoint_and_of_one_stratum() -> None:
    dice = np.random.default_rng(0)
    first, second = dice.integers(0, 785, 300), dice.integers(0, 785, 200)
    pairs = pair_by_fill(first, second, 28)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs) > 100
    assert np.abs(first[pairs[:, 0]] - second[pairs[:, 1]]).max() <= 8
