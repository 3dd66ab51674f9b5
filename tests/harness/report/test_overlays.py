"""Pictures of what was followed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.report.gallery import load_panels, save_panels
from harness.report.overlays import hue, overlay, propagation_panel


def _frames(count: int = 3, height: int = 20, width: int = 30, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, channels, height, width)).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_only_objects_are_tinted(channels: int) -> None:
    frames, masks = _frames(channels=channels), np.zeros((3, 20, 30), np.uint8)
    masks[1, 5:10, 5:10], masks[1, 12:18, 12:18] = 1, 2
    pictures = overlay(frames, masks)
    plain = np.broadcast_to(frames.transpose(0, 2, 3, 1) / 255, (3, 20, 30, 3))
    assert pictures.dtype == np.float32
    assert np.allclose(pictures[masks == 0], plain[masks == 0], atol=1e-6)
    for number in (1, 2):
        middle = (1, 7, 7) if number == 1 else (1, 15, 15)
        assert np.allclose(pictures[middle], (plain[middle] + hue(number - 1)) / 2, atol=1e-6)
    assert np.allclose(pictures[1, 5, 5], hue(0))  # the rim is opaque
    assert np.abs(hue(0) - hue(1)).max() > 0.5


def test_points_are_drawn_where_they_are_and_only_if_they_are_seen() -> None:
    frames = np.full((3, 3, 20, 30), 128, np.uint8)
    points = np.array([[[20, 5, 1], [8, 14, 0]], [[np.nan, np.nan, 1], [8, 14, 1]], [[-5, -5, 1], [8, 14, 0]]])
    pictures = overlay(frames, points)
    assert np.allclose(pictures[0, 5, 20], hue(0))
    assert np.allclose(pictures[1, 14, 8], hue(1))
    assert np.allclose(pictures[0, 14, 8], 128 / 255)
    assert np.allclose(pictures[2], 128 / 255)
    assert np.allclose(pictures[0, 12:], 128 / 255)
    assert np.array_equal(overlay(frames[:1], points[:1, :1, :2]), overlay(frames[:1], points[:1, :1]))


@pytest.mark.parametrize("shape", [(2, 20, 30), (16, 48, 48), (30, 480, 854)])
def test_a_panel_shows_prediction_above_truth(shape: tuple[int, int, int], tmp_path: Path) -> None:
    frames = _frames(*shape)
    predicted, truth = np.zeros((2, *shape), np.uint8)
    truth[:, :10, :10] = 1
    panel = propagation_panel(frames, predicted, truth, "masks: dancer", "J .500")
    rows, columns, height, width, _ = panel.images.shape
    assert rows == 2
    assert columns == min(8, shape[0])
    assert 60 <= max(height, width) <= 288
    assert f"{shape[0] - 1};" in panel.caption
    assert not np.array_equal(panel.images[0], panel.images[1])
    same = propagation_panel(frames, truth, truth, "masks: dancer")
    assert np.array_equal(same.images[0], same.images[1])
    assert np.array_equal(same.images[1], panel.images[1])
    save_panels(tmp_path, [panel])
    (saved,) = load_panels(tmp_path)
    assert saved.title == "masks: dancer"


def test_points_stay_in_their_place_when_frames_are_enlarged() -> None:
    frames = np.zeros((2, 1, 24, 24), np.uint8)
    points = np.full((2, 1, 2), 6.0, np.float32)
    panel = propagation_panel(frames, points, points, "keypoints")
    lit = np.argwhere(panel.images[0, 0].max(-1) > 0.5).mean(0)
    assert panel.images.shape[2] == 144
    assert lit == pytest.approx([6 * 6 + 2.5] * 2, abs=0.6)
