"""Stacked denoising autoencoders: Vincent, Larochelle, Lajoie, Bengio, Manzagol, JMLR 11, 2010.

Each layer is trained alone to restore its clean input from a corrupted one. The first sees pixels in [0, 1], every
later one the clean codes of the layers below, which it corrupts itself. At corruption level 0 this is the plain
stacked autoencoder. The loss is summed over components and averaged over examples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods._keys import Keys
from methods._method import (
    Batch,
    Drawn,
    Features,
    LossTerms,
    Method,
    Panel,
    Preset,
    Settings,
    Source,
    Spec,
    Stage,
    State,
    TaskKind,
    Training,
)

#: Filters along a side of their panel, and examples in the panel of reconstructions.
_GALLERY = 10


@dataclass(frozen=True, kw_only=True)
class Corruption(Settings):
    """How an input is corrupted, anew at every presentation.

    Attributes:
        kind: masking sets components to 0; salt_and_pepper to 0 or 1 by a fair coin; gaussian adds N(0, level^2).
        level: fraction of components for masking and salt_and_pepper, standard deviation for gaussian; 0 is off.
        exact: corrupt exactly round(level x components) of each example, as the paper's wording implies; otherwise
            each component by its own coin, as the Theano tutorial does. Gaussian noise always takes all components.
    """

    kind: Literal["masking", "salt_and_pepper", "gaussian"] = "masking"
    level: float = 0.25
    exact: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.level) and self.level >= 0):
            raise ValueError(f"corruption.level is {self.level}; it must be a number of at least 0")
        if self.kind != "gaussian" and self.level > 1:
            raise ValueError(f"corruption.level is {self.level}; for {self.kind} it is a fraction, at most 1")


@dataclass(frozen=True, kw_only=True)
class Emphasis(Settings):
    """Weights of the two kinds of component in the loss; the paper's double emphasis is 1 and 0.5, its full 1 and 0."""

    corrupted: float = 1.0
    clean: float = 1.0

    def __post_init__(self) -> None:
        weights = (self.corrupted, self.clean)
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
            raise ValueError(f"emphasis is {weights}; both weights must be at least 0, and one of them above 0")

    @property
    def even(self) -> bool:
        """Whether the loss does not tell the two kinds apart."""
        return self.corrupted == self.clean == 1


@dataclass(frozen=True, kw_only=True)
class SdaeConfig(Settings):
    """Depth {1, 2, 3}, one width {1000, 2000, 3000} for all layers and the level are the paper's grids; the defaults
    are one point of them.

    Attributes:
        loss: cross_entropy with a sigmoid decoder, or squared_error with an affine one; codes are sigmoid in both.
        tied: the decoder's weights are the encoder's, transposed.
    """

    layers: int = 3
    width: int = 2000
    corruption: Corruption = field(default_factory=Corruption)
    loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"
    tied: bool = True
    emphasis: Emphasis = field(default_factory=Emphasis)

    def __post_init__(self) -> None:
        if self.layers < 1 or self.width < 1:
            raise ValueError(f"layers is {self.layers} and width {self.width}; both must be at least 1")
        if self.corruption.kind == "gaussian" and not self.emphasis.even:
            raise ValueError("emphasis needs components that stay clean, and gaussian noise leaves none")
        if self.corruption.level == 0 and self.emphasis.clean == 0:
            raise ValueError("emphasis.clean is 0 and so is corruption.level: nothing would be learned")


class Layer(nn.Module):
    """y = sigmoid(W x + b): [N, inputs] -> [N, outputs].

    W starts uniform within +-4 sqrt(6 / (inputs + outputs)), b at zero: Glorot and Bengio's bound for sigmoid units
    as the Theano deep learning tutorial has it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = _uniform(outputs, inputs)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.sigmoid(functional.linear(inputs, self.weight, self.bias))


class Denoiser(Stage):
    """One denoising autoencoder: a layer, and the decoder that only its training and the gallery use."""

    def __init__(self, config: SdaeConfig, layer: Layer, below: Sequence[Layer]) -> None:
        super().__init__()
        self.share = 1 / config.layers
        self.config = config
        self.layer = layer
        self.below = tuple(below)  # a tuple hides them from nn.Module: they are trained already
        outputs, inputs = layer.weight.shape
        self.decoder_weight = None if config.tied else _uniform(inputs, outputs)
        self.decoder_bias = nn.Parameter(torch.zeros(inputs))

    @torch.no_grad()
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        """Clean inputs of this layer, their corruption, and what each component counts where that differs."""
        clean = _pixels(batch)
        for layer in self.below:
            clean = layer(clean)
        corrupted, chosen = corrupt(clean, keys, self.config.corruption)
        tensors = {"clean": clean, "corrupted": corrupted}
        emphasis = self.config.emphasis
        if not emphasis.even:
            tensors["emphasis"] = torch.full_like(clean, emphasis.clean).masked_fill_(chosen, emphasis.corrupted)
        return Drawn(tensors, {"reconstruction": clean.new_tensor(len(clean), dtype=torch.float32)})

    def forward(self, drawn: Drawn) -> LossTerms:
        clean, emphasis = drawn.tensors["clean"], drawn.tensors.get("emphasis")
        decoded = self.decode(self.layer(drawn.tensors["corrupted"])).to(clean.dtype)  # half precision would overflow
        if self.config.loss == "cross_entropy":
            loss = functional.binary_cross_entropy_with_logits(decoded, clean, weight=emphasis, reduction="sum")
        else:
            errors = (decoded - clean).square()
            loss = (errors if emphasis is None else errors * emphasis).sum()
        return LossTerms({"reconstruction": loss})

    def decode(self, code: Tensor) -> Tensor:
        """The affine part of the decoder: logits under cross-entropy, the reconstruction under squared error."""
        weight = self.layer.weight.t() if self.decoder_weight is None else self.decoder_weight
        return functional.linear(code, weight, self.decoder_bias)

    def reconstruct(self, corrupted: Tensor) -> Tensor:
        """What the autoencoder makes of its inputs, in [0, 1]: [N, inputs] -> [N, inputs]."""
        decoded = self.decode(self.layer(corrupted))
        return torch.sigmoid(decoded) if self.config.loss == "cross_entropy" else decoded.clamp(0, 1)


class StackedDenoisingAutoencoder(Method):
    """Fully connected sigmoid layers, trained one after the other.

    Representations: "layer1" to "layerK", pooled [N, width]. There are no local features: every unit sees the whole
    image.
    """

    name: ClassVar[str] = "sdae"
    paper: ClassVar[str] = "Vincent et al., Stacked denoising autoencoders, JMLR 2010"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = SdaeConfig
    presets: ClassVar[Mapping[str, Preset]] = {
        # Chosen on the validation split of rectangles: of levels 0, .1 and .25 the last, and two layers before three.
        # The steps are 60 epochs a layer there, and cost the same on larger sets.
        "small": Preset(
            config={"layers": 2, "width": 500},
            training=Training(steps=6000, batch_size=20, optimizer="sgd", learning_rate=0.05),
        ),
        # One point of the paper's grids: it chose rate and epochs by validation error, per dataset. Batch size is ours.
        "paper": Preset(training=Training(epochs=100, batch_size=20, optimizer="sgd", learning_rate=0.05)),
    }

    def __init__(self, config: SdaeConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.spec = spec
        sizes = [math.prod(spec.shape), *[config.width] * config.layers]
        layers = [Layer(inputs, outputs) for inputs, outputs in pairwise(sizes)]
        # A layer is registered once, in its stage, so that a state dict names every weight once.
        self.denoisers = nn.ModuleList(Denoiser(config, layer, layers[:depth]) for depth, layer in enumerate(layers))

    @classmethod
    def fits(cls, config: SdaeConfig, spec: Spec) -> str | None:
        if spec.modality == "image":
            return None
        audio = "; the paper's one set of sound, tzanetakis, is left for later" if spec.modality == "audio" else ""
        return f"it learns from images of one size, as in the paper, not from {spec.modality}{audio}"

    @classmethod
    def primary(cls, config: SdaeConfig, spec: Spec) -> Mapping[TaskKind, str]:
        return {"class": f"layer{config.layers}"}

    def stages(self) -> Sequence[Denoiser]:
        return [denoiser for denoiser in self.denoisers if isinstance(denoiser, Denoiser)]

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        return self.examples(source, ids)

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {"image": source.columns["image"].take(ids)}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        features, code = {}, _pixels(batch)
        for depth, denoiser in enumerate(self.stages(), start=1):
            code = denoiser.layer(code)
            features[f"layer{depth}"] = Features(pooled=code)
        return features

    @torch.no_grad()
    def gallery(self, source: Source) -> Iterator[Panel]:
        """Filters of the first layer, and what it makes of the first held-out examples."""
        first = self.stages()[0]
        filters = first.layer.weight[: _GALLERY**2]
        scaled = 0.5 + 0.5 * filters / filters.abs().amax(dim=1, keepdim=True).clamp_min(1e-12)
        yield Panel(
            "Filters of the first layer",
            "Weights of the first units, each scaled to its own largest size; grey is zero.",
            self._images(scaled, columns=min(_GALLERY, len(filters))),
        )
        ids = torch.arange(min(_GALLERY, len(source)))
        image = self.examples(source, ids)["image"].to(first.layer.weight.device)
        drawn = first.draw({"image": image}, Keys.of(0, "sdae.gallery", ids).to(image.device)).tensors
        restored = first.reconstruct(drawn["corrupted"])
        yield Panel(
            "Reconstructions by the first layer",
            "Held-out examples (top), corrupted (middle), restored (bottom).",
            self._images(torch.cat([drawn["clean"], drawn["corrupted"].clamp(0, 1), restored]), columns=len(ids)),
        )

    def _images(self, flat: Tensor, columns: int) -> NDArray[np.float32]:
        """Pictures in rows, the last one filled up with black: [M, C * H * W] -> [rows, columns, H, W (, 3)]."""
        channels, height, width = self.spec.shape
        rows = -(-len(flat) // columns)
        filled = functional.pad(flat.float().cpu(), (0, 0, 0, rows * columns - len(flat)))
        pictures = filled.view(rows, columns, channels, height, width)
        shown = pictures.movedim(2, -1) if channels == 3 else pictures.mean(dim=2)
        return np.ascontiguousarray(shown.numpy(), dtype=np.float32)


def corrupt(clean: Tensor, keys: Keys, corruption: Corruption) -> tuple[Tensor, Tensor]:
    """Corrupted inputs, and which components noise was imposed on (bool): [N, D] -> [N, D], [N, D].

    A component that already had the value it was set to counts as corrupted.
    """
    chosen = torch.zeros_like(clean, dtype=torch.bool)
    if corruption.level == 0:
        return clean, chosen
    size = clean.shape[1]
    if corruption.kind == "gaussian":
        return clean + corruption.level * keys.normal(size), ~chosen
    if corruption.exact:
        chosen.scatter_(1, keys.choose(round(corruption.level * size), size), True)
    else:
        chosen = keys.uniform(size) < corruption.level
    if corruption.kind == "masking":
        return clean.masked_fill(chosen, 0.0), chosen
    heads = keys.fold("coin").bits(size) < 0
    return torch.where(chosen, heads.to(clean.dtype), clean), chosen


def _pixels(batch: Batch) -> Tensor:
    image: Tensor = batch["image"]
    return image.flatten(1).float() / 255


def _uniform(rows: int, columns: int) -> nn.Parameter:
    bound = 4 * math.sqrt(6 / (rows + columns))
    return nn.Parameter(torch.empty(rows, columns).uniform_(-bound, bound))
