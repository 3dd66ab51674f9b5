from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.datasets import SPLITS
from harness.datasets._decoding import Fit
from harness.datasets._jhmdb import JOINTS, placed, read_poses
from harness.datasets._video_decoding import Taking, take
from harness.datasets.videos import Videos, VideosConfig
from tests.harness.datasets.own_files import refused, written
from tests.harness.datasets.video_files import HEIGHT, WIDTH, frame, save, save_frames, save_poses

PATTERN = "joint_positions/{video}/joint_positions.mat"


def joints(length: int, start: float) -> np.ndarray:
    """Points [2, 15, T] that count from 1: joint k is at x = start + t, y = k + 1."""
    x = np.broadcast_to(start + 1 + np.arange(length), (15, length))
    y = np.broadcast_to(np.arange(15)[:, None] + 2, (15, length))
    return np.stack([x, y]).astype(np.float64)


def save_all(root: Path) -> Path:
    for index in range(10):
        name = f"{'ab'[index % 2]}/clip{index}"
        save_frames(root / "clips" / name, 4 + index % 3, name)
        save_poses(root / PATTERN.replace("{video}", f"clips/{name}"), joints(4 + index % 3, index))
    return root


def dataset(root: Path) -> Videos:
    return Videos(VideosConfig(path=str(root), poses=PATTERN, labels="none"))


def test_poses_are_those_of_their_video_counted_from_zero(tmp_path: Path) -> None:
    found = written(dataset(save_all(tmp_path / "v")), tmp_path)
    assert found.tasks.keys() == {"keypoints"}
    assert found.tasks["keypoints"].classes == JOINTS
    seen = 0
    for split in SPLITS:
        column = found.split(split).source.columns["video"]
        for place, rows in enumerate(found.split(split).rows("keypoints")):
            index = round(float(rows[0, 0, 0]))
            first = frame(f"{'ab'[index % 2]}/clip{index}", 0).transpose(2, 0, 1)
            assert np.array_equal(column.row(place)[0], first)
            assert rows.shape == (len(column.row(place)), 15, 3)
            assert np.array_equal(rows[..., 0], np.broadcast_to(index + np.arange(len(rows))[:, None], rows.shape[:2]))
            assert np.array_equal(rows[0, :, 1], np.arange(15) + 1)
            assert (rows[..., 2] == 1).all()
            seen += 1
    assert seen == 10


def test_bad_poses_are_refused(tmp_path: Path) -> None:
    root = save_all(tmp_path / "v")
    path = root / PATTERN.replace("{video}", "clips/a/clip0")
    save_poses(path, joints(5, 0))
    assert refused(dataset(root), tmp_path, r"clip0/joint_positions.mat: has joints for 5 frames, but its video has 4")
    save_poses(path, joints(4, 0)[:, :13])
    assert refused(dataset(root), tmp_path, r"pos_img is \[2, 13, 4\]; JHMDB has \[2, 15, frames\].*neck, belly")
    save_poses(path, joints(4, 200))
    assert refused(dataset(root), tmp_path, r"clip0/joint_positions.mat: no joint lies inside the first frame")
    path.write_bytes(b"MATLAB")
    assert refused(dataset(root), tmp_path, r"clip0/joint_positions.mat: cannot be read as joints of JHMDB")
    shutil.rmtree(path.parent)
    assert refused(dataset(root), tmp_path, r"1 of 10 videos have no joints; .*clip0/joint_positions.mat.*`poses`")


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(48, 64), (48, 48), (30, 80), (72, 36)])
def test_joints_stay_on_what_they_point_at(tmp_path: Path, fit: Fit, size: tuple[int, int]) -> None:
    """A bright square goes through the same resizing as its middle."""
    pictures = []
    points = np.zeros((2, 15, 2))
    for number, (x, y) in enumerate(((14, 9), (18, 15))):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
        pictures.append(save(tmp_path / f"{number}.png", picture))
        points[:, :, number] = np.array([[x + 1], [y + 1]])
    taken = take(pictures, Taking(size=size, fit=fit))
    poses = read_poses(save_poses(tmp_path / "p.mat", points), taken, fit)
    for picture, pose in zip(taken.frames, poses, strict=True):
        weight = picture[0].astype(np.float64)
        y, x = ((weight * grid).sum() / weight.sum() for grid in np.indices(weight.shape))
        assert pose[0] == pytest.approx([x, y, 1], abs=0.3)


def test_what_is_cut_off_is_not_visible() -> None:
    points = np.array([[0.0, 0.0], [16.0, 12.0]])
    moved = placed(points, (HEIGHT, WIDTH), (24, 12), "crop")
    assert moved[0, 0] < -0.5
    assert moved[1] == pytest.approx([6.0, 12.0])


def test_jhmdb_sample(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    folder = real_data("jhmdb_pose_sample")
    taken = take(folder / "Goal_Keeping_Tips_catch_f_cm_np1_fr_med_2.avi", Taking(size=(120, 160), fps=6))
    assert taken.of == 40
    assert taken.size == (240, 320)
    poses = read_poses(folder / "joint_positions.mat", taken, "crop")
    assert poses.shape == (len(taken.places), 15, 3)
    assert poses[0, 0] == pytest.approx([(286.5 - 0.5) / 2 - 0.5, (106.5 - 0.5) / 2 - 0.5, 1])
