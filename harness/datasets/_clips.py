"""Frames and masks of clips, decoded and brought to one size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError
from harness.datasets._decoding import UnreadableError, decoded, own_size
from harness.datasets._masks import Mask, numbered, read_mask
from harness.datasets._scratch import scratch

Frames = NDArray[np.uint8]  #: [T, C, H, W]
Masks = NDArray[np.uint8]  #: [T, H, W]
Size = tuple[int, int]  #: (height, width)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video as pictures. `frames` and `masks` are names inside a root, one of each for every frame, in order."""

    name: str
    frames: tuple[str, ...]
    masks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, first: int, last: int) -> Clip:
        """The frames from `first` to before `last`."""
        return replace(self, frames=self.frames[first:last], masks=self.masks[first:last])

    @property
    def numbers(self) -> list[str]:
        """The names of the frames without folder and ending, such as "00000"."""
        return [Path(frame).stem for frame in self.frames]


class ClipReader:
    """Reads the clips of one folder.

    Attributes:
        size: (height, width) of all that it reads.

    Args:
        resolution: the height that clips are brought to, in their own aspect; None keeps it.
        width: what they are squashed to; None keeps their aspect.

    Raises:
        DatasetError: a first frame cannot be read, or the clips would differ in size.
    """

    def __init__(self, root: Path, clips: Sequence[Clip], resolution: int | None, width: int | None) -> None:
        self._root = root
        self._clips = clips
        self._own = {clip.name: self._frame_size(clip.frames[0]) for clip in clips}
        sizes = {
            name: (resolution or height, width or round(own * (resolution or height) / height))
            for name, (height, own) in self._own.items()
        }
        if len(set(sizes.values())) > 1:
            notes = [f"{name}: {height} x {width}" for name, (height, width) in sizes.items()]
            raise DatasetError(
                listed(f"{root}: the clips differ in size (height x width)", notes)
                + "\n  give the size that all are brought to, as in `resolution: 480, width: 854`"
            )
        self.size: Size = next(iter(sizes.values()))

    def frames(self, clips: Sequence[Clip]) -> list[Frames]:
        """Views of one array: uint8 [T, 3, H, W] for each clip.

        Raises:
            DatasetError: names the frame that cannot be read, or is not of the size of the first.
        """
        out = scratch((sum(len(clip) for clip in clips), 3, *self.size))

        def put(place: int, name: str, size: Size) -> None:
            found = self._frame_size(name)
            if found != size:
                raise _of_another_size(self._root / name, "frame", found, "the first of its clip", size)
            try:
                out[place] = decoded(self._root / name, 3, None if size == self.size else self.size, "squash")
            except UnreadableError as error:
                raise _unreadable(self._root / name, "frame", error) from error

        names = [name for clip in clips for name in clip.frames]
        sizes = [size for clip in clips for size in [self._own[clip.name]] * len(clip)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(put, range(len(names)), names, sizes))
        return _cut(out, clips)

    def masks(self, clips: Sequence[Clip]) -> list[Masks]:
        """Views of one array: uint8 [T, H, W] for each clip, each pixel with the object at its centre.

        Raises:
            DatasetError: names the mask that cannot be read, or is not of the size of its frame.
        """
        out = scratch((sum(len(clip) for clip in clips), *self.size))
        place = 0
        for clip in clips:
            first = self._values(clip, 0)
            for frame in range(len(clip)):
                out[place] = self._objects(clip, frame, first)
                place += 1
        return _cut(out, clips)

    def check_first_masks(self) -> None:
        """Raises:
        DatasetError: names the first mask that shows no object at the stored size.
        """
        for clip in self._clips:
            if not self._objects(clip, 0, self._values(clip, 0)).any():
                raise DatasetError(
                    f"{self._root / clip.masks[0]}: shows no object, so that there is nothing to follow; get the file "
                    f"again, or leave {clip.name} out of `train`, `val` and `test`"
                )

    def _objects(self, clip: Clip, frame: int, first: Mask) -> Mask:
        import PIL.Image

        try:
            mask = numbered(self._values(clip, frame), first)
        except UnreadableError as error:
            raise DatasetError(f"{self._root / clip.masks[frame]}: {error}") from error
        height, width = self.size
        return np.asarray(PIL.Image.fromarray(mask).resize((width, height), PIL.Image.Resampling.NEAREST))

    def _values(self, clip: Clip, frame: int) -> Mask:
        """What a mask's file holds."""
        path, size = self._root / clip.masks[frame], self._own[clip.name]
        try:
            values = read_mask(path)
        except UnreadableError as error:
            raise _unreadable(path, "mask", error) from error
        if values.shape != size:
            raise _of_another_size(path, "mask", values.shape, "its frame", size)
        return values

    def _frame_size(self, name: str) -> Size:
        try:
            return own_size(self._root / name)
        except UnreadableError as error:
            raise _unreadable(self._root / name, "frame", error) from error


def _cut(out: NDArray[np.uint8], clips: Sequence[Clip]) -> list[NDArray[np.uint8]]:
    """Consecutive parts of an array, one a clip."""
    ends = np.cumsum([len(clip) for clip in clips]).tolist()
    return [out[end - len(clip) : end] for clip, end in zip(clips, ends, strict=True)]


def _unreadable(path: Path, what: str, error: UnreadableError) -> DatasetError:
    return DatasetError(f"{path}: cannot be read as a {what}: {error}; get the file again")


def _of_another_size(path: Path, what: str, found: tuple[int, ...], than: str, size: Size) -> DatasetError:
    return DatasetError(
        f"{path}: a {what} of {found[0]} x {found[1]} (height x width), but {than} has {size[0]} x {size[1]}; "
        "get the files again at one resolution"
    )
