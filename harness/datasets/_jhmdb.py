"""Poses of JHMDB (Jhuang et al. 2013): a MATLAB file a video, with the place of fifteen joints in every frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import DatasetError
from harness.datasets._decoding import Fit
from harness.datasets._video_decoding import Size, Taken

#: In the order of the files.
JOINTS = (
    *("neck", "belly", "face", "right_shoulder", "left_shoulder", "right_hip", "left_hip", "right_elbow"),
    *("left_elbow", "right_knee", "left_knee", "right_wrist", "left_wrist", "right_ankle", "left_ankle"),
)


def read_poses(path: Path, video: Taken, fit: Fit) -> NDArray[np.float32]:
    """Joints of the frames that were taken of a video: (x, y, visible) in pixels of these, [T, 15, 3]. What lies
    outside the frame is not visible.

    MATLAB counts from 1, and the centre of the first pixel is at 0 here, so 1 is taken away, as others do who read
    these files.

    Raises:
        DatasetError: the file is no such annotation, or that of another video.
    """
    from scipy.io import loadmat

    try:
        poses = np.asarray(loadmat(path)["pos_img"], np.float64)
    except Exception as error:  # of damaged files scipy raises anything: ValueError, TypeError, OSError, KeyError
        raise DatasetError(f"{path}: cannot be read as joints of JHMDB ({error!r}); get the file again") from error
    if poses.ndim != 3 or poses.shape[:2] != (2, len(JOINTS)):
        raise DatasetError(
            f"{path}: pos_img is {list(poses.shape)}; JHMDB has [2, {len(JOINTS)}, frames], of {', '.join(JOINTS)}"
        )
    if poses.shape[2] != video.of:
        raise DatasetError(
            f"{path}: has joints for {poses.shape[2]} frames, but its video has {video.of}; get both files again"
        )
    own = poses.transpose(2, 1, 0)[video.places] - 1
    shown = _inside(own, video.size)
    stored: Size = (video.frames.shape[2], video.frames.shape[3])
    points = placed(own, video.size, stored, fit)
    shown &= _inside(points, stored)
    return np.concatenate([points, shown[..., None]], axis=-1).astype(np.float32)


def placed(points: NDArray[np.float64], own: Size, stored: Size, fit: Fit) -> NDArray[np.float64]:
    """(x, y) [..., 2] in a frame -> in the same frame as `_decoding.fitted` brings it to another size."""
    sides = np.array([own[1], own[0]]), np.array([stored[1], stored[0]])
    scale: NDArray[np.float64] = sides[1] / sides[0]
    if fit == "crop":
        scale = np.full(2, scale.max())
    if fit == "pad":
        inner = np.maximum(np.round(sides[0] * scale.min()), 1)
        padded: NDArray[np.float64] = (points + 0.5) * inner / sides[0] - 0.5 + (sides[1] - inner) // 2
        return padded
    left = (sides[0] - sides[1] / scale) / 2
    moved: NDArray[np.float64] = (points + 0.5 - left) * scale - 0.5
    return moved


def _inside(points: NDArray[np.float64], size: Size) -> NDArray[np.bool_]:
    """Whether each point [..., 2] lies on a pixel."""
    on = (points >= -0.5) & (points < np.array([size[1], size[0]]) - 0.5)
    return np.asarray(on.all(-1))
