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
    """Section 3.2. Sizes are in pixels of the image after rescaling. The paper does not give blocks and hidden, which
    are those that its successor prints (Henaff et al., Data-efficient image recognition with CPC, 2019).

    Attributes:
        rescaled: the shorter side that images are brought to, aspect kept; None: as stored.
        crop: side of the square that the grid lies in, anywhere in training and in the middle for features; None: all.
        patch, overlap: side of a patch of the grid, and how far it reaches into the next one.
        kept: of each patch a square of this side is seen, anywhere in it, in a frame of gray up to the patch's size.
        flipped: share of the images that are mirrored.
        encoder: of a patch. resnet_v2_101 is the paper's, up to its third block; small has four convolutions.
        width: of the vector that a patch becomes.
        blocks, hidden: of the context network, and the channels within a block; a block sees one row further up and one
            column further to both sides.
        ahead: K, how many rows below are predicted; fewer where the grid has fewer.
    """

    rescaled: int | None = 300
    crop: int | None = 256
    patch: int = 64
    overlap: int = 32
    kept: int = 60
    flipped: float = 0.5
    encoder: Literal["resnet_v2_101", "small"] = "resnet_v2_101"
    width: int = 1024
    blocks: int = 5
    hidden: int = 256
    ahead: int = 5

    def __post_init__(self) -> None:
        for name in ("blocks", "hidden", "ahead"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.patch < 8:
            raise ValueError(f"patch is {self.patch}; the encoders need at least 8 pixels")
        if not 0 <= self.overlap < self.patch:
            raise ValueError(f"overlap is {self.overlap}; it must be at least 0 and below the patch's {self.patch}")
        if not 1 <= self.kept <= self.patch:
            raise ValueError(f"kept is {self.kept}; it must be at least 1 and at most the patch's {self.patch}")
        if not 0 <= self.flipped <= 1:
            raise ValueError(f"flipped is {self.flipped}; it is a share of the images, between 0 and 1")
        if self.width < 16 or self.width % 16:
            raise ValueError(f"width is {self.width}; the encoders need a multiple of 16")
        if self.crop is not None and self.rescaled is not None and self.crop > self.rescaled:
            raise ValueError(f"crop is {self.crop}, but images are rescaled to {self.rescaled}")

    @property
    def stride(self) -> int:
        """From one patch of the grid to the next."""
        return self.patch - self.overlap


@dataclass(frozen=True, kw_only=True)
class TextConfig(Settings):
    """Section 3.3, which gives width, context and ahead. Words are WordPieces.

    Attributes:
        vocabulary: entries at most; a small corpus has fewer.
        lowercase: also strips accents.
        embedding: width of a word.
        kernel: words that the convolution sees at a time; odd.
        width: of the vector that a sentence becomes.
        context: units of the GRU over sentences, the width of c.
        ahead: K, how many next sentences are predicted.
        sentences: of a document in training, consecutive ones from a random place where it has more.
        words: of a sentence in training; what is beyond is cut off.
    """

    vocabulary: int = 20_000
    lowercase: bool = True
    embedding: int = 620
    kernel: int = 3
    width: int = 2400
    context: int = 2400
    ahead: int = 3
    sentences: int = 32
    words: int = 64

    def __post_init__(self) -> None:
        least = {"vocabulary": 16, "embedding": 1, "kernel": 1, "width": 1, "context": 1, "ahead": 1, "words": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {value}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}; it must be odd, to see as far to both sides of a word")
        if self.sentences <= self.ahead:
            raise ValueError(
                f"sentences is {self.sentences}; to predict {self.ahead} ahead takes at least {self.ahead + 1}"
            )


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
