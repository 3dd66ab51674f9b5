"""PCK: the share of keypoints that are found within a distance which grows with the body.

Definitions differ in what they measure distance by. Here, as in the script that the field runs on JHMDB (videowalk,
`eval_pck.py`): 0.6 times the diagonal of the box about the joints that are visible in the frame. Vondrick et al. do not
say what theirs is. The first frame is given and not scored. A joint that the first frame does not show cannot be
followed and is not scored either.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics._metric import Metric
from harness.metrics._ratio import ratio_outcomes

NORMALISER = "0.6 x the diagonal of the box about the frame's visible joints"
ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5)

Predicted = Sequence[NDArray[np.float32]]  #: one row a video: [T, K, 2], (x, y) in pixels
Actual = Sequence[NDArray[np.float32]]  #: one row a video: [T, K, 3], (x, y, visible)


def box_size(actual: NDArray[Any]) -> NDArray[np.float64]:
    """What distances are measured by, per frame: [T, K, 3] -> [T]; 0 where fewer than two joints are visible."""
    visible = actual[..., 2:] > 0
    points = actual[..., :2].astype(np.float64)
    low = np.where(visible, points, np.inf).min(1)
    high = np.where(visible, points, -np.inf).max(1)
    with np.errstate(invalid="ignore"):
        extent = np.where(visible.any(1), high - low, 0.0)
    diagonal: NDArray[np.float64] = np.linalg.norm(extent, axis=-1)
    return 0.6 * diagonal


def _hits(predicted: NDArray[Any], actual: NDArray[Any], alpha: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Which joints of one video are found, and which are scored: bool [T - 1, K] each."""
    scored = (actual[1:, :, 2] > 0) & (actual[0, :, 2] > 0)
    distance = np.linalg.norm(predicted[1:].astype(np.float64) - actual[1:, :, :2], axis=-1)
    return (distance <= alpha * box_size(actual[1:])[:, None]) & scored, scored


def _outcomes(predictions: Predicted, targets: Actual, *, alpha: float) -> NDArray[np.float64]:
    """PCK is the mean over joints of each joint's share over all frames of all videos. A video's outcome is what it
    adds to that."""
    _check(predictions, targets)
    pairs = [_hits(*rows, alpha) for rows in zip(predictions, targets, strict=True)]
    units = np.stack([scored.sum(0) for _, scored in pairs])
    seen = units.sum(0) > 0
    if not seen.any():
        raise ValueError("no joint of a first frame is visible in a later one: there is nothing to score")
    hits = np.stack([hit.sum(0) for hit, _ in pairs])
    means: NDArray[np.float64] = ratio_outcomes(hits[:, seen], units[:, seen]).mean(1)
    return means


def _compute(predictions: Predicted, targets: Actual, *, alpha: float) -> float:
    return float(np.mean(_outcomes(predictions, targets, alpha=alpha)))


def _check(predictions: Predicted, targets: Actual) -> None:
    """Raises ValueError, which names the video by its place."""
    if len(predictions) != len(targets) or not len(targets):
        raise ValueError(f"keypoints of {len(predictions)} videos for {len(targets)}; need as many, and one at least")
    for number, (predicted, actual) in enumerate(zip(predictions, targets, strict=True)):
        if actual.ndim != 3 or actual.shape[2:] != (3,) or predicted.shape != (*actual.shape[:2], 2):
            raise ValueError(
                f"video {number}: keypoints of shape {list(predicted.shape)} predicted, those of the truth are "
                f"{list(actual.shape)}; need [frames, joints, 2] and [frames, joints, 3]"
            )
        if actual.shape[1] != targets[0].shape[1]:
            raise ValueError(f"video {number} has {actual.shape[1]} joints, the first has {targets[0].shape[1]}")
        if len(actual) < 2:
            raise ValueError(f"video {number} has {len(actual)} frame; the first is given, so 2 are needed")


KEYPOINTS = tuple(
    Metric(
        f"PCK@{alpha}",
        higher_is_better=True,
        compute=partial(_compute, alpha=alpha),
        outcomes=partial(_outcomes, alpha=alpha),
        note=f"distances are normalised by {NORMALISER}",
    )
    for alpha in ALPHAS
)
