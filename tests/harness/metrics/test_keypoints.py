"""PCK, joint by joint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.metrics import METRICS
from harness.metrics._keypoints import box_size


def _frame(*joints: tuple[float, float, float]) -> Any:
    return np.array(joints, np.float32)


def test_distance_is_measured_by_the_diagonal_of_the_visible_joints() -> None:
    frames = np.stack(
        [
            _frame((10, 20, 1), (40, 60, 1), (999, 999, 0)),
            _frame((5, 5, 1), (0, 0, 0), (0, 0, 0)),
            _frame((0, 0, 0), (0, 0, 0), (0, 0, 0)),
        ]
    )
    assert box_size(frames) == pytest.approx([0.6 * 50, 0, 0])


def test_a_joint_is_found_up_to_alpha_times_the_normaliser() -> None:
    truth = np.stack([_frame((0, 0, 1), (60, 80, 1))] * 2)  # normaliser 60: alpha 0.1 allows 6 pixels
    for miss, expected in ((6.0, 1.0), (6.01, 0.5)):
        predicted = truth[..., :2].copy()
        predicted[0] = 1e6  # the first frame is given, not scored
        predicted[1, 0, 0] = miss
        assert METRICS["PCK@0.1"].compute([predicted], [truth]) == expected
        assert METRICS["PCK@0.2"].compute([predicted], [truth]) == 1


def test_a_joint_that_is_lost_counts_as_missed() -> None:
    truth = np.stack([_frame((0, 0, 1), (60, 80, 1))] * 2)
    predicted = np.full((2, 2, 2), np.nan, np.float32)
    assert METRICS["PCK@0.5"].compute([predicted], [truth]) == 0


def _videos() -> tuple[list[Any], list[Any]]:
    generator = np.random.default_rng(0)
    truths = []
    for frames in (3, 6, 9):
        truth = np.concatenate([generator.uniform(0, 50, (frames, 4, 2)), generator.random((frames, 4, 1)) < 0.7], 2)
        truths.append(truth.astype(np.float32))
    truths[0][0, :, 2] = (1, 1, 0, 1)  # joint 2 cannot be followed here
    return [truth[..., :2] + generator.normal(0, 4, (*truth.shape[:2], 2)) for truth in truths], truths


def test_the_mean_is_over_joints_each_over_all_frames_of_all_videos() -> None:
    predictions, truths = _videos()
    hits: dict[int, list[bool]] = {joint: [] for joint in range(4)}
    for predicted, truth in zip(predictions, truths, strict=True):
        for t in range(1, len(truth)):
            shown = truth[t][truth[t, :, 2] > 0][:, :2]
            size = 0.6 * np.linalg.norm(shown.max(0) - shown.min(0)) if len(shown) else 0
            for joint in range(4):
                if truth[t, joint, 2] and truth[0, joint, 2]:
                    distance = np.linalg.norm(predicted[t, joint] - truth[t, joint, :2])
                    hits[joint].append(bool(distance <= 0.2 * size))
    assert len({len(of) for of in hits.values()}) > 1
    expected = np.mean([np.mean(of) for of in hits.values() if of])
    assert 0 < expected < 1
    assert METRICS["PCK@0.2"].compute(predictions, truths) == pytest.approx(expected)
    outcomes = METRICS["PCK@0.2"].outcomes
    assert outcomes is not None
    alone = outcomes(predictions, truths)
    assert alone.shape == (3,)
    assert np.mean(alone) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("predicted", "truth", "complaint"),
    [
        (np.zeros((3, 2, 2)), np.ones((3, 3, 3)), r"video 1: keypoints of shape \[3, 2, 2\]"),
        (np.zeros((3, 3, 2)), np.ones((3, 3, 3)), "video 1 has 3 joints"),
        (np.zeros((1, 2, 2)), np.ones((1, 2, 3)), "video 1 has 1 frame"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_its_place(predicted: Any, truth: Any, complaint: str) -> None:
    good = np.ones((3, 2, 3))
    with pytest.raises(ValueError, match=complaint):
        METRICS["PCK@0.1"].compute([good[..., :2], predicted], [good, truth])


def test_nothing_to_score_is_an_error() -> None:
    hidden = np.zeros((3, 2, 3))
    with pytest.raises(ValueError, match="no joint"):
        METRICS["PCK@0.1"].compute([hidden[..., :2]], [hidden])
