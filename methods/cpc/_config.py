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
        kernels, strides: of the convolutions; the product of strides is the samples from one frame to the next.
        channels: of every convolution, and so the width of z.
        context: units of the GRU, the width of c.
        ahead: K, how many frames ahead are predicted.
        window: samples of a sequence in training.
        rate: samples a second for which all this is meant. At another rate the first convolution and the window
            stretch with it, rounded down to a whole stride, so that frames last as long, or a little less.

    Raises:
        ValueError: convolutions that make no frames, or leave samples out.
    """

    kernels: tuple[int, ...] = (10, 8, 4, 4, 4)
    strides: tuple[int, ...] = (5, 4, 2, 2, 2)
    channels: int = 512
    context: int = 256
    ahead: int = 12
    window: int = 20480
    rate: int = 16000

    def __post_init__(self) -> None:
        if not self.kernels or len(self.kernels) != len(self.strides):
            raise ValueError(
                f"kernels: {list(self.kernels)} and strides: {list(self.strides)}; each layer has one of both"
            )
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            if stride < 1 or kernel < stride:
                raise ValueError(
                    f"a kernel of {kernel} with a stride of {stride} leaves samples out; use a larger kernel"
                )
            if stride == 1 and kernel % 2 == 0:
                raise ValueError(f"a kernel of {kernel} with a stride of 1 has no middle; use an odd one")
        for name in ("channels", "context", "ahead", "window", "rate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be 1 or more")


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
    companions: recordings of the same speaker that come with each example as negatives, if its speaker has so many
        others; only for negatives of the same speaker. With seven they are eight windows, as on one GPU of the paper.
    across_ranks: whether the sequences of all ranks are candidates; by default those of the rank's own, as in the
        paper, so that log N does not grow with the cluster. Only for mixed negatives.
    audio, image, text: of each domain; only that of the dataset is read.

    Raises:
        ValueError: settings that contradict each other.
    """

    negatives: Pool = "mixed"
    companions: int = 7
    across_ranks: bool = False
    audio: AudioConfig = field(default_factory=AudioConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    text: TextConfig = field(default_factory=TextConfig)

    def __post_init__(self) -> None:
        if self.companions < 1:
            raise ValueError(f"companions: {self.companions} must be 1 or more")
        if self.across_ranks and not self.negatives.startswith("mixed"):
            raise ValueError(f"across_ranks: other ranks hold no negatives of {self.negatives}; leave it out")
