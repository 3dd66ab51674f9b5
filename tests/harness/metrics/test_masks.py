"""J and F: against definitions written out pixel by pixel, and against the official scorer's own numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.metrics import METRICS
from harness.metrics._masks import boundary, contour_accuracy, decay, dilated, region_similarity

GOLDEN = {"J_mean": "J", "J_recall": "J_recall", "J_decay": "J_decay"}
GOLDEN |= {"F_mean": "F", "F_recall": "F_recall", "F_decay": "F_decay"}
SEQUENCES = 7


def _binary(folder: Path) -> NDArray[np.uint8]:
    frames = [np.asarray(Image.open(file)) > 0 for file in sorted(folder.glob("*.png"))]
    return np.stack(frames).astype(np.uint8)


def test_official_predictions_get_the_official_scores(real_data: Callable[[str], Path]) -> None:
    folder = real_data("davis2016_dev") / "davis2016_dev"
    with (folder / "osvos_golden_J_F.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == SEQUENCES
    for row in rows:
        truth = _binary(folder / "DAVIS" / "Annotations" / "480p" / row["sequence"])
        predicted = _binary(folder / "osvos_results" / row["sequence"])
        for column, name in GOLDEN.items():
            value = METRICS[name].compute([predicted], [truth])
            assert value == pytest.approx(float(row[column]), abs=1e-5), (row["sequence"], name)


def test_copying_the_first_mask_of_davis_gets_the_known_scores(real_data: Callable[[str], Path]) -> None:
    folder = real_data("davis2016_dev") / "davis2016_dev" / "DAVIS" / "Annotations" / "480p"
    truths = [_binary(sequence) for sequence in sorted(folder.iterdir())]
    copies = [np.repeat(truth[:1], len(truth), axis=0) for truth in truths]
    assert len(truths) == SEQUENCES
    assert METRICS["J"].compute(copies, truths) == pytest.approx(0.289, abs=1e-3)
    assert METRICS["F"].compute(copies, truths) == pytest.approx(0.215, abs=1e-3)


def _random(seed: int, shape: tuple[int, ...] = (5, 13, 17), density: float = 0.5) -> NDArray[np.bool_]:
    noise: NDArray[np.bool_] = np.random.default_rng(seed).random(shape) < density
    return noise


def test_a_boundary_is_where_east_south_or_south_east_differ() -> None:
    mask = _random(0, (1, 6, 5))
    (m,), (edges,) = mask, boundary(mask)
    for y in range(6):
        for x in range(5):
            neighbours = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            if y == 5 or x == 4:  # the last row looks east, the last column south, the corner nowhere
                neighbours = [(v, u) for v, u in neighbours if v < 6 and u < 5 and (v == y or u == x)]
            assert edges[y, x] == any(m[v, u] != m[y, x] for v, u in neighbours)


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 30])
def test_dilation_is_by_a_disk(radius: int) -> None:
    maps = _random(1, density=0.02)
    maps[1] = False
    rows, columns = np.mgrid[:13, :17]
    for frame, whole in zip(maps, dilated(maps, radius), strict=True):
        expected = np.zeros_like(frame)
        for y, x in np.argwhere(frame):
            expected |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        assert np.array_equal(whole, expected)


def test_contours_match_within_the_tolerance_and_no_further() -> None:
    # the diagonal is 500, so the tolerance 4 pixels
    actual = np.zeros((1, 300, 400), bool)
    actual[0, 100:200, 100:200] = True
    for shift, expected in ((4, 1.0), (5, 0.5)):
        # shifted along x alone, the horizontal edges stay on each other but for their ends
        predicted = np.roll(actual, shift, axis=2)
        assert contour_accuracy(predicted, actual)[0] == pytest.approx(expected, abs=0.03)
    assert contour_accuracy(predicted, actual) == pytest.approx(contour_accuracy(actual, predicted))


def test_empty_masks_are_scored_as_the_official_code_does() -> None:
    full, none = _random(2, (1, 9, 9)), np.zeros((1, 9, 9), bool)
    assert region_similarity(none, none)[0] == contour_accuracy(none, none)[0] == 1
    for pair in ((full, none), (none, full)):
        assert region_similarity(*pair)[0] == contour_accuracy(*pair)[0] == 0


def test_frames_do_not_influence_each_other() -> None:
    predicted, actual = _random(3, (40, 20, 20), 0.1), _random(4, (40, 20, 20), 0.1)
    for quality in (region_similarity, contour_accuracy):
        alone = [quality(predicted[t : t + 1], actual[t : t + 1])[0] for t in range(40)]
        assert quality(predicted, actual) == pytest.approx(alone)


def test_decay_compares_the_first_quarter_with_the_last() -> None:
    # eight frames: bounds 1, 2.75, 4.5, 6.25, 8 are rounded to 1, 3, 5, 6, 8, and both ends belong to a quarter
    values = np.arange(8.0)
    assert decay(values) == pytest.approx(np.mean([0, 1, 2]) - np.mean([5, 6, 7]))
    assert decay(np.ones(1)) == 0
    assert decay(np.repeat([1.0, 0.0], 300)) == 1  # beyond what a byte counts


def _videos(seed: int = 5) -> tuple[list[Any], list[Any]]:
    """Three videos of one, two and three objects."""
    generator = np.random.default_rng(seed)
    truths = [generator.integers(0, 2 + n, (6 + n, 16, 20)).astype(np.uint8) for n in range(3)]
    flips = [generator.random(truth.shape) < 0.2 for truth in truths]
    return [np.where(flip, 0, truth).astype(np.uint8) for flip, truth in zip(flips, truths, strict=True)], truths


def test_means_are_over_frames_then_over_objects() -> None:
    predictions, truths = _videos()
    values = []
    for predicted, truth in zip(predictions, truths, strict=True):
        for number in range(1, truth.max() + 1):
            p, t = predicted[1:-1] == number, truth[1:-1] == number
            values.append(np.mean([np.sum(a & b) / np.sum(a | b) for a, b in zip(p, t, strict=True)]))
    assert len(values) == 6
    assert METRICS["J"].compute(predictions, truths) == pytest.approx(np.mean(values))
    both = METRICS["J"].compute(predictions, truths) + METRICS["F"].compute(predictions, truths)
    assert METRICS["J&F"].compute(predictions, truths) == pytest.approx(both / 2)


def test_the_first_and_the_last_frame_and_new_objects_do_not_count() -> None:
    predictions, truths = _videos()
    before = {name: METRICS[name].compute(predictions, truths) for name in GOLDEN.values()}
    for predicted, truth in zip(predictions, truths, strict=True):
        predicted[[0, -1]] = 0
        truth[-1] = 9
        truth[3][truth[3] == 0] = 9  # appears later, so nobody could follow it
    assert {name: METRICS[name].compute(predictions, truths) for name in GOLDEN.values()} == before


@pytest.mark.parametrize("name", ["J", "F", "J&F", "J_recall", "F_decay"])
def test_outcomes_average_to_the_metric(name: str) -> None:
    predictions, truths = _videos()
    outcomes = METRICS[name].outcomes
    assert outcomes is not None
    alone = outcomes(predictions, truths)
    assert alone.shape == (3,)
    assert float(np.mean(alone)) == pytest.approx(METRICS[name].compute(predictions, truths))
    # a video of two among six objects weighs as much as its objects
    single = METRICS[name].compute(predictions[1:2], truths[1:2])
    assert alone[1] == pytest.approx(single * 2 * 3 / 6)


def test_the_truth_scores_one() -> None:
    _, truths = _videos()
    assert [METRICS[name].compute(truths, truths) for name in ("J", "F", "J_recall", "F_recall")] == [1, 1, 1, 1]


def test_tolerance_grows_with_the_frame() -> None:
    assert math.ceil(0.008 * math.hypot(480, 854)) == 8
    actual = np.zeros((1, 480, 854), bool)
    actual[0, 100:300, 100:300] = True
    near, far = np.roll(actual, (8, 0), (1, 2)), np.roll(actual, (9, 0), (1, 2))
    assert contour_accuracy(near, actual)[0] == 1 > contour_accuracy(far, actual)[0]


@pytest.mark.parametrize(
    ("predicted", "truth", "complaint"),
    [
        (np.zeros((4, 8, 8)), np.ones((4, 8, 9)), r"video 1: masks of shape \[4, 8, 8\]"),
        (np.zeros((2, 8, 8)), np.ones((2, 8, 8)), "video 1 has 2 frames"),
        (np.zeros((4, 8, 8)), np.zeros((4, 8, 8)), "video 1: no object"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_its_place(predicted: Any, truth: Any, complaint: str) -> None:
    good = np.ones((4, 8, 8), np.uint8)
    with pytest.raises(ValueError, match=complaint):
        METRICS["J"].compute([good, predicted.astype(np.uint8)], [good, truth.astype(np.uint8)])
    with pytest.raises(ValueError, match="need as many"):
        METRICS["J"].compute([good], [])
