"""Videos of a user's, tiny: DAVIS in its folders, folders of frames, video files, poses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.datasets._procedural import words

HEIGHT, WIDTH = 24, 32


def frame(name: str, number: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """A picture of its own for every name and number, of four colours: [H, W, 3]."""
    corners = (words(f"{name}/{number}", 2, 6) >> 24).astype(np.uint8).reshape(2, 2, 3)
    return corners.repeat(-(-height // 2), axis=0).repeat(-(-width // 2), axis=1)[:height, :width]


def square(at: int, value: int = 255) -> NDArray[np.uint8]:
    """A mask of one object of 6 x 6 pixels: [H, W]."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[8:14, at : at + 6] = value
    return mask


def save(path: Path, values: NDArray[np.uint8], palette: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    if palette:
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    image.save(path)
    return path


def save_sequence(root: Path, name: str, masks: Sequence[NDArray[np.uint8]], palette: bool = False) -> None:
    """A frame for every mask."""
    for number, mask in enumerate(masks):
        save(root / "JPEGImages" / "480p" / name / f"{number:05}.png", frame(name, number))
        save(root / "Annotations" / "480p" / name / f"{number:05}.png", mask, palette)


def save_davis(root: Path, lengths: Mapping[str, int]) -> Path:
    """Sequences of so many frames, in which one object moves to the right."""
    for name, length in lengths.items():
        save_sequence(root, name, [square(number % 20) for number in range(length)])
    return root


def save_lists(root: Path, year: int, **lists: Sequence[str]) -> None:
    for name, lines in lists.items():
        path = root / "ImageSets" / str(year) / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))


def save_badja(folder: Path, name: str, joints: Mapping[int, Mapping[int, tuple[int, int]]]) -> Path:
    """Joints (y, x) in 1920 x 1080 by frame and place among the 37."""
    entries = []
    for number, visible in joints.items():
        points = [list(visible.get(place, (0, 0))) for place in range(37)]
        entries.append(
            {
                "image_path": f"DAVIS/JPEGImages/Full-Resolution/{name}/{number:05}.jpg",
                "segmentation_path": f"DAVIS/Annotations/Full-Resolution/{name}/{number:05}.png",
                "joints": points,
                "visibility": [place in visible for place in range(37)],
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(entries))
    return path


def save_frames(folder: Path, length: int, purpose: str | None = None) -> Path:
    """A video as a folder of frames."""
    for number in range(length):
        save(folder / f"{number:04}.png", frame(purpose or str(folder.name), number))
    return folder


def save_classes(folder: Path, count: int = 10, suffix: str = "") -> Path:
    """Folders of frames in two classes, each video of its own content, 3 to 6 frames long."""
    for name in ("cat", "dog"):
        for index in range(count):
            save_frames(folder / name / f"{index:02}", 3 + index % 4, f"{name}{index}{suffix}")
    return folder


def save_film(path: Path, length: int, rate: int = 30, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """A video file, by the ending of its name; frame i is noise about a grey of level 60 + 4 i, so that it is known
    again, and has enough bytes to be damaged in."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(length):
            noise = words(f"film/{number}", height, width)[..., None] >> 27
            grey = np.broadcast_to(44 + 4 * number + noise, (height, width, 3)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return path


def save_poses(path: Path, points: NDArray[np.float64]) -> Path:
    """JHMDB's file of joints: points [2, 15, T], counted from 1."""
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"pos_img": points})
    return path
