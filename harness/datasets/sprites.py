"""Sprites: short videos of textured shapes that move over a moving ground, with every pixel's owner known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import Dataset, SplitName, Task, Writer
from harness.datasets._procedural import Dice, check_sizes, owned_words, shuffled
from harness.datasets._scratch import scratch
from harness.datasets._sprites_motion import MOST, apart, motion
from harness.datasets._sprites_painting import FORMS, LANDMARKS, Painted, paint
from methods import Settings, Spec

_CHUNK = 8  # videos painted at a time: their planes stay in the processor's cache
_WIDTH = 128  # random words that a video is made of


@dataclass(frozen=True, kw_only=True)
class SpritesConfig(Settings):
    """Attributes:
    train, val, test: videos per split.
    image_size: height and width in pixels; all lengths but the noise grow with it.
    frames: of each video; what moves, moves as far from one to the next whatever their number.
    classes: how many of the four shapes.
    """

    train: int = 600
    val: int = 60
    test: int = 100
    image_size: int = 48
    frames: int = 16
    classes: int = 4

    def __post_init__(self) -> None:
        if not 2 <= self.classes <= len(FORMS):
            raise ValueError(f"classes: {self.classes} is not between 2 and {len(FORMS)}, the number of shapes")
        if not 32 <= self.image_size <= 128:
            raise ValueError(f"image_size: {self.image_size} is not between 32 and 128")
        if not 4 <= self.frames <= 64:
            raise ValueError(
                f"frames: {self.frames} is not between 4 and 64; masks are scored without the first and the last frame"
            )
        check_sizes(self.train, self.val, self.test, self.classes)


class Sprites(Dataset):
    """One to three textured sprites before a textured ground: whose is every pixel, where are the landmarks of one.

    Sprites are diamonds, triangles, crosses or rings, all of the same area for their radius. They swing to and fro,
    turn, grow and shrink by a sixth, and pass before and behind each other; the ground moves past the camera. Every
    video has a palette of five colours, of which each surface has two, mixed by waves that move with it, so that
    sprites and ground often share a colour. Light waxes, wanes and changes its tint, a wide shadow passes, and every
    pixel has the noise of a camera. In the first frame no sprite lies much behind another; none leaves for good.

    Tasks: "masks" has the owner of every pixel, 0 for the ground and k for sprite k: the nearest one that covers at
    least half of the pixel, whose colours blend there by coverage. "keypoints" has four landmarks of the main sprite,
    the first, in the coordinates of pixels' centres; a landmark is visible if its pixel is the main sprite's.
    "sprite" is the shape of the main sprite, which is the largest. Colours, places, textures and motion do not depend
    on it. Classes are equally frequent (to one example). No video lies in two splits: a hash of the numbers that it is
    drawn from says to which it belongs.
    """

    name: ClassVar[str] = "sprites"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "generated; no rights reserved"
    Config: ClassVar[type[Settings]] = SpritesConfig
    config: SpritesConfig

    @property
    def spec(self) -> Spec:
        side = self.config.image_size
        return Spec(modality="video", shape=(3, side, side), size=self.config.train)

    @property
    def tasks(self) -> Mapping[str, Task]:
        classes = FORMS[: self.config.classes]
        return {
            "masks": Task(
                name="masks",
                kind="masks",
                metric="J",
                also=("F", "J&F", "J_recall", "J_decay", "F_recall", "F_decay"),
                chance=0.0,
            ),
            "keypoints": Task(
                name="keypoints", kind="keypoints", metric="PCK@0.1", also=("PCK@0.2",), classes=LANDMARKS, chance=0.0
            ),
            "sprite": Task(name="sprite", kind="class", metric="accuracy", classes=classes, chance=1 / len(classes)),
        }

    def write(self, split: SplitName, writer: Writer) -> None:
        size = {"train": self.config.train, "val": self.config.val, "test": self.config.test}[split]
        side, frames = self.config.image_size, self.config.frames
        purpose = f"{self.name}/{self.version}/{split}"
        labels = shuffled(f"{purpose}/labels", size) % self.config.classes
        videos = scratch((size, frames, *self.spec.shape))
        masks = scratch((size, frames, side, side))
        landmarks = np.empty((size, frames, len(LANDMARKS), 3), np.float32)
        drawn = self._words(split, purpose, size)
        for start in range(0, size, _CHUNK):
            part = slice(start, start + _CHUNK)
            videos[part], masks[part], landmarks[part] = draw(drawn[part], labels[part], side, frames)
        writer.dense("video", videos)
        writer.ragged_labels("masks", list(masks))
        writer.ragged_labels("keypoints", list(landmarks))
        writer.labels("sprite", labels)

    def _words(self, split: SplitName, purpose: str, size: int) -> NDArray[np.int64]:
        """[size, _WIDTH], of videos whose sprites stand apart in the first frame."""
        kept = np.empty((0, _WIDTH), np.int64)
        for drawn in owned_words(split, self.name, purpose, _WIDTH, 64):
            kept = np.concatenate([kept, drawn[apart(drawn)]])
            if len(kept) >= size:
                break
        return kept[:size]


def draw(word: NDArray[np.int64], label: NDArray[np.int64], side: int, frames: int) -> Painted:
    """Random words [N, _WIDTH], shapes of the main sprites [N]; those of the others are any."""
    dice = Dice(word)
    moved = motion(dice, side, frames)
    others = [dice.below(len(FORMS)) for _ in range(MOST - 1)]
    return paint(dice, moved, np.stack([label, *others], axis=1), side)
