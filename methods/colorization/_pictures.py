"""The gallery: what was given, what was copied, and the truth."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from methods._method import Drawn, Panel
from methods.colorization._color import prepare, rgb
from methods.colorization._stage import Colorize


@torch.no_grad()
def draw_gallery(stage: Colorize, video: Tensor) -> Iterator[Panel]:
    """Panels from held-out clips, uint8 [N, F, 3, H, W], with a stage in evaluation mode."""
    config = stage.config
    lightness, colors = stage.see(video)
    truth = colors[:, -1]
    tensors = {"gray": lightness, "reference_colors": colors[:, :-1].flatten(1), "target_colors": truth}
    likeliest = stage.answer(Drawn(tensors, {})).distribution.argmax(-1)
    lab = prepare(video.flatten(0, 1), config.size)
    lab = lab.view(*video.shape[:2], *lab.shape[1:])
    target = lab[:, -1]
    right = float((likeliest == truth).float().mean())
    columns = [
        *rgb(lab[:, :-1]).unbind(1),
        rgb(functional.pad(target[:, :1], (0, 0, 0, 0, 0, 2))),
        _colored(stage, target, likeliest),
        _colored(stage, target, truth),
        rgb(target),
    ]
    images = torch.stack(columns, dim=1).movedim(2, -1)
    yield Panel(
        "Colours copied from earlier frames",
        f"Held-out clips, one a row: {config.references} reference frame(s); the gray target; the likeliest colour "
        f"copied to each cell; the true colours in the palette, which is the best that copying can reach; the truth. "
        f"{right:.1%} of these cells got the right one of {config.clusters} colours.",
        images.float().cpu().numpy(),
    )
    yield _palette(stage.palette)


def _colored(stage: Colorize, target: Tensor, colors: Tensor) -> Tensor:
    """Lab frames [N, 3, H, W] in colours of the palette, int64 [N, cells]: RGB [N, 3, H, W]."""
    height, width = (side // stage.embedder.cell for side in target.shape[2:])
    ab = stage.palette[colors].mT.reshape(len(target), 2, height, width)
    return rgb(torch.cat([target[:, :1], functional.interpolate(ab, target.shape[2:])], dim=1))


def _palette(palette: Tensor) -> Panel:
    ab = palette[palette[:, 1].atan2(palette[:, 0]).argsort()]
    lab = torch.cat([ab.new_full((len(ab), 1), 60.0), ab], dim=1)[:, :, None, None].expand(-1, -1, 8, 8)
    tiles = rgb(lab).movedim(1, -1)[None]
    return Panel(
        "The palette",
        f"The {len(palette)} clusters of colours of the training videos, by hue, at a lightness of 60.",
        tiles.float().cpu().numpy(),
    )
