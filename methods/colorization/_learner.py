"""Colorization as a method."""

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
from methods._videos import whole
from methods.colorization._clips import clips
from methods.colorization._config import ColorizationConfig
from methods.colorization._encoding import encode
from methods.colorization._networks import build_embedder, cell_of, normalised
from methods.colorization._palette import fit_palette
from methods.colorization._pictures import draw_gallery
from methods.colorization._stage import Colorize

#: Pairs of target and reference pixels of one clip, at most: a quarter of a gigabyte each time they are held.
_PAIRS = 1 << 26
#: Cells of a frame, at most: 64 features of each take 0.4 GiB for a hundred frames.
_CELLS = 1 << 14
#: Clips in the gallery.
_GALLERY = 6


class Colorization(Method):
    """Representations: embedding, the features that point from pixel to pixel; trunk, the map of each frame below."""

    name: ClassVar[str] = "colorization"
    paper: ClassVar[str] = "Vondrick et al., Tracking emerges by colorizing videos, ECCV 2018"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = ColorizationConfig
    presets: ClassVar[Mapping[str, Preset]] = {
        "small": Preset(
            config={
                "network": "small",
                "size": None,
                "references": 1,
                "stride": 3,
                "targets": 128,
                "temperature": 0.1,
                "normalise": True,
            },
            training=Training(steps=600, batch_size=16, optimizer="adam", learning_rate=2e-3, schedule="cosine"),
        ),
        # The paper: Adam at 1e-3 for 60,000 steps, then at 1e-4 for 340,000. There is no schedule of two rates here;
        # a cosine starts at the first, is at the second after four fifths of the steps, and ends at zero.
        "paper": Preset(
            training=Training(steps=400_000, batch_size=32, optimizer="adam", learning_rate=1e-3, schedule="cosine")
        ),
    }

    def __init__(self, config: ColorizationConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.config = config
        self.stage = Colorize(config, build_embedder(config), state["palette"])

    @classmethod
    def fits(cls, config: ColorizationConfig, spec: Spec) -> str | None:
        if spec.modality != "video":
            return f"it colours frames of videos, not {spec.modality}"
        channels, *stored = spec.shape
        if channels != 3:
            return f"it learns from colours, and these videos have {channels} channel(s), not red, green and blue"
        height, width = config.size or stored
        cell = cell_of(config)
        if height % cell or width % cell:
            return f"frames of {height} x {width} do not divide into cells of {cell} x {cell}: set size to multiples"
        cells = height * width // cell**2
        if cells > _CELLS:
            return f"frames of {height} x {width} make {cells:,} cells, more than {_CELLS:,}: set a smaller size"
        pairs = min(config.targets or cells, cells) * config.references * cells
        if pairs > _PAIRS:
            return (
                f"frames of {height} x {width} make {pairs:,} pairs of target and reference pixels a clip, more than "
                f"{_PAIRS:,}: set a smaller size, or targets"
            )
        return None

    @classmethod
    def coupling(cls, config: ColorizationConfig) -> frozenset[Coupling]:
        return frozenset({"batch_statistics"} if normalised(config) else ())

    @classmethod
    def primary(cls, config: ColorizationConfig, spec: Spec) -> Mapping[TaskKind, str]:
        return {"masks": "embedding", "keypoints": "embedding", "class": "embedding"}

    @classmethod
    def fit(cls, config: ColorizationConfig, source: Source, keys: Keys) -> State:
        """The palette: float32 [clusters, 2], a and b of each colour."""
        return {"palette": fit_palette(config, cell_of(config), source, keys)}

    def stages(self) -> Sequence[Colorize]:
        return [self.stage]

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        return {"video": clips(source, ids, keys, self.config)}

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return whole(source, ids)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return encode(batch["video"], batch["frames"], self.stage.embedder, self.config)

    def gallery(self, source: Source) -> Iterator[Panel]:
        """Held-out clips coloured from their references, and the palette."""
        ids = torch.arange(min(_GALLERY, len(source)))
        video = clips(source, ids, Keys.of(0, "colorization.gallery", ids), self.config)
        return draw_gallery(self.stage, video.to(self.stage.palette.device))
