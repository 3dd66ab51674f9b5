from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from harness.datasets import SplitName
from harness.datasets._procedural import Dice, words
from harness.datasets._sprites_motion import MOST, Motion, motion
from harness.datasets._sprites_painting import FORMS, LANDMARKS, Painted
from harness.datasets.sprites import Sprites, SpritesConfig, draw

WIDTH = 128  # of the words that a video is drawn from
DIAMOND = ((0, -1.0607), (1.0607, 0), (0, 1.0607), (-1.0607, 0))
TRIANGLE = ((0, -1.0607), (1.0607, 1.0607), (-1.0607, 1.0607))


class Kept:
    """A writer that keeps one split in memory."""

    def __init__(self) -> None:
        self.video: NDArray[Any] = np.empty(0)
        self.rows: dict[str, Sequence[NDArray[Any]]] = {}
        self.classes: NDArray[Any] = np.empty(0)

    def dense(self, name: str, values: NDArray[Any]) -> None:
        assert name == "video"
        self.video = values

    def labels(self, task: str, values: NDArray[Any]) -> None:
        assert task == "sprite"
        self.classes = values

    def ragged_labels(self, task: str, rows: Sequence[NDArray[Any]]) -> None:
        self.rows[task] = rows


def generated(split: SplitName = "train", **config: int) -> Kept:
    kept = Kept()
    Sprites(SpritesConfig(**config)).write(split, kept)  # type: ignore[arg-type]
    return kept


def drawn(count: int, frames: int = 16, side: int = 48) -> tuple[Motion, Painted]:
    """Videos and how their sprites move."""
    word = words("any", count, WIDTH)
    return motion(Dice(word), side, frames), draw(word, np.arange(count) % len(FORMS), side, frames)


@pytest.fixture(scope="module")
def default() -> Kept:
    return generated("train", train=400)


def in_polygon(corners: Sequence[tuple[float, float]], u: NDArray[Any], v: NDArray[Any]) -> NDArray[np.bool_]:
    """Convex, its corners clockwise on the screen."""
    inside = np.ones(u.shape, np.bool_)
    for (x, y), (to_x, to_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
        inside &= (to_x - x) * (v - y) - (to_y - y) * (u - x) >= 0
    return inside


def inside(form: str, u: NDArray[Any], v: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether points lie in a form of area 2.25 around the origin, told by school geometry."""
    if form == "diamond":
        return in_polygon(DIAMOND, u, v)
    if form == "triangle":
        return in_polygon(TRIANGLE, u, v)
    if form == "cross":
        long, wide = 1.0062, 1.0062 / 3
        u, v = np.abs(u), np.abs(v)
        return ((u <= long) & (v <= wide)) | ((u <= wide) & (v <= long))
    square = u * u + v * v  # the ring's radii are such that its area is 2.25, and the middle of its band at 0.73
    band: NDArray[np.bool_] = (square <= 0.733**2 + 2.25 / (2 * np.pi)) & (square >= 0.733**2 - 2.25 / (2 * np.pi))
    return band


def owners(moved: Motion, forms: Sequence[str], x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
    """Whose every point (x, y) of a picture is, by frame, in the only video of `moved`."""
    frames = []
    for t in range(moved.across.shape[-1]):
        owner = np.zeros(x.shape, np.int64)
        for k in moved.order[0]:
            if k < moved.count[0]:
                turn = np.deg2rad(moved.angle[0, k, t] / 2)
                right, low = x - moved.across[0, k, t] / 16, y - moved.down[0, k, t] / 16
                u, v = right * np.cos(turn) + low * np.sin(turn), low * np.cos(turn) - right * np.sin(turn)
                radius = moved.radius[0, k, t] / 16
                owner[inside(forms[k], u / radius, v / radius)] = k + 1
        frames.append(owner)
    return np.stack(frames)


def test_a_pixel_belongs_to_the_nearest_sprite_that_holds_its_centre() -> None:
    """Told apart wherever the owner is the same 0.3 pixels away in every direction."""
    y, x = np.mgrid[:48, :48] + 0.5
    certain = []
    for seed in range(12):
        word = words(f"one/{seed}", 1, WIDTH)
        dice = Dice(word)
        moved = motion(dice, 48, 16)
        others = [FORMS[int(dice.below(len(FORMS))[0])] for _ in range(MOST - 1)]
        forms = [FORMS[seed % 4], *others]
        masks = draw(word, np.array([seed % 4]), 48, 16).masks[0]
        owner = owners(moved, forms, x, y)
        agreed = np.ones(owner.shape, np.bool_)
        for right, low in ((0.3, 0), (-0.3, 0), (0, 0.3), (0, -0.3)):
            agreed &= owners(moved, forms, x + right, y + low) == owner
        assert (masks[agreed] == owner[agreed]).all()
        certain.append(agreed.mean())
    assert np.mean(certain) > 0.94


def test_landmarks_lie_where_the_main_sprite_takes_them() -> None:
    moved, painted = drawn(60)
    x, y, visible = np.moveaxis(painted.landmarks.astype(float), -1, 0)
    turn = np.deg2rad(moved.angle[:, 0] / 2)[..., None]
    right, low = x + 0.5 - moved.across[:, 0, :, None] / 16, y + 0.5 - moved.down[:, 0, :, None] / 16
    u, v = right * np.cos(turn) + low * np.sin(turn), low * np.cos(turn) - right * np.sin(turn)
    own = np.stack([u, v], axis=-1) / (moved.radius[:, 0] / 16)[..., None, None]
    assert np.abs(own - own[:, :1]).max() < 0.03  # fixed to the sprite through turns and growth
    assert own[:, 0, LANDMARKS.index("top"), 1].max() < -0.6
    assert own[:, 0, LANDMARKS.index("right"), 0].min() > 0.6
    assert own[:, 0, LANDMARKS.index("bottom"), 1].min() > 0.6
    assert own[:, 0, LANDMARKS.index("left"), 0].max() < -0.6
    for form, name in enumerate(FORMS):
        assert inside(name, own[form::4, 0, :, 0], own[form::4, 0, :, 1]).all(), name
    assert set(np.unique(visible)) == {0, 1}


def test_a_landmark_is_visible_where_its_pixel_is_the_main_sprites() -> None:
    moved, painted = drawn(60)
    x, y, visible = np.moveaxis(painted.landmarks, -1, 0)
    column, row = np.floor(x + 0.5).astype(int), np.floor(y + 0.5).astype(int)
    within = (column >= 0) & (column < 48) & (row >= 0) & (row < 48)
    assert not visible[~within].any()
    video, time, _ = np.nonzero(within)
    owner = painted.masks[video, time, row[within], column[within]]
    np.testing.assert_array_equal(visible[within] == 1, owner == 1)
    alone = (moved.count == 1)[:, None, None] & within
    assert visible[alone].all()
    assert 0.02 < 1 - visible[within].mean() < 0.3  # the others hide some


def test_first_frame_shows_every_sprite_and_none_leaves(default: Kept) -> None:
    masks = np.stack(default.rows["masks"])
    assert masks.max() == MOST
    for video in masks:
        count = video.max()
        assert set(range(1, count + 1)) <= set(np.unique(video[0]))
        first = np.bincount(video[0].reshape(-1), minlength=count + 1)
        assert first[1:].min() >= 20
    moved = motion(Dice(words("any", 500, WIDTH)), 48, 64)
    for centre in (moved.across, moved.down):
        assert centre.min() >= 0
        assert centre.max() < 48 * 16


def test_every_number_of_sprites_is_as_frequent(default: Kept) -> None:
    counts = np.bincount([video.max() for video in default.rows["masks"]])
    assert counts[0] == 0
    assert counts[1:].min() > 0.8 * len(default.classes) / MOST


def test_sprites_hide_each_other() -> None:
    """A sprite's pixels, were it alone in the picture, against those that it shows."""
    word = words("any", 200, WIDTH)
    together = draw(word, np.zeros(200, np.int64), 48, 16).masks
    alone_word = word.copy()
    alone_word[:, 0] = 0  # one sprite, in the place and the form that it had
    alone = draw(alone_word, np.zeros(200, np.int64), 48, 16).masks
    full, shown = ((masks == 1).sum(axis=(2, 3)) for masks in (alone, together))
    assert (shown <= full).all()
    hidden = (shown < 0.8 * full).any(axis=1)
    assert 0.1 < hidden.mean() < 0.7


def test_light_changes_and_everything_moves(default: Kept) -> None:
    brightness = default.video[:100].mean(axis=(2, 3, 4))
    assert np.median(brightness.max(axis=1) / brightness.min(axis=1)) > 1.1
    masks = np.stack(default.rows["masks"])
    first, middle = masks[:, 0] == 1, masks[:, 8] == 1
    overlap = (first & middle).sum(axis=(1, 2)) / (first | middle).sum(axis=(1, 2)).clip(min=1)
    assert overlap.mean() < 0.5


def test_a_video_does_not_depend_on_its_neighbours() -> None:
    _, many = drawn(12)
    _, few = drawn(5)
    for name in Painted._fields:
        whole, part = getattr(many, name), getattr(few, name)
        np.testing.assert_array_equal(whole[:5], part)


def test_longer_videos_begin_alike() -> None:
    _, long = drawn(6, frames=20)
    _, short = drawn(6, frames=7)
    for name in Painted._fields:
        whole, part = getattr(long, name), getattr(short, name)
        np.testing.assert_array_equal(whole[:, :7], part)


def test_another_size_is_the_same_video() -> None:
    _, small = drawn(12)
    _, large = drawn(12, side=96)
    averaged = large.video.astype(float).reshape(12, 16, 3, 48, 2, 48, 2).mean(axis=(4, 6))
    assert np.abs(averaged - small.video).mean() < 6
    assert np.abs(averaged - small.video[::-1]).mean() > 20
    assert (large.masks[:, :, ::2, ::2] == small.masks).mean() > 0.97
    offset = (large.landmarks[..., :2] + 0.5) / 2 - (small.landmarks[..., :2] + 0.5)
    assert np.abs(offset).max() < 0.2


def test_classes_are_balanced_and_their_names_the_forms() -> None:
    kept = generated("val", val=41, classes=3)
    assert np.bincount(kept.classes).tolist() == [14, 14, 13]
    assert Sprites(SpritesConfig(classes=3)).tasks["sprite"].classes == FORMS[:3]
    assert Sprites(SpritesConfig()).tasks["keypoints"].classes == LANDMARKS


def accuracy(features: NDArray[Any], labels: NDArray[np.int64]) -> float:
    train = len(features) * 3 // 4
    mean, spread = features[:train].mean(axis=0), features[:train].std(axis=0) + 1e-6
    features = (features - mean) / spread
    classifier = LogisticRegression(max_iter=300, C=0.01).fit(features[:train], labels[:train])
    return float(classifier.score(features[train:], labels[train:]))


def test_neither_colours_nor_pixels_tell_the_class() -> None:
    kept = generated(train=800, frames=4)
    colours = kept.video.mean(axis=(1, 3, 4)) / 255
    assert accuracy(colours, kept.classes) < 0.36  # 0.25 is chance, 0.03 the standard error
    gray = kept.video[:, 0].mean(axis=1).reshape(-1, 24, 2, 24, 2).mean(axis=(2, 4)).reshape(len(colours), -1)
    assert accuracy(gray, kept.classes) < 0.36


def test_the_owners_of_pixels_tell_the_class() -> None:
    """The test above can fail: with the main sprite cut out and brought to the centre, a probe reads its class."""
    moved, painted = drawn(400, frames=1)
    alone = moved.count == 1
    pictures = []
    for video in np.flatnonzero(alone):
        x, y = (at[video, 0, 0] // 16 for at in (moved.across, moved.down))
        padded = np.pad(painted.masks[video, 0] == 1, 12)
        pictures.append(padded[y : y + 24, x : x + 24].reshape(-1))
    labels = (np.arange(400) % len(FORMS))[alone]
    assert accuracy(np.stack(pictures).astype(float), labels) > 0.8


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"classes": 5}, "classes: 5 is not between 2 and 4"),
        ({"val": 3}, "val: 3 examples cannot hold 4 classes"),
        ({"image_size": 31}, "image_size: 31"),
        ({"frames": 3}, "frames: 3 is not between 4 and 64"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SpritesConfig(**wrong)
