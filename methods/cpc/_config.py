"""What can be set of contrastive predictive coding. Defaults are the paper's, one set for each of its domains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from methods._method import Settings

#: Where the negatives of a prediction come from (van den Oord et al., Table 2, lower half).
Pool = Literal["mixed", "mixed_excluding_current", "same_speaker", "same_speaker_excluding_current", "current_sequence"]


@dataclass(frozen=True, kw_only=True)
class AudioConfig(Settings):
    """Section 3.1.

    Attributes:
        kernels, strides: of the convolutions; their product of strides is the samples a frame advances.
        channels: of every convolution, and so the width of z.
        context: units of the GRU, the width of c.
        ahead: K, how many frames ahead are predicted.
        window: samples of a sequence in training.
    """

    kernels: tuple[int, ...] = (10, 8, 4, 4, 4)
    strides: tuple[int, ...] = (5, 4, 2, 2, 2)
    channels: int = 512
    context: int = 256
    ahead: int = 12
    window: int = 20480


@dataclass(frozen=True, kw_only=True)
class ImageConfig(Settings):
    """Section 3.2."""

    ahead: int = 5


@dataclass(frozen=True, kw_only=True)
class TextConfig(Settings):
    """Section 3.3."""

    ahead: int = 3


@dataclass(frozen=True, kw_only=True)
class CpcConfig(Settings):
    """Attributes:
    negatives: where they come from. Those of the same speaker need a dataset's groups.
    across_ranks: whether the sequences of all ranks are candidates; by default those of the rank's own, as in the
        paper, so that log N does not grow with the cluster.
    audio, image, text: of each domain; only that of the dataset is read.
    """

    negatives: Pool = "mixed"
    across_ranks: bool = False
    audio: AudioConfig = field(default_factory=AudioConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    text: TextConfig = field(default_factory=TextConfig)
