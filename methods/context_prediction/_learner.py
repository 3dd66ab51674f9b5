"""Context prediction as a method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from methods._keys import Keys
from methods._method import (
    Batch,
    Coupling,
    Features,
    Method,
    Panel,
    Preset,
    Settings,
    Source,
    Spec,
    State,
    TaskKind,
    Training,
)
from methods.context_prediction._config import ContextPredictionConfig
from methods.context_prediction._encoding import encode
from methods.context_prediction._pictures import draw_gallery
from methods.context_prediction._stage import RelativePosition, smallest
from methods.context_prediction._stills import any_still, encode_each, whole
from methods.context_prediction._towers import build_tower, least_patch, trunk_name

#: Images whose mean is taken for that of the corpus.
_MEAN_OF = 1024
#: The gallery is drawn from so many held-out images at most, and from fewer where their patches would fill the memory.
_GALLERY, _GALLERY_VALUES = 256, 1 << 25


class ContextPrediction(Method):
    """Representations: the tower's last convolutional map (pool5, conv3 or block8 by the tower), and fc6."""

    name: ClassVar[str] = "context_prediction"
    paper: ClassVar[str] = (
        "Doersch et al., Unsupervised visual representation learning by context prediction, ICCV 2015"
    )
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = ContextPredictionConfig
    presets: ClassVar[Mapping[str, Preset]] = {
        "small": Preset(
            config={
                "grids": 1,
                "patch": 17,
                "gap": 2,
                "jitter": 1,
                "pixels": None,
                "sides": (4, 16),
                "tower": "small",
                "units": 128,
                "white": 5.0,
            },
            training=Training(steps=3000, batch_size=32, optimizer="adamw", learning_rate=2e-3, schedule="cosine"),
        ),
        # The released code: SGD without momentum or decay at a fixed 1e-5 on the loss summed over the batch, of at most
        # 512 patches; 48 grids (12 images) hold about 480 patches in 2,200 pairs, and 1e-5 on their sum is 0.022 on
        # their mean.
        # The paper itself is remembered to have used a momentum of .999. Its results are from about 1M iterations.
        "paper": Preset(training=Training(steps=1_000_000, batch_size=12, optimizer="sgd", learning_rate=0.022)),
    }

    def __init__(self, config: ContextPredictionConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.config = config
        self.stage = RelativePosition(config, build_tower(config, spec.shape[0]), state["mean"].view(-1, 1, 1))

    @classmethod
    def fits(cls, config: ContextPredictionConfig, spec: Spec) -> str | None:
        if spec.modality not in ("image", "video"):
            return f"it cuts patches from images and from frames of videos, not from {spec.modality}"
        channels, height, width = spec.shape
        if channels != 3 and config.color != "none":
            return (
                f"color: {config.color} needs images of 3 channels, and these have {channels}; without colour there "
                "are no colour fringes to hide, so set color: none"
            )
        least = least_patch(config)
        if config.patch < least:
            return (
                f"patch: {config.patch} pixels are too few for the {config.tower} tower, which takes {least} at least"
            )
        needed = 2 * config.patch + config.gap + config.jitter
        scale = smallest(height, width, config)
        if min(scale) <= needed:
            scaled = (
                "" if config.pixels is None else f", {scale[0]} x {scale[1]} when rescaled to {config.pixels[0]} px"
            )
            return (
                f"images of {height} x {width}{scaled}, do not hold two patches of {config.patch} with a gap of "
                f"{config.gap} and jitter {config.jitter}: that takes more than {needed} on both sides"
            )
        return None

    @classmethod
    def coupling(cls, config: ContextPredictionConfig) -> frozenset[Coupling]:
        return frozenset({"batch_statistics"})

    @classmethod
    def primary(cls, config: ContextPredictionConfig, spec: Spec) -> Mapping[TaskKind, str]:
        trunk = trunk_name(config)  # dense tasks ask what is where, to the cell: fc6 sees a whole patch at each
        return {"class": "fc6", "masks": trunk, "keypoints": trunk}

    @classmethod
    def fit(cls, config: ContextPredictionConfig, source: Source, keys: Keys) -> State:
        """The mean of each channel over up to 1024 images of the corpus: what the paper subtracts."""
        ids = torch.arange(len(source))
        if len(source) > _MEAN_OF:
            ids = keys.choose(_MEAN_OF, len(source))[0].sort().values
        sums = [
            any_still(source, part, Keys.of(0, "context_prediction.mean", part)).double().mean((2, 3)).sum(0)
            for part in torch.split(ids, 32)
        ]
        return {"mean": (torch.stack(sums).sum(0) / len(ids)).float()}

    def stages(self) -> Sequence[RelativePosition]:
        return [self.stage]

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        return {"image": any_still(source, ids, keys)}

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return whole(source, ids)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        stage = self.stage
        return encode_each(batch, lambda images: encode(images, stage.tower, stage.mean, self.config))

    def gallery(self, source: Source) -> Iterator[Panel]:
        """Pairs as the towers see them, what it answers, and neighbours of patches by their codes."""
        config = self.config
        patches = 16 * config.grids if config.sampler == "grid" else 2 * config.pairs  # of an image, about
        room = _GALLERY_VALUES // (patches * 3 * config.patch**2)
        ids = torch.arange(min(_GALLERY, max(room, 8), len(source)))
        keys = Keys.of(0, "context_prediction.gallery", ids)
        images = any_still(source, ids, keys).to(self.stage.mean.device)
        return draw_gallery(self.stage, images, keys.to(images.device))
