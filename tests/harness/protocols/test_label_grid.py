"""Labels between pixels and cells."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.protocols._label_grid import LabelGrid

from .videos import centers


def _grid(height: int = 12, width: int = 20, stride: int = 4) -> LabelGrid:
    return LabelGrid.of(centers(3, height // stride, width // stride, stride), height, width)


def test_a_cell_has_the_mean_of_its_pixels() -> None:
    grid, maps = _grid(), torch.rand(12, 20, 2)
    expected = maps.view(3, 4, 5, 4, 2).mean((1, 3))
    assert torch.allclose(grid.cells(maps), expected, atol=1e-6)


def test_cells_of_any_grid_share_out_the_whole() -> None:
    # centres that do not tile the frame: patches that begin at its border
    grid = LabelGrid(torch.tensor([5.0, 10.0, 16.0]), torch.tensor([3.0]), 20, 9)
    assert torch.allclose(grid.cells(torch.ones(20, 9, 1)), torch.ones(3, 1, 1))
    # the middle cell reaches half-way to its neighbours, from 7.5 to 13
    ramp = torch.arange(20.0)[:, None, None].expand(20, 9, 1)
    assert float(grid.cells(ramp)[1, 0, 0]) == pytest.approx((7.5 + 13) / 2, abs=0.03)


def test_one_cell_a_pixel_changes_nothing() -> None:
    grid = _grid(6, 8, 1)
    given = torch.randint(0, 3, (6, 8))
    labels = grid.cells(torch.nn.functional.one_hot(given, 3).float())
    assert torch.equal(grid.largest(labels[None])[0].long(), given)


def test_masks_are_enlarged_as_bilinear_interpolation_does() -> None:
    grid, labels = _grid(), torch.rand(2, 3, 5, 3)
    whole = torch.nn.functional.interpolate(labels.permute(0, 3, 1, 2), scale_factor=4, mode="bilinear")
    assert torch.equal(grid.largest(labels).long(), whole.argmax(1))


def test_the_first_of_equal_channels_is_taken() -> None:
    assert not _grid().largest(torch.ones(1, 3, 5, 4)).any()


@pytest.mark.parametrize("point", [(1.5, 1.5), (7.3, 6.1), (17.5, 9.5), (9.5, 5.5), (11.5, 9.0)])
def test_a_point_that_is_drawn_is_read_where_it_was(point: tuple[float, float]) -> None:
    grid, points = _grid(), torch.tensor([point, (5.0, 5.0)])
    maps = grid.points(points)
    assert maps.shape == (3, 5, 2)
    assert torch.allclose(maps.sum((0, 1)), torch.ones(2))
    assert torch.allclose(grid.peaks(maps[None])[0], points, atol=1e-4)


def test_a_point_beyond_the_outermost_centres_is_read_at_the_border() -> None:
    grid = _grid()
    (found,) = grid.peaks(grid.points(torch.tensor([[-3.0, 50.0]]))[None])[0]
    assert found.tolist() == [1.5, 9.5]


def test_what_is_a_little_alike_far_away_does_not_pull() -> None:
    grid = _grid(40, 40)
    maps = grid.points(torch.tensor([[10.0, 12.0]])) + 0.01
    maps[8:, 8:] += 0.1
    whole = (maps.sum(0)[:, 0] * grid.columns).sum() / maps.sum()
    (found,) = grid.peaks(maps[None])[0]
    assert abs(float(whole) - 10) > 5
    assert torch.allclose(found, torch.tensor([10.0, 12.0]), atol=0.5)


def test_an_empty_map_has_no_peak() -> None:
    assert _grid().peaks(torch.zeros(1, 3, 5, 1)).isnan().all()


def _sheared() -> Tensor:
    grid = centers(3, 4, 4, 2)
    grid[..., 2] += grid[..., 1]
    return grid


@pytest.mark.parametrize("wrong", [_sheared(), 2 * centers(3, 4, 4, 2), centers(3, 4, 4, 2) + 0.5])
def test_centres_that_are_no_grid_at_every_frame_are_refused(wrong: Tensor) -> None:
    if torch.equal(wrong, 2 * centers(3, 4, 4, 2)):
        wrong[..., 1:] /= 2  # every other frame only
    with pytest.raises(ValueError, match="one grid of cells, the same at every frame"):
        LabelGrid.of(wrong, 8, 8)
