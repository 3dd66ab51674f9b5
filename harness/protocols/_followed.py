"""What is followed through a video: the objects of a mask, or keypoints. Each kind says how its first frame becomes
soft labels of cells, and how carried labels are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.protocols._label_grid import LabelGrid


class Followed(ABC):
    """One kind of labels. `given` is the first frame's, as `View.test_given` has them."""

    @abstractmethod
    def check(self, given: NDArray[Any], height: int, width: int) -> str | None:
        """What is wrong with the labels of a first frame, or None."""

    @abstractmethod
    def start(self, given: NDArray[Any], grid: LabelGrid) -> Tensor:
        """Soft labels of the cells of the first frame: float32 [h, w, C]."""

    @abstractmethod
    def read(self, labels: Tensor, given: NDArray[Any], grid: LabelGrid) -> NDArray[Any]:
        """The prediction that carried labels (float32 [T, h, w, >= C]) amount to; the first frame as it is given."""

    @abstractmethod
    def scorable(self, truth: NDArray[Any]) -> bool:
        """Whether a metric can say anything of a video with these labels."""


class Objects(Followed):
    """uint8 [H, W] -> uint8 [T, H, W]; a channel for the background and one for each object."""

    def check(self, given: NDArray[Any], height: int, width: int) -> str | None:
        if given.shape != (height, width):
            return f"its mask has {_size(given.shape)} pixels, its frames have {height} x {width}"
        return None if given.any() else "there is no object in the mask of its first frame"

    def start(self, given: NDArray[Any], grid: LabelGrid) -> Tensor:
        member = given[..., None] == _numbers(given)
        return grid.cells(torch.from_numpy(member).to(grid.rows))

    def read(self, labels: Tensor, given: NDArray[Any], grid: LabelGrid) -> NDArray[Any]:
        numbers = _numbers(given)
        masks: NDArray[np.uint8] = numbers[grid.largest(labels[..., : len(numbers)]).cpu().numpy()]
        masks[0] = given
        return masks

    def scorable(self, truth: NDArray[Any]) -> bool:
        return len(truth) > 2  # the first and the last frame are not scored


class Keypoints(Followed):
    """float32 [K, 3] (x, y, visible) -> float32 [T, K, 2]; a channel for each point. A point that the first frame does
    not show is NaN throughout; one whose map is empty in some frame is where it was last."""

    def check(self, given: NDArray[Any], height: int, width: int) -> str | None:
        return None if given[:, 2].any() else "no keypoint is visible in its first frame"

    def start(self, given: NDArray[Any], grid: LabelGrid) -> Tensor:
        points = torch.tensor(given).to(grid.rows)
        return grid.points(points[:, :2]) * (points[:, 2] > 0)

    def read(self, labels: Tensor, given: NDArray[Any], grid: LabelGrid) -> NDArray[Any]:
        points = grid.peaks(labels[..., : len(given)]).cpu().numpy()
        points[0] = np.where(given[:, 2:] > 0, given[:, :2], np.nan)
        for frame in range(1, len(points)):
            points[frame] = np.where(np.isnan(points[frame]), points[frame - 1], points[frame])
        found: NDArray[np.float32] = points
        return found

    def scorable(self, truth: NDArray[Any]) -> bool:
        return bool(((truth[1:, :, 2] > 0) & (truth[0, :, 2] > 0)).any())


def _numbers(given: NDArray[Any]) -> NDArray[np.uint8]:
    """The background's number and those of the objects, one a channel."""
    return np.union1d(np.zeros(1, np.uint8), given).astype(np.uint8)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
