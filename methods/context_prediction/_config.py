"""What can be set; the defaults are the paper's values as its released code has them, color as in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from methods._method import Settings

Color = Literal["drop", "drop_rms", "project", "none"]


@dataclass(frozen=True, kw_only=True)
class ContextPredictionConfig(Settings):
    """Sizes are in pixels of the image after rescaling.

    Attributes:
        sampler: grid lays a grid of patches at a random origin and takes all pairs of neighbours in both orders, as
            the released code does (labels are then not equally frequent); uniform takes the first patch anywhere and
            the second at a random one of its neighbouring places that lie in the image, as the lecture has it.
        grids: grids per example and presentation (sampler grid).
        pairs: pairs per example and presentation (sampler uniform).
        patch: side of a patch.
        gap: between neighbouring patches, before jitter.
        jitter: each patch is moved by up to so much along both axes.
        pixels: images are first rescaled, aspect kept, to a random number of pixels between these; None: as stored.
        color: drop keeps one random channel of a patch and fills the others with Gaussian noise of a hundredth of its
            deviation; project removes the green-magenta axis; both are the paper's. drop_rms is the released code's:
            noise uniform over one level, and each patch scaled to equal root mean square. none leaves colour alone.
        pixelated: share of patches that are sampled down and up again.
        sides: shortest and longest side that they are sampled down to; areas are uniform between.
        tower: caffenet is the paper's, resnet18 a later choice (Kolesnikov et al., CVPR 2019, compare such), small
            fits patches of about 17 pixels.
        units: of fc6, fc7 and fc8.
        white: range of an input channel from black to white; the released code's root mean square of 50 is at 255.
    """

    sampler: Literal["grid", "uniform"] = "grid"
    grids: int = 4
    pairs: int = 8
    patch: int = 96
    gap: int = 48
    jitter: int = 7
    pixels: tuple[int, int] | None = (150_000, 450_000)
    color: Color = "drop"
    pixelated: float = 0.33
    sides: tuple[int, int] = (10, 95)
    tower: Literal["caffenet", "resnet18", "small"] = "caffenet"
    units: int = 4096
    white: float = 255.0

    def __post_init__(self) -> None:
        for name in ("grids", "pairs", "patch", "units"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.gap < 0 or self.jitter < 0:
            raise ValueError(f"gap is {self.gap} and jitter {self.jitter}; neither may be negative")
        if 2 * self.jitter > self.gap:
            raise ValueError(
                f"jitter {self.jitter} can move two patches with a gap of {self.gap} into each other; "
                f"at most {self.gap // 2} keeps them apart"
            )
        if not 0 <= self.pixelated <= 1:
            raise ValueError(f"pixelated is {self.pixelated}; it is a share of patches, between 0 and 1")
        if self.pixelated and not 1 <= self.sides[0] <= self.sides[1] < self.patch:
            raise ValueError(
                f"sides are {self.sides}; give two of at least 1, ascending, below the patch's {self.patch}"
            )
        if self.pixels is not None and not 1 <= self.pixels[0] <= self.pixels[1]:
            raise ValueError(f"pixels are {self.pixels}; give two of at least 1, ascending")
        if not self.white > 0:
            raise ValueError(f"white is {self.white}; it must be above 0")

    @property
    def pitch(self) -> int:
        """From one patch to its neighbour, before jitter."""
        return self.patch + self.gap
