"""Raw input of videos; that of images is in test_controls.py."""

from __future__ import annotations

import numpy as np
import torch

from harness.baselines import raw
from harness.features import Encodings
from methods import Spec
from methods.colorization import lab
from tests.toys import ToyColumn, ToySource


def videos(*lengths: int, size: tuple[int, int] = (6, 8)) -> ToySource:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 256, (length, 3, *size), dtype=np.uint8) for length in lengths]
    return ToySource(Spec(modality="video", shape=(3, *size), size=len(rows)), {"video": ToyColumn(rows)})


def test_each_pixel_has_its_colour_and_padding_has_no_say() -> None:
    source = videos(3, 5)
    (found,) = (one["raw"] for one in Encodings(raw.RawInput(), source).batches(torch.arange(2)))
    assert found.local is not None
    assert found.mask is not None
    assert found.mask.sum((1, 2, 3)).tolist() == [3 * 48, 5 * 48]
    frame = torch.from_numpy(source.columns["video"].row(0)[2].copy())
    assert torch.allclose(found.local[0, 2].movedim(-1, 0) * 100, lab(frame.float() / 255), atol=1e-4)
    alone = Encodings(raw.RawInput(), videos(3)).pooled["raw"]
    assert torch.allclose(found.pooled[:1], alone, atol=1e-6)
    assert found.centers is not None
    assert found.centers[4, 5, 7].tolist() == [4.0, 5.0, 7.0]


def test_large_frames_are_seen_in_cells() -> None:
    (found,) = (one["raw"] for one in Encodings(raw.RawInput(), videos(2, size=(60, 90))).batches(torch.arange(1)))
    assert found.local is not None
    height, width = found.local.shape[2:4]
    assert (height, width) == (30, 45)
    assert height * width <= raw.POSITIONS
    assert found.centers is not None
    assert found.centers[0, 0, 0].tolist() == [0.0, 0.5, 0.5]
