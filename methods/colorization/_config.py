"""What can be set; the defaults are the paper's values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from methods._method import Settings


@dataclass(frozen=True, kw_only=True)
class ColorizationConfig(Settings):
    """Sizes are in pixels of the frames after rescaling.

    Attributes:
        network: resnet18 with five temporal convolutions is the paper's; small is ours, two-dimensional, for frames of
            about 48 pixels.
        size: height and width that frames are rescaled to, whatever their aspect, as in the paper; None: as stored.
        references: frames before the target that colours are copied from.
        stride: stored frames from one frame of a clip to the next. The paper has 6 frames a second: videos stored at
            that rate need 1, at 30 a second 5.
        targets: pixels of the target that are coloured at each presentation, chosen at random; None, as in the paper,
            is all. It bounds the memory of a step, and the loss is the same in expectation.
        clusters: colours of the palette.
        temperature: of the softmax over reference pixels in training.
        dimensions: of an embedding.
        normalise: embeddings have unit length; the paper's have not.
    """

    network: Literal["resnet18", "small"] = "resnet18"
    size: tuple[int, int] | None = (256, 256)
    references: int = 3
    stride: int = 1
    targets: int | None = None
    clusters: int = 16
    temperature: float = 1.0
    dimensions: int = 64
    normalise: bool = False

    def __post_init__(self) -> None:
        for name in ("references", "stride", "dimensions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.clusters < 2:
            raise ValueError(f"clusters is {self.clusters}; with fewer than 2 colours there is nothing to predict")
        if self.targets is not None and self.targets < 1:
            raise ValueError(f"targets is {self.targets}; it must be at least 1, or null for all pixels")
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"size is {self.size}; give a height and a width of at least 1")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")
