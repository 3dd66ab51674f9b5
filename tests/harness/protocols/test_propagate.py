"""Label propagation as a protocol: what it answers, how it chooses, what it refuses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.metrics import METRICS
from harness.protocols import Solution, View
from harness.protocols.copy_first import CopyFirst, CopyFirstConfig
from harness.protocols.propagate import PAPER, Propagate, PropagateConfig
from methods import Keys

from .videos import KEYPOINTS, MASKS, VideoSplit, drifting, view_of

#: One rule, so nothing is searched.
FIXED = PropagateConfig(dot=(), euclidean=(), cosine=(0.01,), top_ks=(5,), radii=(3.0,))
SMALL = PropagateConfig(dot=(), euclidean=(0.02,), cosine=(0.01,), references=(1,), top_ks=(1, 5), radii=(1.0, 3.0))
KEYS = Keys.of(0, "test")


def _solved(view: View, config: PropagateConfig = FIXED, task: Any = MASKS) -> Solution:
    return Propagate(config).solve(view, task, KEYS)


def _videos(lengths: Sequence[int] = (6, 4, 7), noise: float = 0.1) -> tuple[list[Tensor], list[Any]]:
    made = [drifting(length, seed=seed, noise=noise) for seed, length in enumerate(lengths)]
    return [features for features, _ in made], [masks for _, masks in made]


def test_objects_are_followed_where_copying_loses_them() -> None:
    features, masks = _videos()
    view = view_of(VideoSplit(features), [row[0] for row in masks])
    followed, copied = _solved(view).predictions, CopyFirst(CopyFirstConfig()).solve(view, MASKS, KEYS).predictions
    # ground that comes into sight is like nothing seen before, so not even perfect features get all of it right
    assert METRICS["J"].compute(followed, masks) > 0.8
    assert METRICS["J"].compute(copied, masks) < 0.5
    for row, truth in zip(followed, masks, strict=True):
        assert row.dtype == np.uint8
        assert np.array_equal(row[0], truth[0])


def test_coarse_features_follow_too() -> None:
    features, masks = _videos((6,))
    large = [row.repeat(3, axis=1).repeat(3, axis=2) for row in masks]
    view = view_of(VideoSplit(features, stride=3), [row[0] for row in large])
    assert METRICS["J"].compute(_solved(view).predictions, large) > 0.75


def test_objects_keep_their_numbers_whatever_they_are() -> None:
    features, masks = _videos()
    (numbers,) = np.array([[0, 200, 3]], np.uint8)
    plain = _solved(view_of(VideoSplit(features), [row[0] for row in masks])).predictions
    renamed = _solved(view_of(VideoSplit(features), [numbers[row[0]] for row in masks])).predictions
    for before, after in zip(plain, renamed, strict=True):
        assert np.array_equal(numbers[before], after)


@pytest.mark.parametrize("padding", [0.0, 9.0, math.nan])
def test_batch_mates_and_padding_do_not_matter(padding: float) -> None:
    features, masks = _videos()
    masks[1] = np.minimum(masks[1], 1)  # another number of objects than its mates
    given = [row[0] for row in masks]
    together = _solved(view_of(VideoSplit(features, batch=3, padding=padding), given)).predictions
    alone = _solved(view_of(VideoSplit(features, batch=1), given)).predictions
    for mixed, single in zip(together, alone, strict=True):
        assert np.array_equal(mixed, single)


def _joints(masks: Any) -> Any:
    """The centres of both squares: float32 [T, 2, 3]."""
    return np.array(
        [[[*np.argwhere(frame == number).mean(0)[::-1], 1] for number in (1, 2)] for frame in masks], np.float32
    )


def test_keypoints_are_followed_to_a_fraction_of_a_cell() -> None:
    features, masks = _videos(noise=0.02)
    joints = [_joints(row) for row in masks]
    view = view_of(VideoSplit(features), [row[0] for row in joints])
    found = _solved(view, task=KEYPOINTS).predictions
    for row, truth in zip(found, joints, strict=True):
        assert row.dtype == np.float32
        assert np.abs(row - truth[..., :2]).max() < 0.3
    copied = CopyFirst(CopyFirstConfig()).solve(view, KEYPOINTS, KEYS).predictions
    assert METRICS["PCK@0.2"].compute(copied, joints) < 0.5 < METRICS["PCK@0.2"].compute(found, joints)


def test_a_keypoint_that_the_first_frame_hides_is_not_guessed() -> None:
    features, masks = _videos((5,))
    joints = _joints(masks[0])
    joints[0, 1, 2] = 0
    (found,) = _solved(view_of(VideoSplit(features), [joints[0]]), task=KEYPOINTS).predictions
    assert np.isnan(found[:, 1]).all()
    assert np.isfinite(found[:, 0]).all()


def _searched(config: PropagateConfig = SMALL) -> tuple[Solution, View, list[Any]]:
    features, masks = _videos((6, 4, 7, 5), noise=0.8)
    val, own = VideoSplit(features[:2]), masks[:2]
    view = view_of(VideoSplit(features[2:]), [row[0] for row in masks[2:]], val, own)
    return _solved(view, config), view, masks[2:]


def test_the_rule_is_the_best_on_val() -> None:
    solution, view, _ = _searched()
    scores = {tuple(score.items())[:-1]: score["J"] for score in solution.selection["val_scores"]}
    assert len(scores) == 2 * 2 * 2
    assert len(set(scores.values())) > 4
    winner = tuple(solution.selection["winner"].items())
    assert scores[winner] == max(scores.values())
    # each of these scores is what that rule alone reaches on val
    swapped = view_of(view.val, [row[0] for row in view.val_targets])  # type: ignore[arg-type]
    for rule in SMALL.rules()[:: len(scores) - 1]:
        alone = Propagate(_only(rule)).solve(swapped, MASKS, KEYS).predictions
        own = np.mean(
            [METRICS["J"].compute([row], [truth]) for row, truth in zip(alone, view.val_targets, strict=True)]
        )
        assert scores[tuple(asdict(rule).items())] == pytest.approx(own)


def _only(rule: Any) -> PropagateConfig:
    temperatures = dict.fromkeys(("dot", "cosine", "euclidean"), ())
    return PropagateConfig(
        **{**temperatures, rule.similarity: (rule.temperature,)},
        references=(rule.references,),
        keep_first=(rule.keep_first,),
        top_ks=(rule.top_k,),
        radii=(rule.radius,),
    )


def test_test_is_answered_by_the_chosen_rule_and_has_no_say() -> None:
    solution, view, _ = _searched()
    rule = next(rule for rule in SMALL.rules() if asdict(rule) == solution.selection["winner"])
    assert view.test_given is not None
    fixed = Propagate(_only(rule)).solve(view_of(view.test, view.test_given), MASKS, KEYS)  # type: ignore[arg-type]
    for searched, single in zip(solution.predictions, fixed.predictions, strict=True):
        assert np.array_equal(searched, single)
    # another test split leaves the choice as it is
    other, masks = _videos((5, 5), noise=3.0)
    elsewhere = view._replace(test=VideoSplit(other), test_given=[row[0] for row in masks])
    assert _solved(elsewhere, SMALL).selection == solution.selection


def test_no_more_videos_of_val_are_read_than_asked_for() -> None:
    features, masks = _videos((4,) * 6)
    val = VideoSplit(features, batch=2)
    config = PropagateConfig(**{**asdict(SMALL), "val_videos": 3})
    view = view_of(VideoSplit(features[:1]), [masks[0][0]], val, masks)
    solution = _solved(view, config)
    assert val.streamed == 4
    assert "mean over 3 videos" in solution.selection["rule"]
    spoiled = [masks[0], masks[1], masks[2], *(np.flip(row, 1).copy() for row in masks[3:])]
    assert _solved(view._replace(val_targets=spoiled), config).selection == solution.selection


def test_the_papers_rule_is_used_where_there_is_nothing_to_choose_by() -> None:
    features, masks = _videos((4,))
    test, given = VideoSplit(features), [masks[0][0]]
    without = _solved(view_of(test, given), SMALL)
    assert without.selection == {"rule": "the paper's: val has no video", "winner": asdict(PAPER)}
    fixed = _solved(view_of(test, given, VideoSplit(features), masks), PropagateConfig(search=False))
    assert fixed.selection == {"rule": "fixed", "winner": asdict(PAPER)}
    assert (PAPER.similarity, PAPER.temperature, PAPER.references) == ("dot", 0.5, 3)
    assert (PAPER.top_k, PAPER.radius, PAPER.keep_first) == (None, None, False)


def test_a_winner_on_the_edge_is_told() -> None:
    solution, _, _ = _searched(PropagateConfig(dot=(), euclidean=(), cosine=(0.01,), radii=(0.3, 0.5, 3.0)))
    assert any("radius 3" in warning for warning in solution.warnings)
    solution, _, _ = _searched(PropagateConfig(dot=(), euclidean=(), cosine=(0.01,), radii=(1.0, 3.0, 11.0)))
    assert not any("radius" in warning for warning in solution.warnings)


def test_val_videos_that_cannot_be_scored_are_left_out_of_the_choice() -> None:
    features, masks = _videos((5, 5), noise=0.3)
    joints = [_joints(row) for row in masks]
    hidden = joints[0].copy()
    hidden[1:, :, 2] = 0
    view = view_of(VideoSplit(features), [row[0] for row in joints], VideoSplit(features), [hidden, joints[1]])
    assert "mean over 1 videos" in _solved(view, SMALL, KEYPOINTS).selection["rule"]
    with pytest.raises(ValueError, match=r"no labels of val can be scored by PCK@0\.2"):
        _solved(view._replace(val_targets=[hidden, hidden]), SMALL, KEYPOINTS)


def test_bad_videos_are_refused_by_their_place() -> None:
    features, masks = _videos((4, 4))
    given = [row[0] for row in masks]
    for wrong, complaint in (
        (np.zeros_like(given[1]), r"video 1 of test .* no object"),
        (given[1][:-1], r"video 1 of test .* mask has 11 x 12 pixels, its frames have 12 x 12"),
    ):
        with pytest.raises(ValueError, match=complaint):
            _solved(view_of(VideoSplit(features), [given[0], wrong]))
    with pytest.raises(ValueError, match=r"video 1 of test .* a single frame"):
        _solved(view_of(VideoSplit([features[0], features[1][:1]]), given))
    hidden = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"video 0 of test .* no keypoint"):
        _solved(view_of(VideoSplit(features), [hidden, hidden]), task=KEYPOINTS)
    with pytest.raises(ValueError, match=r"video 0 of val .* no object"):
        _solved(view_of(VideoSplit(features), given, VideoSplit(features), [0 * masks[0], masks[1]]), SMALL)


def test_features_that_are_not_finite_are_refused() -> None:
    features, masks = _videos((4,))
    features[0][2, 3, 3, 0] = math.nan
    with pytest.raises(ValueError, match="features of test are not finite"):
        _solved(view_of(VideoSplit(features), [masks[0][0]]))


def test_features_without_a_grid_are_refused() -> None:
    features, masks = _videos((4,))

    class Pooled(VideoSplit):
        def stream(self) -> Any:
            for encoded in super().stream():
                yield encoded._replace(local=None)

    with pytest.raises(ValueError, match="this representation has none"):
        _solved(view_of(Pooled(features), [masks[0][0]]))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"dot": (), "cosine": (), "euclidean": ()}, "one similarity at least"),
        ({"radii": (4.0, 2.0)}, "radii"),
        ({"references": ()}, "references"),
        ({"keep_first": (True, True)}, "keep_first"),
        ({"val_videos": 0}, "val_videos"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        PropagateConfig(**wrong)


def test_copying_needs_no_features() -> None:
    features, masks = _videos((3, 5))

    class Unread(VideoSplit):
        def stream(self) -> Any:
            raise AssertionError("nothing is encoded")

    view = view_of(Unread(features), [row[0] for row in masks])
    predictions = CopyFirst(CopyFirstConfig()).solve(view, MASKS, KEYS).predictions
    assert [row.shape for row in predictions] == [(3, 12, 12), (5, 12, 12)]
    assert all(np.array_equal(frame, masks[1][0]) for frame in predictions[1])
    joints = _joints(masks[0])
    view = view_of(Unread(features[:1]), [joints[0]])
    (points,) = CopyFirst(CopyFirstConfig()).solve(view, KEYPOINTS, KEYS).predictions
    assert np.array_equal(points, np.repeat(joints[:1, :, :2], 3, axis=0))
    assert torch.is_tensor(features[0])
