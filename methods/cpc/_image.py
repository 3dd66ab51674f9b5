"""Images: a grid of overlapping patches, whose rows are predicted from those above them (section 3.2).

What would give rows away is hidden as the paper does it: images are gray, each patch loses a random part of its rim,
and nothing is normalised. Departures, and what the paper leaves open:

- It does not say where negatives come from; they are those of config negatives, as for sound. A step of a sequence is
  any patch of the image, so that current_sequence tells patches of one image apart.
- What is kept of a patch stands in the middle of a frame of middle gray.
- ResNet-v2-101 has biases where it had normalisation, and its branches start smaller, since nothing else would keep 30
  units from blowing up what goes through them.
- The context network is the one that its successor prints.
- Features are of the middle crop alone, as is usual; the paper does not say.
- The small encoder is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from methods._keys import Keys
from methods._method import Batch, Features, Source, Spec, State, TaskKind
from methods.cpc._config import CpcConfig
from methods.cpc._image_encoders import Context, ResNet, SmallEncoder
from methods.cpc._image_patches import centers, cut, draw_places, lay_grid, middle_places
from methods.cpc._tower import Observed, Tower

#: With fewer rows there is next to nothing to predict.
ROWS = 3
#: Pixels of patches that go through the encoder at a time.
AT_ONCE = 1 << 18


class ImageTower(Tower):
    """z [B, rows, columns, width], and c of the same shape. Representations: "z", local the grid, pooled its mean as in
    the paper; "c", of the context network, likewise."""

    def __init__(self, config: CpcConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.config = config.image
        self.grid = lay_grid(spec.shape[1], spec.shape[2], self.config)
        self.width = self.context = self.config.width
        self.ahead = min(self.config.ahead, self.grid.cells[0] - 1)
        small = self.config.encoder == "small"
        self.encoder: nn.Module = SmallEncoder(self.width, self.config.patch) if small else ResNet(self.width)
        self.aggregate = Context(self.width, self.config.hidden, self.config.blocks)

    @classmethod
    def fits(cls, config: CpcConfig, spec: Spec) -> str | None:
        image = config.image
        _, height, width = spec.shape
        grid = lay_grid(height, width, image)
        rows, columns = grid.cells
        if rows < ROWS or columns < 1:
            scaled = "" if grid.size == grid.stored else f", rescaled to {grid.size[0]} x {grid.size[1]},"
            return (
                f"images of {height} x {width}{scaled} hold a grid of {rows} x {columns} patches of {image.patch} "
                f"pixels with an overlap of {image.overlap}, and rows are predicted from rows above: at least {ROWS} "
                "are needed (a smaller patch and overlap of config image give more)"
            )
        return None

    @classmethod
    def primary(cls, config: CpcConfig) -> Mapping[TaskKind, str]:
        return {"class": "z", "regression": "z"}

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        return self.examples(source, ids)

    def draw(self, batch: Batch, keys: Keys) -> Mapping[str, Tensor]:
        """`patches`: float32 [B, T, Q, patch, patch]."""
        patches = cut(batch["image"], draw_places(self.grid, keys, self.config), self.grid, self.config)
        return {"patches": patches, "valid": patches.new_ones(patches.shape[:3], dtype=torch.bool)}

    def observe(self, tensors: Mapping[str, Tensor]) -> Observed:
        patches = tensors["patches"]
        z = self.encoder(patches.flatten(0, 2)[:, None]).view(*patches.shape[:3], self.width)
        return Observed(z, self.aggregate(z))

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {"image": source.columns["image"].take(ids)}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        images = batch["image"]
        patches = self.grid.cells[0] * self.grid.cells[1]
        at_once = max(AT_ONCE // (patches * self.config.patch**2), 1)
        pieces = [self.observe({"patches": self._middle(piece)}) for piece in torch.split(images, at_once)]
        z, c = (torch.cat(parts) for parts in zip(*pieces, strict=True))
        places = centers(self.grid, self.config).to(z.device)
        return {name: Features(grid.mean((1, 2)), grid, None, places) for name, grid in (("z", z), ("c", c))}

    def _middle(self, images: Tensor) -> Tensor:
        return cut(images, middle_places(len(images), self.grid, self.config, images.device), self.grid, self.config)
