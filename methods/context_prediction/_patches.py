"""Cutting patches from images, and pixelating some of them, for a whole batch at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from methods._keys import Keys


def cut(images: Tensor, corners: Tensor, present: Tensor, side: int) -> Tensor:
    """Patches of images as stored: [N, C, H, W] -> [M, C, side, side], for the M present ones in order.

    Args:
        corners: int64 [N, G, 2]; top and left.
        present: bool [N, G].
    """
    windows = images.unfold(2, side, 1).unfold(3, side, 1)  # a view: nothing is copied
    image, slot = present.nonzero(as_tuple=True)
    top, left = corners[image, slot].unbind(-1)
    patches: Tensor = windows[image, :, top, left]
    return patches


def cut_rescaled(images: Tensor, sizes: Tensor, corners: Tensor, present: Tensor, side: int) -> Tensor:
    """As `cut`, from images rescaled to `sizes` (int64 [N, 2]); only the patches' pixels are computed.

    Bilinear, without a filter before it where an image becomes smaller, as resizing in the released code.
    """
    slots = present.shape[1]
    pixel = torch.arange(side, device=images.device, dtype=torch.float32) + 0.5
    places = corners[..., None] + pixel  # [N, G, 2, side] in pixels of the rescaled image
    rows, columns = (2 * places / sizes[:, None, :, None] - 1).unbind(2)  # from edge to edge, -1 to 1
    field = torch.stack([columns[:, :, None].expand(-1, -1, side, -1), rows[..., None].expand(-1, -1, -1, side)], -1)
    found = functional.grid_sample(
        images.float(), field.flatten(1, 2), mode="bilinear", padding_mode="border", align_corners=False
    )
    patches: Tensor = found.view(*found.shape[:2], slots, side, side).movedim(2, 1)[present]
    return patches


def pixelations(side: int, sides: tuple[int, int]) -> Tensor:
    """For each side r from sides[0] to sides[1] the matrix A: A X A' is X sampled down to r x r and up again, bilinear
    both ways and without a filter before: float32 [R, side, side]."""
    matrices = []
    for small in range(sides[0], sides[1] + 1):
        down = functional.interpolate(torch.eye(side)[None], size=small, mode="linear", align_corners=False)
        matrices.append(functional.interpolate(down, size=side, mode="linear", align_corners=False)[0].t())
    return torch.stack(matrices)


def pixelate(patches: Tensor, keys: Keys, share: float, matrices: Tensor, sides: tuple[int, int]) -> Tensor:
    """A share of the patches, sampled down to a random area and up again: float [M, C, side, side] to the same.

    Args:
        keys: one stream per patch.
        matrices: of `pixelations`.
    """
    chosen = (keys.fold("pixelated").uniform() < share).nonzero()[:, 0]
    low, high = sides
    area = keys.fold("area").uniform()[chosen] * (high**2 - low**2) + low**2
    matrix = matrices[area.sqrt().long() - low][:, None]
    return patches.index_copy(0, chosen, matrix @ patches[chosen] @ matrix.mT)
