"""DAVIS in its own folders (Perazzi et al. 2016, Pont-Tuset et al. 2017): real videos with the masks of their objects.

Pretraining sees frames and no masks. It sees the sequences of `train`; where there are none, as in the part of DAVIS
that papers report on, it sees the frames of the sequences that are tested (transductive; records say so). The last
fifth of each is held out of it, or the sequences of `val` are.

The task `masks` follows the objects of each sequence's first mask. With BADJA's annotations (Biggs et al. 2018) the
task `keypoints` follows the joints of animals, in the sequences that have them, from the first frame that shows any.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets._badja import JOINTS, read_joints
from harness.datasets._clips import Clip, ClipReader
from harness.datasets._dataset import SPLITS, Dataset, DatasetError, SplitName, Task, Writer
from harness.datasets._davis_files import davis_root, divided, read_clip, stored_sequences
from harness.datasets._digests import digest_of_files, file_digests
from harness.datasets._own_examples import require_inside
from methods import Settings, Spec

#: The sets of examples that tasks label; pretraining sees another.
SEQUENCES, ANIMALS = "sequences", "animals"
#: Of each sequence that pretraining sees, one frame in so many is held out of it, at the end; at least so many frames.
_HOLD_OUT, _FEWEST = 5, 2


@dataclass(frozen=True, kw_only=True)
class DavisConfig(Settings):
    """Attributes:
    path: the folder that holds JPEGImages and Annotations, or the one around it, where it is called DAVIS.
    stored: the folder inside both, by the size of its frames.
    year: the folder in ImageSets whose lists say which sequence is in train and which is tested (DAVIS calls that val);
        by default the one that is there.
    train, val, test: names of sequences, in place of the lists.
    resolution: height in pixels that frames and masks are brought to, in their own aspect; by default they are kept.
    width: what is wider or narrower than this is squashed; by default all must be of one width.
    joints: the folder inside `path` of BADJA's annotations, a JSON file a sequence.
    """

    path: str
    stored: str = "480p"
    year: int | None = None
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    resolution: int | None = None
    width: int | None = None
    joints: str | None = None

    def __post_init__(self) -> None:
        require_inside(stored=self.stored, joints=self.joints)
        for name, pixels in (("resolution", self.resolution), ("width", self.width)):
            if pixels is not None and pixels < 16:
                raise ValueError(f"{name}: {pixels} pixels do not show an object; give at least 16")


class Davis(Dataset):
    name: ClassVar[str] = "davis"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "the user's own"
    Config: ClassVar[type[Settings]] = DavisConfig
    locations: ClassVar[frozenset[str]] = frozenset({"path"})
    config: DavisConfig

    @property
    def spec(self) -> Spec:
        self._reader.check_first_masks()
        return Spec(modality="video", shape=(3, *self._reader.size), size=len(self._pretraining))

    @property
    def tasks(self) -> Mapping[str, Task]:
        masks = Task(
            name="masks",
            kind="masks",
            metric="J",
            also=("F", "J&F", "J_recall", "J_decay", "F_recall", "F_decay"),
            chance=0.0,
            examples=SEQUENCES,
        )
        keypoints = Task(
            name="keypoints",
            kind="keypoints",
            metric="PCK@0.1",
            also=("PCK@0.2",),
            classes=tuple(JOINTS.values()),
            chance=0.0,
            examples=ANIMALS,
        )
        return {"masks": masks} if self.config.joints is None else {"masks": masks, "keypoints": keypoints}

    @property
    def transductive(self) -> bool:
        return not self._parts["train"]

    def content(self) -> Mapping[str, Any]:
        frames = [name for clip in self._clips.values() for name in (*clip.frames, *clip.masks)]
        digests = file_digests(self._root, frames)
        if self._annotated:
            folder = self._joints_folder
            digests |= file_digests(folder, [path.name for path in self._annotated.values()])
        # Which sequence belongs where is decided by lists, and by what there is: part of the content.
        parts = {split: list(names) for split, names in self._parts.items()}
        return {"files": len(digests), "sha256": digest_of_files(digests), "sequences": parts}

    def write(self, split: SplitName, writer: Writer) -> None:
        writer.ragged("video", self._reader.frames(self._unlabelled(split)))
        clips = self._of(split)
        videos, masks = self._reader.frames(clips), self._reader.masks(clips)
        labelled = writer.of(SEQUENCES)
        labelled.ragged("video", videos)
        labelled.ragged_labels("masks", masks)
        if self.config.joints is None:
            return
        joints = {clip.name: self._joints(clip) for clip in clips if clip.name in self._annotated}
        # What comes before the first annotated frame cannot be followed from it.
        first = {name: int(rows[..., 2].any(1).argmax()) for name, rows in joints.items()}
        animals = writer.of(ANIMALS)
        by_name = dict(zip((clip.name for clip in clips), videos, strict=True))
        animals.ragged("video", [by_name[name][first[name] :] for name in joints])
        animals.ragged_labels("keypoints", [rows[first[name] :] for name, rows in joints.items()])

    @cached_property
    def _root(self) -> Path:
        path = Path(os.path.abspath(Path(self.config.path).expanduser()))  # noqa: PTH100 - resolve() follows links
        if not path.exists():
            raise DatasetError(f"there is no {path}; a relative `path` starts where the suite lies")
        return davis_root(path)

    @cached_property
    def _parts(self) -> dict[SplitName, tuple[str, ...]]:
        """Names of the sequences with labels, by split."""
        named: dict[SplitName, tuple[str, ...]] = {split: getattr(self.config, split) for split in SPLITS}
        return divided(self._root, stored_sequences(self._root, self.config.stored), named, self.config.year)

    @cached_property
    def _clips(self) -> dict[str, Clip]:
        names = sorted(name for part in self._parts.values() for name in part)
        return {name: read_clip(self._root, self.config.stored, name) for name in names}

    def _of(self, split: SplitName) -> list[Clip]:
        return [self._clips[name] for name in self._parts[split]]

    @cached_property
    def _pretraining(self) -> list[Clip]:
        """The sequences whose frames pretraining sees."""
        clips = self._of("train") or self._of("test")
        if not self._parts["val"] and not any(_held_out(clip) for clip in clips):
            raise DatasetError(
                f"{self._root}: no sequence is long enough to hold frames out of pretraining; name some with `val`"
            )
        return clips

    def _unlabelled(self, split: SplitName) -> list[Clip]:
        """What pretraining sees, or proves itself on; of test nothing."""
        if split == "test":
            return []
        if self._parts["val"]:
            return self._pretraining if split == "train" else self._of("val")
        if split == "train":
            return [clip.part(0, len(clip) - _held_out(clip)) for clip in self._pretraining]
        return [clip.part(len(clip) - _held_out(clip), len(clip)) for clip in self._pretraining if _held_out(clip)]

    @cached_property
    def _reader(self) -> ClipReader:
        clips = list(self._clips.values())
        return ClipReader(self._root, clips, self.config.resolution, self.config.width)

    @property
    def _joints_folder(self) -> Path:
        assert self.config.joints is not None
        path = Path(self.config.path).expanduser().absolute() / self.config.joints
        if not path.is_dir():
            raise DatasetError(f"there is no {path}; `joints` is the folder inside `path` of BADJA's JSON files")
        return path

    @cached_property
    def _annotated(self) -> dict[str, Path]:
        """Files of joints by sequence. BADJA speaks of videos beyond DAVIS too, which are passed over."""
        if self.config.joints is None:
            return {}
        files = {path.stem: path for path in sorted(self._joints_folder.glob("*.json"))}
        found = {name: path for name, path in files.items() if name in self._clips}
        if not set(found) & set(self._parts["test"]):
            names = ", ".join(files) or "no sequence"
            raise DatasetError(
                f"{self._joints_folder}: has joints of {names}, but of none that is tested\n"
                "  leave out `joints`, or name sequences with `test`"
            )
        return found

    def _joints(self, clip: Clip) -> NDArray[np.float32]:
        return read_joints(self._annotated[clip.name], clip.numbers, self._reader.size)


def _held_out(clip: Clip) -> int:
    """How many frames at the end of a sequence pretraining does not see; a short one is not cut."""
    count = max(len(clip) // _HOLD_OUT, _FEWEST)
    return count if len(clip) - count >= _FEWEST else 0
