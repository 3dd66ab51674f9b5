"""The pretext task: cut pairs of patches, and say where the second lies."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from methods._keys import Keys
from methods._method import Batch, Drawn, LossTerms, Stage
from methods.context_prediction._color import hide
from methods.context_prediction._config import ContextPredictionConfig
from methods.context_prediction._fusion import Fusion
from methods.context_prediction._patches import cut, cut_rescaled, pixelate, pixelations
from methods.context_prediction._sampling import ABSENT, OFFSETS, Layout, lay_out
from methods.context_prediction._towers import Tower


class RelativePosition(Stage):
    """Eight-way classification of pairs, the loss summed over pairs."""

    mean: Tensor
    matrices: Tensor

    def __init__(self, config: ContextPredictionConfig, tower: Tower, mean: Tensor) -> None:
        super().__init__()
        self.config = config
        self.tower = tower
        self.fusion = Fusion(config.units)
        self.register_buffer("mean", mean, persistent=False)
        matrices = pixelations(config.patch, config.sides) if config.pixelated else torch.empty(0)
        self.register_buffer("matrices", matrices, persistent=False)

    @torch.no_grad()
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        """The patches of all images one after the other, and their pairs."""
        config = self.config
        patches, layout = self.cut(batch["image"], keys)
        own = per_patch(keys, layout.present)
        patches = (patches.float() - self.mean) * (config.white / 255)
        if config.pixelated:
            patches = pixelate(patches, own, config.pixelated, self.matrices, config.sides)
        tensors = {
            "patches": hide(patches, own, config.color, config.white),
            "present": layout.present,
            "pairs": layout.pairs,
            "labels": layout.labels,
        }
        return Drawn(tensors, {"position": (layout.labels != ABSENT).sum().float()})

    def cut(self, images: Tensor, keys: Keys) -> tuple[Tensor, Layout]:
        """Patches as they are in the images, [M, C, patch, patch], and where they lie."""
        config, stored = self.config, images.shape[2:]
        sizes = torch.tensor(stored, device=images.device).expand(len(images), 2)
        if config.pixels is None:
            layout = lay_out(sizes, keys, config, (stored[0], stored[1]))
            return cut(images, layout.corners, layout.present, config.patch), layout
        low, high = config.pixels
        pixels = low + keys.fold("pixels").integers(high - low + 1)
        sizes = rescaled(sizes, pixels)
        largest = rescaled(torch.tensor([stored]), torch.tensor([high]))[0].tolist()
        layout = lay_out(sizes, keys, config, (largest[0], largest[1]))
        return cut_rescaled(images, sizes, layout.corners, layout.present, config.patch), layout

    def forward(self, drawn: Drawn) -> LossTerms:
        """Monitors: accuracy over all pairs and for each label, the share of each label, and that of the most
        frequent one in the batch, which is what guessing reaches."""
        logits, labels = self.answer(drawn)
        loss = functional.cross_entropy(logits, labels, reduction="sum")
        with torch.no_grad():
            monitors = watch(logits, labels)
        return LossTerms({"position": loss}, monitors)

    def answer(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Logits and labels of the pairs that are there: float [P, 8], int64 [P]."""
        present, labels = drawn.tensors["present"], drawn.tensors["labels"]
        image, pair = (labels != ABSENT).nonzero(as_tuple=True)
        row = (present.flatten().cumsum(0) - 1).view_as(present)  # of each patch among the present ones
        first, second = row[image[:, None], drawn.tensors["pairs"][image, pair]].unbind(1)
        logits: Tensor = self.fusion(self.tower(drawn.tensors["patches"]), first, second)
        return logits, labels[image, pair]


def watch(logits: Tensor, labels: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """(sum, weight) pairs by name: see `RelativePosition.forward`."""
    places = len(OFFSETS)
    right = (logits.argmax(1) == labels).float()
    counts = labels.new_zeros(places, dtype=torch.float32).index_add_(0, labels, torch.ones_like(right))
    rights = torch.zeros_like(counts).index_add_(0, labels, right)
    total = counts.sum()
    monitors = {"accuracy": (right.sum(), total), "majority": (counts.max(), total)}
    each = zip(rights.unbind(), counts.unbind(), strict=True)
    for label, (correct, count) in enumerate(each):
        monitors[f"accuracy_{label}"] = (correct, count)
        monitors[f"share_{label}"] = (count, total)
    return monitors


def per_patch(keys: Keys, present: Tensor) -> Keys:
    """A stream for each present patch, in order, from those of the images."""
    words = keys.fold("patch").bits(*present.shape[1:], 2)[present]
    return Keys(words[:, 0].contiguous(), words[:, 1].contiguous())


def rescaled(sizes: Tensor, pixels: Tensor) -> Tensor:
    """Sizes of about so many pixels with the aspect kept: int64 [N, 2] and [N] -> int64 [N, 2]."""
    scale = (pixels.double() / sizes.prod(-1)).sqrt()
    return (sizes * scale[:, None]).long()


def smallest(height: int, width: int, config: ContextPredictionConfig) -> tuple[int, int]:
    """Height and width of an image where it is smallest in training."""
    if config.pixels is None:
        return height, width
    scale = math.sqrt(config.pixels[0] / (height * width))
    return int(height * scale), int(width * scale)
