from __future__ import annotations

import torch

from methods import videos
from tests.harness.baselines.test_raw import videos as made


def test_frames_are_read_from_their_places() -> None:
    source = made(3, 5)
    found = videos.frames(source, torch.tensor([1, 0]), torch.tensor([[4, 0], [2, 2]]))
    for row, (index, places) in enumerate([(1, (4, 0)), (0, (2, 2))]):
        for column, place in enumerate(places):
            assert (found[row, column].numpy() == source.columns["video"].row(index)[place]).all()


def test_whole_videos_are_padded_at_their_end() -> None:
    batch = videos.whole(made(3, 5), torch.tensor([1, 0]))
    assert batch["frames"].tolist() == [5, 3]
    assert batch["video"].shape == (2, 5, 3, 6, 8)
    assert not batch["video"][1, 3:].any()


def test_centres_of_cells_are_in_pixels() -> None:
    found = videos.centers(2, (3, 2), (6, 8))
    assert found[1, :, 0].tolist() == [[1.0, 0.5, 1.5], [1.0, 2.5, 1.5], [1.0, 4.5, 1.5]]
