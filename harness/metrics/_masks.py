"""Region similarity J and contour accuracy F of masks carried through videos, as DAVIS 2017 scores them.

Perazzi et al. 2016, Pont-Tuset et al. 2017; numbers equal those of the official code (davis2017-evaluation). Each
object of the first frame's mask is judged alone, in every frame but the first, which is given, and the last, which the
official code leaves out for historical reasons. So a video needs three frames: of fewer the official mean is undefined,
and here they are an error. An object is what the first frame's mask holds; the official code also counts the numbers
that this mask skips, which ours does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics._metric import Metric
from harness.metrics._ratio import ratio_outcomes

Masks = Sequence[NDArray[np.uint8]]  #: one row a video: [T, H, W], 0 is background
Maps = NDArray[np.bool_]  #: [T, H, W]
PerFrame = NDArray[np.float64]  #: one object's J or F: [T - 2]

#: The radius within which boundaries match, as a share of the frame's diagonal.
BOUNDARY_TOLERANCE = 0.008
#: Frames worked on at a time, to bound memory.
_FRAMES = 16


def region_similarity(predicted: Maps, actual: Maps) -> PerFrame:
    """J: intersection over union of two masks, per frame (bool [T, H, W] -> [T]); 1 where both are empty."""
    intersection = np.count_nonzero(predicted & actual, axis=(1, 2))
    union = np.count_nonzero(predicted | actual, axis=(1, 2))
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


def contour_accuracy(predicted: Maps, actual: Maps) -> PerFrame:
    """F: harmonic mean of precision and recall of boundary pixels, per frame (bool [T, H, W] -> [T]).

    A boundary pixel is right if the other mask's boundary lies within a disk of ceil(0.008 * diagonal) pixels about it:
    matching by dilation, not one to one.
    """
    radius = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*actual.shape[1:]))
    parts = (
        _contour_accuracy(predicted[start : start + _FRAMES], actual[start : start + _FRAMES], radius)
        for start in range(0, len(actual), _FRAMES)
    )
    return np.concatenate(list(parts))


def _contour_accuracy(predicted: Maps, actual: Maps, radius: int) -> PerFrame:
    claimed, true = boundary(predicted), boundary(actual)
    either = np.any(claimed | true, axis=0)
    if not either.any():
        return np.ones(len(actual))
    rows, columns = np.flatnonzero(np.any(either, axis=1)), np.flatnonzero(np.any(either, axis=0))
    box = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    claimed, true = claimed[box], true[box]  # no boundary lies outside, so nothing is cut off
    n_claimed, n_true = np.count_nonzero(claimed, axis=(1, 2)), np.count_nonzero(true, axis=(1, 2))
    matched = np.count_nonzero(claimed & dilated(true, radius), axis=(1, 2))
    found = np.count_nonzero(true & dilated(claimed, radius), axis=(1, 2))
    # Where one side is empty: what is not there cannot be wrong (1), and finds nothing of the other (0).
    precision = np.where(n_claimed == 0, 1.0, matched / np.maximum(n_claimed, 1))
    recall = np.where(n_true == 0, 1.0, found / np.maximum(n_true, 1))
    total = precision + recall
    return np.where(total == 0, 0.0, 2 * precision * recall / np.where(total == 0, 1.0, total))


def boundary(masks: Maps) -> Maps:
    """Pixels that differ from their neighbour to the east, south or south-east: bool [T, H, W] -> the same.

    The last row is compared with the east alone, the last column with the south alone; the last corner is none.
    """
    edges = np.zeros_like(masks)
    east, south = masks[:, :, :-1] != masks[:, :, 1:], masks[:, :-1] != masks[:, 1:]
    edges[:, :, :-1] = east
    edges[:, :-1] |= south
    edges[:, :-1, :-1] |= masks[:, :-1, :-1] != masks[:, 1:, 1:]
    return edges


def dilated(maps: Maps, radius: int) -> Maps:
    """All pixels within `radius` of a true one (Euclidean, <=): bool [T, H, W] -> the same."""
    height, reach = maps.shape[1], 0
    wide, whole = maps.copy(), np.zeros_like(maps)
    for offset in range(min(radius, height - 1), -1, -1):  # the disk row by row, from its narrow ends to its middle
        while reach < math.isqrt(radius * radius - offset * offset):
            reach += 1
            wide[:, :, reach:] |= maps[:, :, :-reach]
            wide[:, :, :-reach] |= maps[:, :, reach:]
        whole[:, offset:] |= wide[:, : height - offset]
        whole[:, : height - offset] |= wide[:, offset:]
    return whole


def recall(values: PerFrame) -> float:
    """Share of frames above one half."""
    return float(np.mean(values > 0.5))


def decay(values: PerFrame) -> float:
    """What is lost on the way: mean of the first quarter of the frames minus mean of the last.

    Neighbouring quarters share a frame, as in the official code. (That code keeps frame numbers in a byte and is wrong
    beyond 256 frames; this one is not.)
    """
    bounds = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(int)
    return float(np.mean(values[: bounds[1] + 1]) - np.mean(values[bounds[3] :]))


def _mean(values: PerFrame) -> float:
    return float(np.mean(values))


Quality = Callable[[Maps, Maps], PerFrame]
Summary = Callable[[PerFrame], float]


def _per_object(qualities: Sequence[Quality], summary: Summary, predicted: Any, actual: Any) -> list[float]:
    """The summary of every object of one video, meaned over the qualities."""
    objects = np.unique(actual[0])
    scored, given = actual[1:-1], predicted[1:-1]
    return [
        float(np.mean([summary(quality(given == number, scored == number)) for quality in qualities]))
        for number in objects[objects > 0]
    ]


def _outcomes(
    predictions: Masks, targets: Masks, *, qualities: Sequence[Quality], summary: Summary
) -> NDArray[np.float64]:
    """Per video, what it adds to the mean over all objects."""
    _check(predictions, targets)
    videos = [
        _per_object(qualities, summary, predicted, actual)
        for predicted, actual in zip(predictions, targets, strict=True)
    ]
    return ratio_outcomes(np.array([sum(values) for values in videos]), np.array([len(values) for values in videos]))


def _compute(predictions: Masks, targets: Masks, *, qualities: Sequence[Quality], summary: Summary) -> float:
    return float(np.mean(_outcomes(predictions, targets, qualities=qualities, summary=summary)))


def _check(predictions: Masks, targets: Masks) -> None:
    """Raises ValueError, which names the video by its place."""
    if len(predictions) != len(targets) or not len(targets):
        raise ValueError(f"masks of {len(predictions)} videos for {len(targets)}; need as many, and one at least")
    for number, (predicted, actual) in enumerate(zip(predictions, targets, strict=True)):
        if predicted.shape != actual.shape or actual.ndim != 3:
            raise ValueError(
                f"video {number}: masks of shape {list(predicted.shape)} predicted, those of the truth are "
                f"{list(actual.shape)}; need [frames, height, width] alike"
            )
        if len(actual) < 3:
            raise ValueError(
                f"video {number} has {len(actual)} frames; the first and the last are not scored, so 3 are needed"
            )
        if not actual[0].any():
            raise ValueError(f"video {number}: no object in the mask of the first frame")


def _metric(name: str, qualities: Sequence[Quality], summary: Summary, *, higher_is_better: bool = True) -> Metric:
    settings: dict[str, Any] = {"qualities": qualities, "summary": summary}
    return Metric(
        name,
        higher_is_better=higher_is_better,
        compute=partial(_compute, **settings),
        outcomes=partial(_outcomes, **settings),
    )


MASKS = (
    _metric("J&F", (region_similarity, contour_accuracy), _mean),
    *(
        metric
        for name, quality in (("J", region_similarity), ("F", contour_accuracy))
        for metric in (
            _metric(name, (quality,), _mean),
            _metric(f"{name}_recall", (quality,), recall),
            _metric(f"{name}_decay", (quality,), decay, higher_is_better=False),
        )
    ),
)
