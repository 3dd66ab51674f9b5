"""The pretext task: colour a gray frame by copying from the frames before it."""

from __future__ import annotations

import torch
from torch import Tensor

from methods._keys import Keys
from methods._method import Batch, Drawn, LossTerms, Stage
from methods.colorization._color import chroma, gray, prepare
from methods.colorization._config import ColorizationConfig
from methods.colorization._networks import Embedder
from methods.colorization._palette import nearest
from methods.colorization._pointing import ABSENT, Copied, copy, logits, without_absent


class Colorize(Stage):
    """Negative log-likelihood of the target's colours, summed over its pixels."""

    palette: Tensor

    def __init__(self, config: ColorizationConfig, embedder: Embedder, palette: Tensor) -> None:
        super().__init__()
        self.config = config
        self.embedder = embedder
        self.register_buffer("palette", palette, persistent=False)

    @torch.no_grad()
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        """Lightness of all frames, float32 [N, F, H, W], and colours as numbers of the palette: int64 [N, P] of the
        reference pixels, [N, Q] of the target's, whose places (int64 [N, Q]) may be some only.

        A clip weighs as many pixels as have a colour that its references show.
        """
        config = self.config
        lightness, colors = self.see(batch["video"])
        references, target = colors[:, :-1].flatten(1), colors[:, -1]
        tensors = {"gray": lightness, "reference_colors": references}
        if config.targets is not None and config.targets < target.shape[1]:
            tensors["places"] = keys.fold("places").choose(config.targets, target.shape[1])
            target = target.gather(1, tensors["places"])
        tensors["target_colors"] = without_absent(target, references, config.clusters)
        return Drawn(tensors, {"color": (tensors["target_colors"] != ABSENT).sum().float()})

    def see(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Clips uint8 [N, F, 3, H, W] as lightness [N, F, height, width] and colours of cells: int64 [N, F, P]."""
        lab = prepare(video.flatten(0, 1), self.config.size)
        colors = nearest(chroma(lab, self.embedder.cell), self.palette)
        lightness = gray(lab)
        return lightness.view(*video.shape[:2], *lightness.shape[1:]), colors.view(*video.shape[:2], -1)

    def forward(self, drawn: Drawn) -> LossTerms:
        """Monitors: accuracy of the likeliest colour; of the most frequent colour of the references, which is what
        pointing nowhere reaches; and the share of target pixels whose colour no reference has."""
        copied, target = self.answer(drawn), drawn.tensors["target_colors"]
        with torch.no_grad():
            monitors = self._watch(copied.distribution, target, drawn.tensors["reference_colors"])
        return LossTerms({"color": copied.loss}, monitors)

    def answer(self, drawn: Drawn) -> Copied:
        """Colours copied to the target pixels. The target's own only enter the loss."""
        config, tensors = self.config, drawn.tensors
        embeddings = self.embedder(tensors["gray"])[1].flatten(2, 3)
        references, targets = embeddings[:, :-1].flatten(1, 2), embeddings[:, -1]
        if "places" in tensors:
            targets = targets.gather(1, tensors["places"][..., None].expand(-1, -1, targets.shape[-1]))
        with torch.autocast(targets.device.type, enabled=False):  # bf16 knows a logit of 16 to 0.06, a likelihood to 6%
            pointing = logits(targets, references, config.temperature, normalise=config.normalise)
            return copy(pointing, tensors["reference_colors"], tensors["target_colors"], config.clusters)

    def _watch(self, distribution: Tensor, target: Tensor, references: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        counted = target != ABSENT
        total = counted.sum().float()
        right = (distribution.argmax(-1) == target) & counted
        frequent = torch.stack([(references == color).sum(1) for color in range(self.config.clusters)]).argmax(0)
        guessed = (frequent[:, None] == target) & counted
        return {
            "accuracy": (right.sum().float(), total),
            "majority": (guessed.sum().float(), total),
            "unseen": (counted.logical_not().sum().float(), torch.full_like(total, target.numel())),
        }
