"""One's own videos: files (AVI, MP4, ...) or folders of frames, in a folder a class, or with a table; with JHMDB's
poses a task of following joints too.

    {name: videos, config: {path: FOLDER, fps: 6, size: [256, 256]}}
    JHMDB: {path: FOLDER, table: split.txt, split: label, poses: "joint_positions/{video}/joint_positions.mat"}
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import (
    Catalogue,
    check_classes,
    check_known,
    class_names,
    coded,
    codes_among,
    listed,
    majority,
)
from harness.datasets._dataset import SPLITS, DatasetError, SplitName, Task, Writer
from harness.datasets._decoding import Fit, UnreadableError
from harness.datasets._digests import digest_of_files
from harness.datasets._jhmdb import JOINTS, read_poses
from harness.datasets._own_examples import Ids, LabelledConfig, OwnExamples, require_inside
from harness.datasets._reel import Reel
from harness.datasets._splits import UNDECIDED
from harness.datasets._video_decoding import Size, Taking, take, video_size
from harness.datasets._video_files import Columns, Example, from_folders, from_table
from methods import Settings, Spec

_log = logging.getLogger(__name__)

KEYPOINTS = "keypoints"


@dataclass(frozen=True, kw_only=True)
class VideosConfig(LabelledConfig):
    """Attributes:
    train, val, test: folders inside `path`.
    table: one for all videos, inside `path`.
    file, label, group, split: columns of the table; file and label have usual names. Without a column of labels, the
        first folder of a video's name is its class.
    labels: none: a corpus to pretrain on, whatever its folders are called.
    poses: the files of JHMDB's joints inside `path`, where {video} stands for a video's name without ending.
    size: (height, width) to resize to; by default all must be of one size.
    fit: crop to the wanted aspect about the centre, squash to it, or pad with black.
    fps: frames a second at most, chosen by their times; by default all frames are kept.
    folder_fps: what folders of frames were recorded at, so that `fps` can be kept.
    frames: at most so many frames of each video.
    metric: what the board ranks where there are classes.
    """

    train: str | None = None
    table: str | None = None
    file: str | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None
    labels: Literal["given", "none"] = "given"
    poses: str | None = None
    size: Size | None = None
    fit: Fit = "crop"
    fps: float | None = None
    folder_fps: float | None = None
    frames: int | None = None
    metric: Literal["accuracy", "macro_f1"] = "accuracy"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_inside(table=self.table, poses=self.poses)
        if self.table is None and (
            column := next((c for c in ("file", "label", "group", "split") if getattr(self, c)), None)
        ):
            raise ValueError(f"{column}: is a column of `table`, which is not given")
        if self.table is not None and any(isinstance(getattr(self, split), str) for split in SPLITS):
            raise ValueError("table: it holds all videos, so splits have no folders of their own; give one of them")
        if self.size is not None and not (len(self.size) == 2 and min(self.size) >= 1):
            raise ValueError(f"size: {list(self.size)} is not [height, width]")
        for name, rate in (("fps", self.fps), ("folder_fps", self.folder_fps)):
            if rate is not None and not rate > 0:
                raise ValueError(f"{name}: {rate} frames a second; give more than 0, or leave it out to keep all")
        if self.frames is not None and self.frames < 2:
            raise ValueError(f"frames: {self.frames} is no video; give at least 2")
        if self.task == KEYPOINTS and self.poses is not None:
            raise ValueError(f"task: {KEYPOINTS!r} is the name of the task of `poses`; give another")


class Videos(OwnExamples):
    """See the module; DAVIS has a reader of its own."""

    name: ClassVar[str] = "videos"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = VideosConfig
    config: VideosConfig

    @property
    def folds(self) -> int:
        return self.config.folds

    @property
    def spec(self) -> Spec:
        grouped = self._catalogue.groups is not None
        return Spec(modality="video", shape=(3, *self._size), size=len(self._parts["train"]), groups=grouped)

    @property
    def tasks(self) -> Mapping[str, Task]:
        found = {}
        if self._labels is not None:
            name, metric = self.config.task, self.config.metric
            train = self._labels[self._parts["train"]]
            chance = majority(np.bincount(train, minlength=len(self._classes)) / len(train), metric)
            found[name] = Task(name=name, kind="class", metric=metric, classes=self._classes, chance=chance)
        if self.config.poses is not None:
            found[KEYPOINTS] = Task(
                name=KEYPOINTS, kind="keypoints", metric="PCK@0.1", also=("PCK@0.2",), classes=JOINTS, chance=0.0
            )
        return found

    @property
    def labelled(self) -> bool:
        return self._catalogue.labels is not None or self.config.poses is not None

    def strata(self) -> Ids:
        return np.zeros(len(self._catalogue), np.int64) if self._labels is None else self._labels

    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        if self._labels is not None:
            check_classes(self._classes, self._labels, parts, self.config.folds)

    def catalogue(self) -> Catalogue:
        found = self._found
        labels = [example.label for example in found if example.label is not None]
        if self.config.labels == "none":
            labels = []
        if labels and len(labels) < len(found):
            bare = [example.name for example in found if example.label is None]
            raise DatasetError(
                listed(f"{self.root}: {len(labels):,} videos lie in folders of classes, but these do not", bare)
                + "\n  move them, or say `labels: none` if this is a corpus without labels"
            )
        if self.config.fps and not self.config.folder_fps and any(example.frames for example in found):
            folder = next(example.name for example in found if example.frames)
            raise DatasetError(
                f"{self.root / folder}: a folder of frames does not tell their times, which `fps: {self.config.fps:g}` "
                "needs; say at how many a second they were recorded with `folder_fps`, or leave out `fps`"
            )
        content = [digest_of_files({Path(f).name: self._digests[f] for f in example.files}) for example in found]
        first: dict[str, int] = {}
        return Catalogue(
            given=np.array([SPLITS.index(e.split) if e.split else UNDECIDED for e in found], np.int8),
            labels=np.array(labels) if labels else None,
            groups=np.array([example.group for example in found]) if self.config.group else None,
            alike=np.array([first.setdefault(text, row) for row, text in enumerate(content)]),
        )

    def files(self) -> Sequence[str]:
        tables = [] if self.config.table is None else [self.config.table]
        poses = [] if self.config.poses is None else [self._poses_of(example) for example in self._found]
        return [*tables, *(file for example in self._found for file in example.files), *poses]

    def where(self, row: int) -> str:
        return str(self.root / self._found[row].name)

    def write(self, split: SplitName, writer: Writer) -> None:
        ids, began = self._parts[split], time.perf_counter()
        poses = []
        with Reel((3, *self._size)) as reel:
            for video, joints in self._read(ids):
                reel.add(video)
                poses.append(joints)
            _log.info("%s: read %d videos in %.1f s", split, len(ids), time.perf_counter() - began)
            writer.ragged("video", reel.rows())
        if self._labels is not None:
            writer.labels(self.config.task, self._labels[ids])
        if self.config.poses is not None:
            writer.ragged_labels(KEYPOINTS, poses)
        if self._catalogue.groups is not None:
            writer.groups(coded(self._catalogue.groups)[ids])

    def _read(self, ids: Ids) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Frames, and joints if there are any, of these videos, one at a time."""
        config = self.config
        taking = Taking(
            size=config.size, fit=config.fit, fps=config.fps, folder_fps=config.folder_fps, frames=config.frames
        )
        for row in ids.tolist():
            try:
                taken = take(self._paths(row), taking)
            except UnreadableError as error:
                raise self._unusable(row, error) from error
            if taken.frames.shape[2:] != self._size:
                raise self._of_two_sizes({row: taken.size})
            poses = np.empty(0, np.float32)
            if config.poses is not None:
                path = self.root / self._poses_of(self._found[row])
                poses = read_poses(path, taken, config.fit)
                if not poses[0, :, 2].any():
                    raise DatasetError(f"{path}: no joint lies inside the first frame, so that there is none to follow")
            yield taken.frames, poses

    def _paths(self, row: int) -> Path | list[Path]:
        example = self._found[row]
        return [self.root / frame for frame in example.frames] or self.root / example.name

    def _poses_of(self, example: Example) -> str:
        assert self.config.poses is not None
        name = example.name if example.frames else str(Path(example.name).with_suffix(""))
        return self.config.poses.replace("{video}", name)

    @cached_property
    def _found(self) -> list[Example]:
        """Raises DatasetError where files, folders and tables do not make sense."""
        if not self.root.is_dir():
            raise DatasetError(f"{self.root} is a file; `path` is the folder of the videos")
        config = self.config
        if config.table is not None:
            columns = Columns(config.file, config.label, config.group, config.split)
            found = from_table(self.root, config.table, columns)
        else:
            named = {split: getattr(config, split) for split in SPLITS}
            found = from_folders(self.root, {s: name if isinstance(name, str) else None for s, name in named.items()})
        found.sort(key=lambda example: example.name)
        if config.poses is not None:
            absent = [str(self.root / name) for name in map(self._poses_of, found) if not (self.root / name).is_file()]
            if absent:
                raise DatasetError(
                    listed(f"{len(absent):,} of {len(found):,} videos have no joints; there is no", absent)
                    + "\n  `poses` names the file of each, where {video} stands for the video's name without ending"
                )
        return found

    @cached_property
    def _size(self) -> Size:
        """(height, width) of all stored frames."""
        sizes: dict[int, Size] = {}
        for row in range(len(self._found)):
            try:
                sizes[row] = video_size(self._paths(row))
            except UnreadableError as error:
                raise self._unusable(row, error) from error
        if self.config.size is not None:
            return self.config.size
        if len(set(sizes.values())) > 1:
            raise self._of_two_sizes(sizes)
        return sizes[0]

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        labels = self._catalogue.labels
        assert labels is not None
        if self.config.classes:
            check_known(labels, self.config.classes)
        return self.config.classes or class_names(labels)

    @cached_property
    def _labels(self) -> Ids | None:
        """Indices into the classes [N]."""
        names = self._catalogue.labels
        return None if names is None else codes_among(self._classes, names)

    def _unusable(self, row: int, error: UnreadableError) -> DatasetError:
        return DatasetError(f"{self.where(row)}: {error}; mend it, or take it out")

    def _of_two_sizes(self, sizes: Mapping[int, Size]) -> DatasetError:
        notes = [f"{self.where(row)}: {height} x {width}" for row, (height, width) in sizes.items()]
        return DatasetError(
            listed("videos differ in size (height x width)", notes)
            + "\n  give the size that all are brought to, as in `size: [120, 160]`"
        )
