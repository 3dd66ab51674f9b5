"""The gallery: what towers see, what is answered, and which patches are alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods._keys import Keys
from methods._method import Panel
from methods.context_prediction._color import views
from methods.context_prediction._sampling import ABSENT, OFFSETS
from methods.context_prediction._stage import RelativePosition

#: Columns of pairs, rows of queries, and neighbours of each.
_PAIRS, _QUERIES, _NEIGHBOURS = 8, 8, 5


@torch.no_grad()
def draw_gallery(stage: RelativePosition, images: Tensor, keys: Keys) -> Iterator[Panel]:
    """Panels from held-out images, uint8 [N, C, H, W], with a stage in evaluation mode."""
    drawn = stage.draw({"image": images}, keys)
    patches, layout = stage.cut(images, keys)  # equal keys: the same patches, untouched
    image, pair = (layout.labels != ABSENT).nonzero(as_tuple=True)
    if not len(image):
        return
    logits, labels = stage.answer(drawn)
    present = layout.present
    row = (present.flatten().cumsum(0) - 1).view_as(present)
    both = row[image[:, None], layout.pairs[image, pair]]  # [P, 2]
    some = torch.linspace(0, len(both) - 1, min(_PAIRS, len(both)), device=both.device).long()
    shown = torch.cat(
        [_pictures(patches[both[some]] / 255.0), _pictures(_stretched(drawn.tensors["patches"][both[some]]))], 1
    )
    yield Panel(
        "Pairs of patches",
        "Held-out pairs, one a column: both patches as in the image, then as the towers see them, each stretched from "
        "black to white. "
        f"Labels: {', '.join(map(str, labels[some].tolist()))} of 0 1 2 / 3 . 4 / 5 6 7.",
        _array(shown.transpose(0, 1)),
    )
    yield _answers(logits, labels)
    owner = present.nonzero()[:, 0]
    yield _neighbours(stage, patches, owner)


def _answers(logits: Tensor, labels: Tensor) -> Panel:
    """Nine tiles: the eight places with the mean answer at each, around the frequencies of the labels."""
    places = len(OFFSETS)
    which = functional.one_hot(labels, places).float()
    counts = which.sum(0)
    answers = which.t() @ logits.float().softmax(1) / counts[:, None].clamp_min(1)
    right = which.t() @ (logits.argmax(1) == labels).float()
    share = counts / counts.sum()
    tiles = torch.cat([answers[:4], share[None], answers[4:]])
    around = torch.cat([tiles[:, :4], tiles.new_zeros(9, 1), tiles[:, 4:]], dim=1).view(3, 3, 3, 3)
    accuracy, guessing = float(right.sum() / counts.sum()), float(share.max())
    each = ", ".join(f"{value:.1%}" for value in (right / counts.clamp_min(1)).tolist())
    return Panel(
        "Where the second patch is believed to lie",
        f"{accuracy:.1%} of the held-out pairs are right; always giving the most frequent label would be right for "
        f"{guessing:.1%}. By label from 0 to 7: {each}. Each tile is the mean answer for the pairs of one true place, "
        "laid out as 0 1 2 / 3 . 4 / 5 6 7; the middle tile is how frequent each place is. "
        f"White is {float(around.max()):.0%}.",
        _array(around / around.max()),
    )


def _neighbours(stage: RelativePosition, patches: Tensor, owner: Tensor) -> Panel:
    """As in the paper: the patches of other images whose fc6 codes correlate most with a query's."""
    config = stage.config
    seen = views((patches.float() - stage.mean) * (config.white / 255), config.color, config.white)
    codes = torch.stack([stage.tower(view) for view in seen]).mean(0)
    codes = functional.normalize(codes - codes.mean(1, keepdim=True), dim=1)
    contrast = patches.float().var((2, 3)).mean(1)
    owners = torch.unique(owner)[:_QUERIES]
    queries = torch.stack([torch.where(owner == one, contrast, -1.0).argmax() for one in owners.tolist()])
    alike = codes[queries] @ codes.t()
    alike.masked_fill_(owner == owners[:, None], -torch.inf)
    # One patch per image: neighbouring patches of the same object would fill the row.
    best = torch.full((len(owners), int(owner.max()) + 1), -torch.inf, device=alike.device)
    best = best.scatter_reduce(1, owner.expand_as(alike), alike, "amax")
    found = best.topk(min(_NEIGHBOURS, best.shape[1] - 1), dim=1).indices  # images
    inside = torch.where(owner == found[..., None], alike[:, None], -torch.inf).argmax(-1)
    rows = torch.cat([queries[:, None], inside], dim=1)
    return Panel(
        "Nearest neighbours of patches",
        "The patch of most contrast of each of the first held-out images (left), and the patches nearest to it by fc6 "
        "(normalised correlation), one from each other image.",
        _array(_pictures(patches[rows] / 255.0)),
    )


def _pictures(patches: Tensor) -> Tensor:
    """[..., C, side, side] in [0, 1] -> [..., side, side, 3], or without colour [..., side, side]."""
    return patches.movedim(-3, -1) if patches.shape[-3] == 3 else patches.mean(-3)


def _stretched(patches: Tensor) -> Tensor:
    """Each patch from its darkest to its brightest value."""
    low, high = patches.amin((-3, -2, -1), keepdim=True), patches.amax((-3, -2, -1), keepdim=True)
    return (patches - low) / (high - low).clamp_min(1e-12)


def _array(pictures: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(pictures.float().cpu().numpy())
