"""From images to grids of overlapping gray patches, and where these lie."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from methods._keys import Keys
from methods.cpc._config import ImageConfig

#: Of red, green and blue in gray (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)


class Grid(NamedTuple):
    """Where patches lie in an image."""

    stored: tuple[int, int]  #: height and width of the image as it comes
    size: tuple[int, int]  #: after rescaling
    cells: tuple[int, int]  #: rows and columns of patches
    area: tuple[int, int]  #: height and width that they cover together


class Places(NamedTuple):
    """What is cut from each of B images."""

    corner: Tensor  #: int64 [B, 2]; top left of the area that the grid covers
    flipped: Tensor  #: bool [B]
    offsets: Tensor  #: int64 [B, T, Q, 2]; from each patch's corner to that of the square that is kept


def lay_grid(height: int, width: int, config: ImageConfig) -> Grid:
    """The grid of as many patches as the crop (or the image, if smaller) holds: perhaps none."""
    size = (height, width)
    if config.rescaled is not None:
        scale = config.rescaled / min(size)
        size = (round(height * scale), round(width * scale))
    room = size if config.crop is None else (min(size[0], config.crop), min(size[1], config.crop))
    rows, columns = (max((side - config.patch) // config.stride + 1, 0) for side in room)
    area = (config.patch + (rows - 1) * config.stride, config.patch + (columns - 1) * config.stride)
    return Grid((height, width), size, (rows, columns), area)


def draw_places(grid: Grid, keys: Keys, config: ImageConfig) -> Places:
    """One stream per image."""
    room = torch.tensor([side - covered + 1 for side, covered in zip(grid.size, grid.area, strict=True)])
    dice = keys.fold("crop").uniform(2).double()
    return Places(
        (dice * room.to(dice.device)).long(),
        keys.fold("flip").uniform(1)[:, 0] < config.flipped,
        keys.fold("offsets").integers(config.patch - config.kept + 1, *grid.cells, 2),
    )


def middle_places(count: int, grid: Grid, config: ImageConfig, device: torch.device) -> Places:
    """Everything from the middle, nothing mirrored."""
    corner = [(side - covered) // 2 for side, covered in zip(grid.size, grid.area, strict=True)]
    return Places(
        torch.tensor(corner, device=device).expand(count, 2),
        torch.zeros(count, dtype=torch.bool, device=device),
        torch.full((count, *grid.cells, 2), (config.patch - config.kept) // 2, device=device),
    )


def cut(images: Tensor, places: Places, grid: Grid, config: ImageConfig) -> Tensor:
    """Patches of uint8 [B, C, H, W]: float32 [B, T, Q, patch, patch], -1 black and 1 white, 0 around what is kept."""
    pixels = gray(images)
    if grid.size != grid.stored:
        pixels = functional.interpolate(pixels[:, None], grid.size, mode="bilinear", antialias=True)[:, 0]
    device, kept = pixels.device, config.kept
    begin = torch.arange(max(grid.cells), device=device) * config.stride
    down = begin[: grid.cells[0], None] + places.offsets[..., 0]
    right = begin[: grid.cells[1]] + places.offsets[..., 1]  # [B, T, Q], from the area's left edge or mirrored right
    run = torch.arange(kept, device=device)
    y = places.corner[:, 0, None, None, None] + down[..., None] + run
    x = right[..., None] + run
    x = (
        torch.where(places.flipped[:, None, None, None], grid.area[1] - 1 - x, x)
        + places.corner[:, 1, None, None, None]
    )
    index = y[..., :, None] * grid.size[1] + x[..., None, :]
    found = pixels.flatten(1).gather(1, index.flatten(1)).view(index.shape)
    before = (config.patch - kept) // 2
    after = config.patch - kept - before
    return functional.pad(found, (before, after, before, after))


def gray(images: Tensor) -> Tensor:
    """uint8 [B, C, H, W] -> float32 [B, H, W] in [-1, 1]: luma of three channels, else their mean."""
    channels = images.shape[1]
    shares = images.new_tensor(LUMA if channels == 3 else [1 / channels] * channels, dtype=torch.float32)
    mixed = torch.einsum("bchw,c->bhw", images.float(), shares)
    return mixed / 127.5 - 1


def centers(grid: Grid, config: ImageConfig) -> Tensor:
    """The patches' centres (y, x) in pixels of the stored image, where `middle_places` has them: float32 [T, Q, 2]."""
    axes = []
    for stored, side, covered, count in zip(grid.stored, grid.size, grid.area, grid.cells, strict=True):
        middle = (side - covered) // 2 + torch.arange(count) * config.stride + config.patch / 2
        axes.append(middle * (stored / side) - 0.5)
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
