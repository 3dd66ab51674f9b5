"""One video, a file or a folder of frames -> frames of the wanted size, and which of its own frames these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets._decoding import Fit, UnreadableError, decoded, fitted, own_size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

Size = tuple[int, int]  #: (height, width)

#: Frames a file may lack at its end, as a share and in frames, before it counts as cut off: containers round.
_SHARE, _FRAMES = 0.02, 3


@dataclass(frozen=True, kw_only=True)
class Taking:
    """Which frames are taken of a video, and in which form.

    Attributes:
        size: (height, width) that frames are brought to; None keeps their own.
        fit: how; see `PictureConfig`.
        fps: frames a second at most, by their times; None takes all.
        folder_fps: frames a second that folders of frames were recorded at; None: not known.
        frames: at most so many of those, the first ones.
    """

    size: Size | None = None
    fit: Fit = "crop"
    fps: float | None = None
    folder_fps: float | None = None
    frames: int | None = None


class Taken(NamedTuple):
    """What was taken of a video."""

    frames: NDArray[np.uint8]  #: [T, 3, H, W]
    places: NDArray[np.int64]  #: [T], which of the video's own frames each is
    of: int  #: how many frames of its own the video has
    size: Size  #: of its own frames


def video_size(video: Path | Sequence[Path]) -> Size:
    """(height, width) of a file, from its head, or of a folder's first frame. Rotations that players apply are not.

    Raises:
        UnreadableError: it is no video.
    """
    if not isinstance(video, Path):
        return own_size(video[0])
    with _opened(video) as container:
        codec = _stream(container).codec_context
        return codec.height, codec.width


def take(video: Path | Sequence[Path], taking: Taking) -> Taken:
    """The frames of a file, or of pictures in order.

    Raises:
        UnreadableError: it is damaged or cut off, changes its size, or has fewer than two frames.
    """
    pace = _Pace(taking.fps)
    kept: list[NDArray[np.uint8]] = []
    places: list[int] = []
    count, size = 0, video_size(video)
    frames: Iterator[tuple[float, Path | VideoFrame]]
    frames = _of_file(video) if isinstance(video, Path) else _of_pictures(video, taking.folder_fps)
    for place, (seconds, frame) in enumerate(frames):
        count = place + 1
        if pace.due(seconds) and len(kept) < (taking.frames or place + 1):
            kept.append(_pixels(frame, size, taking, place))
            places.append(place)
    if len(kept) < 2:
        why = f", of which {len(kept)} is taken at {taking.fps:g} a second" if taking.fps and count > 1 else ""
        raise UnreadableError(f"a video needs two frames; this one has {count}{why}")
    return Taken(np.stack(kept), np.array(places), count, size)


class _Pace:
    """Says which frames to take for so many a second: the first one, and after it the first of each 1/fps seconds."""

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._start: float | None = None
        self._due = 0

    def due(self, seconds: float) -> bool:
        if self._fps is None:
            return True
        self._start = seconds if self._start is None else self._start
        tick = int((seconds - self._start) * self._fps + 1e-6)  # times are rounded: 0.2 s may be 0.199999
        due = tick >= self._due
        if due:
            self._due = tick + 1
        return due


def _of_pictures(pictures: Sequence[Path], fps: float | None) -> Iterator[tuple[float, Path | VideoFrame]]:
    for place, picture in enumerate(pictures):
        yield place / (fps or 1), picture


def _of_file(path: Path) -> Iterator[tuple[float, Path | VideoFrame]]:
    """Every frame with its time in seconds."""
    from av.error import FFmpegError

    place = -1
    with _opened(path) as container:
        stream = _stream(container)
        rate = float(stream.average_rate or 25)
        first = last = 0.0
        try:
            for place, frame in enumerate(container.decode(stream)):
                last = place / rate if frame.time is None else frame.time
                first = last if place == 0 else first
                if frame.is_corrupt:
                    raise UnreadableError(f"damaged at frame {place}, or cut off there")
                yield last, frame
        except (FFmpegError, OSError, ValueError) as error:
            raise UnreadableError(f"damaged behind frame {place}: {error}") from error
        found, said = (last - first) * rate + 1, _said(stream, rate)
    if found + _FRAMES < said * (1 - _SHARE):
        raise UnreadableError(
            f"cut off: it says that it is {said / rate:.2f} s long, and ends after {found / rate:.2f} s"
        )


def _said(stream: VideoStream, rate: float) -> float:
    """How many frames a file says that it has, counted in time: an AVI leaves out those that repeat."""
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    return max(seconds * rate, stream.frames)


def _pixels(frame: Path | VideoFrame, size: Size, taking: Taking, place: int) -> NDArray[np.uint8]:
    """[3, H, W]."""
    import PIL.Image

    if isinstance(frame, Path):
        found = own_size(frame)
        if found != size:
            raise _of_another_size(frame.name, found, size)
        try:
            return decoded(frame, 3, taking.size, taking.fit)
        except UnreadableError as error:
            raise UnreadableError(f"its frame {frame.name} cannot be read: {error}") from error
    if (frame.height, frame.width) != size:
        raise _of_another_size(str(place), (frame.height, frame.width), size)
    image = PIL.Image.fromarray(frame.to_ndarray(format="rgb24"))
    return np.asarray(image if taking.size is None else fitted(image, taking.size, taking.fit)).transpose(2, 0, 1)


def _of_another_size(name: str, found: Size, size: Size) -> UnreadableError:
    return UnreadableError(
        f"its frame {name} is {found[0]} x {found[1]} (height x width), but the first is {size[0]} x {size[1]}"
    )


def _opened(path: Path) -> InputContainer:
    import av
    from av.error import FFmpegError

    try:
        container: InputContainer = av.open(str(path))
        return container
    except (FFmpegError, OSError, ValueError) as error:
        raise UnreadableError(f"no video in a format that is known here, or damaged: {error}") from error


def _stream(container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise UnreadableError("holds no pictures: it is sound alone, or damaged")
    return container.streams.video[0]
