"""Joints of animals in DAVIS sequences, as BADJA annotates them (Biggs et al. 2018): a JSON file a sequence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import DatasetError

#: Places of the annotated joints in the files, which hold all those of the SMAL model, and their names.
JOINTS = {
    8: "upper_right_1",
    9: "upper_right_2",
    10: "upper_right_3",
    12: "upper_left_1",
    13: "upper_left_2",
    14: "upper_left_3",
    15: "neck_lower",
    18: "lower_right_1",
    19: "lower_right_2",
    20: "lower_right_3",
    22: "lower_left_1",
    23: "lower_left_2",
    24: "lower_left_3",
    25: "tail_0",
    28: "tail_3",
    31: "tail_6",
    32: "jaw",
    33: "nose",
    35: "right_ear",
    36: "left_ear",
}
#: All joints of a file, those without annotation included.
_ALL = 37
#: The frames that the files speak of: (height, width).
ANNOTATED_SIZE = (1080, 1920)


def read_joints(path: Path, frames: Sequence[str], size: tuple[int, int]) -> NDArray[np.float32]:
    """Joints of every frame: (x, y, visible) in pixels of frames that are stored at `size`, [T, 20, 3]; a frame that
    the file does not speak of shows none.

    Args:
        frames: names of the sequence's frames without ending, such as "00000".
        size: (height, width).

    Raises:
        DatasetError: the file is no such annotation, or speaks of other frames or joints.
    """
    try:
        entries = json.loads(path.read_text())
        rows = [
            (PurePosixPath(entry["image_path"]).stem, np.array(entry["joints"]), np.array(entry["visibility"]))
            for entry in entries
        ]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: cannot be read as BADJA joints ({error!r}); get the file again") from error
    out = np.zeros((len(frames), len(JOINTS), 3), np.float32)
    places = {name: place for place, name in enumerate(frames)}
    for name, joints, visible in rows:
        if joints.shape != (_ALL, 2) or visible.shape != (_ALL,) or joints.dtype.kind not in "if":
            raise DatasetError(
                f"{path}, frame {name}: joints {list(joints.shape)} and visibility {list(visible.shape)}; "
                f"BADJA has [{_ALL}, 2] and [{_ALL}], and annotates {', '.join(JOINTS.values())}"
            )
        if name not in places:
            raise DatasetError(f"{path}: speaks of frame {name}, but the sequence has {frames[0]} to {frames[-1]} only")
        out[places[name]] = _scaled(joints[list(JOINTS)], visible[list(JOINTS)] != 0, size, f"{path}, frame {name}")
    if not out[..., 2].any():
        raise DatasetError(f"{path}: no joint is visible in any frame; take the file out")
    visible = out[..., 2] > 0
    first = int(visible.any(1).argmax())
    if not visible[first + 1 :, visible[first]].any():
        raise DatasetError(
            f"{path}: no joint that frame {frames[first]} shows, the first with any, is visible in a later one: "
            "there is nothing to follow; take the file out"
        )
    return out


def _scaled(
    joints: NDArray[np.float64], visible: NDArray[np.bool_], size: tuple[int, int], where: str
) -> NDArray[np.float32]:
    """(y, x) in annotated frames -> (x, y, visible) in stored ones; the centre of the first pixel is at 0 in both."""
    outside = visible & ((joints < 0) | (joints >= ANNOTATED_SIZE)).any(1)
    if outside.any():
        place = int(outside.argmax())
        raise DatasetError(
            f"{where}: joint {list(JOINTS.values())[place]} lies at (y, x) = {joints[place].tolist()}, "
            f"outside the frames of {ANNOTATED_SIZE[0]} x {ANNOTATED_SIZE[1]} that BADJA annotates"
        )
    scale = np.array(size) / ANNOTATED_SIZE
    points = (joints + 0.5) * scale - 0.5
    return np.concatenate([points[:, ::-1], np.ones((len(points), 1))], axis=1).astype(np.float32) * visible[:, None]
