"""Toy methods that need every power of the contract, and in-memory sources to feed them.

`Layers` has two greedy stages, `Terms` two loss terms with different denominators, `Frames` dense features over two
frames, `Pairs` samples pairs of sentences from documents and fits a vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods import (
    Batch,
    Drawn,
    Features,
    Keys,
    LossTerms,
    Method,
    Modality,
    Preset,
    Settings,
    Source,
    Spec,
    Stage,
    State,
    TaskKind,
    Training,
)


@dataclass(frozen=True)
class ToyColumn:
    """One input in memory; its rows may differ in length."""

    rows: Sequence[NDArray[Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, ids: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([self.rows[index] for index in ids.tolist()]))

    def row(self, index: int) -> NDArray[Any]:
        return self.rows[index]

    def lengths(self, ids: Tensor) -> Tensor:
        return torch.tensor([len(self.rows[index]) for index in ids.tolist()])

    def windows(self, ids: Tensor, starts: Tensor, length: int) -> Tensor:
        places = zip(ids.tolist(), starts.tolist(), strict=True)
        return torch.from_numpy(np.stack([self.rows[index][start : start + length] for index, start in places]))


@dataclass(frozen=True)
class ToySource:
    """Examples in memory."""

    spec: Spec
    columns: Mapping[str, ToyColumn]
    groups: ToyColumn | None = None

    def __len__(self) -> int:
        return self.spec.size


def toy_source(modality: Modality, size: int = 48, seed: int = 0) -> ToySource:
    """Random examples with something to learn: images are black and white blocks, texts follow a chain of words."""
    rng = np.random.default_rng(seed)
    rows: list[NDArray[Any]]
    match modality:
        case "image":
            blocks = rng.integers(0, 2, (size, 1, 3, 3), dtype=np.uint8) * np.uint8(255)
            rows = list(blocks.repeat(4, axis=2).repeat(4, axis=3))
            return ToySource(Spec(modality=modality, shape=(1, 12, 12), size=size), {"image": ToyColumn(rows)})
        case "video":
            first = rng.integers(0, 2, (size, 1, 1, 8, 8), dtype=np.uint8) * np.uint8(255)
            rows = list(np.concatenate([first, np.roll(first, 1, axis=-1)], axis=1))
            return ToySource(Spec(modality=modality, shape=(1, 8, 8), size=size), {"video": ToyColumn(rows)})
        case "text":
            rows = [np.frombuffer(_document(rng).encode(), dtype=np.uint8).copy() for _ in range(size)]
            return ToySource(Spec(modality=modality, shape=(), size=size), {"text": ToyColumn(rows)})
        case "audio":
            rows = [_tones(rng) for _ in range(size)]
            return ToySource(Spec(modality=modality, shape=(), size=size, rate=8000), {"audio": ToyColumn(rows)})


def toy_sources(size: int = 48, seed: int = 0) -> Iterator[ToySource]:
    """One source of each modality, then coloured images that are large enough to cut patches from, and coloured
    videos of different length."""
    for modality in get_args(Modality):
        yield toy_source(modality, size, seed)
    blocks = np.random.default_rng(seed).integers(0, 256, (size, 3, 8, 8), dtype=np.uint8)
    rows = list(blocks.repeat(6, axis=2).repeat(6, axis=3))
    yield ToySource(Spec(modality="image", shape=(3, 48, 48), size=size), {"image": ToyColumn(rows)})
    yield _colored_videos(size, seed)


def _colored_videos(size: int, seed: int) -> ToySource:
    """Coloured blocks that slide to the right. Their grain keeps pixels from being exactly alike: where hundreds of
    them switch a rectifier at once, a last digit decides how training goes on."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(16, 240, (size, 3, 6, 6)).repeat(8, axis=2).repeat(8, axis=3)
    grained = (blocks + rng.integers(-16, 17, blocks.shape)).astype(np.uint8)
    rows = [np.stack([np.roll(block, 2 * t, axis=-1) for t in range(rng.integers(4, 8))]) for block in grained]
    return ToySource(Spec(modality="video", shape=(3, 48, 48), size=size), {"video": ToyColumn(rows)})


def _tones(rng: np.random.Generator) -> NDArray[np.float32]:
    """Twelve to thirty tones of 40 ms, each of one of four pitches, with some noise."""
    pitch = rng.choice([200.0, 400.0, 800.0, 1600.0], rng.integers(12, 31)).repeat(320)
    noise = rng.normal(scale=0.05, size=len(pitch))
    clean = 0.5 * np.sin(np.cumsum(2 * np.pi * pitch / 8000))
    return (clean + noise).clip(-1, 1).astype(np.float32)


def _document(rng: np.random.Generator) -> str:
    """Three or more sentences about one topic: words of one letter group."""
    topic = "abcd"[rng.integers(4)]
    words = [f"{topic}{letter}" for letter in "wxyz"]
    sentences = rng.integers(3, 6)
    return "\n".join(" ".join(rng.choice(words, rng.integers(2, 5))) for _ in range(sentences))


@dataclass(frozen=True, kw_only=True)
class ToyConfig(Settings):
    """Width of the hidden layers."""

    width: int = 16


_SMALL = {
    "small": Preset(
        training=Training(steps=60, batch_size=11, optimizer="sgd", learning_rate=0.05, momentum=0.9, weight_decay=1e-4)
    )
}


def _pixels(source: Source, column: str, ids: Tensor) -> Tensor:
    return source.columns[column].take(ids).float() / 255.0


class LayerStage(Stage):
    """Codes of one layer below are corrupted and reconstructed."""

    share = 0.5

    def __init__(self, below: Sequence[nn.Module], encoder: nn.Linear) -> None:
        super().__init__()
        self._below = list(below)  # a list, so that earlier layers are not parameters of this stage
        self.encoder = encoder
        self.decoder = nn.Linear(encoder.out_features, encoder.in_features)

    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        clean = batch["image"].flatten(1)
        for layer in self._below:
            clean = torch.sigmoid(layer(clean))
        kept = keys.fold("corrupt").uniform(clean.shape[1]) > 0.25
        weight = torch.tensor(float(clean.numel()), device=clean.device)
        return Drawn({"clean": clean, "corrupted": clean * kept}, {"reconstruction": weight})

    def forward(self, drawn: Drawn) -> LossTerms:
        code = torch.sigmoid(self.encoder(drawn.tensors["corrupted"]))
        error = self.decoder(code) - drawn.tensors["clean"]
        return LossTerms({"reconstruction": error.square().sum()})


class Layers(Method):
    name = "toy_layers"
    paper = "A toy of two greedy stages"
    version = 1
    Config = ToyConfig
    presets: ClassVar = _SMALL

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        size = int(np.prod(spec.shape))
        self.layers = nn.ModuleList([nn.Linear(size, config.width), nn.Linear(config.width, config.width)])
        below = list(self.layers)
        self._stages: Sequence[Stage] = [LayerStage(below[:depth], self._layer(depth)) for depth in range(2)]

    def _layer(self, depth: int) -> nn.Linear:
        layer = self.layers[depth]
        assert isinstance(layer, nn.Linear)
        return layer

    @classmethod
    def primary(cls, config: ToyConfig, spec: Spec) -> Mapping[TaskKind, str]:
        return {"class": "layer2"}

    @classmethod
    def fits(cls, config: ToyConfig, spec: Spec) -> str | None:
        return None if spec.modality == "image" else "needs images"

    def stages(self) -> Sequence[Stage]:
        return self._stages

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        return self.examples(source, ids)

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {"image": _pixels(source, "image", ids)}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        code = batch["image"].flatten(1)
        found = {}
        for depth, layer in enumerate(self.layers):
            code = torch.sigmoid(layer(code))
            found[f"layer{depth + 1}"] = Features(code)
        return found


class TermsStage(Stage):
    """Masked pixels are predicted by classification, kept ones by regression: as many of each as the dice say, so
    the two terms have different denominators, and the examples unequal weights."""

    def __init__(self, trunk: nn.Module, size: int, width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.masked = nn.Linear(width, size)
        self.kept = nn.Linear(width, size)

    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        clean = batch["image"].flatten(1)
        level = keys.fold("level").uniform(1)
        mask = (keys.fold("mask").uniform(clean.shape[1]) < level).float()
        weights = {"masked": mask.sum(), "kept": (1 - mask).sum()}
        return Drawn({"clean": clean, "mask": mask}, weights)

    def forward(self, drawn: Drawn) -> LossTerms:
        clean, mask = drawn.tensors["clean"], drawn.tensors["mask"]
        code = self.trunk(clean * (1 - mask))
        guess = self.masked(code)
        sums = {
            "masked": (functional.binary_cross_entropy_with_logits(guess, clean, reduction="none") * mask).sum(),
            "kept": ((self.kept(code) - clean).square() * (1 - mask)).sum(),
        }
        right = (((guess > 0) == (clean > 0.5)) * mask).sum().detach()
        return LossTerms(sums, {"accuracy": (right, drawn.weights["masked"])})


class Terms(Layers):
    name = "toy_terms"
    paper = "A toy of two loss terms with different denominators"

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        Method.__init__(self, config, spec, state)
        size = int(np.prod(spec.shape))
        self.trunk = nn.Sequential(nn.Linear(size, config.width), nn.Tanh())
        self._stages = [TermsStage(self.trunk, size, config.width)]

    @classmethod
    def primary(cls, config: ToyConfig, spec: Spec) -> Mapping[TaskKind, str]:
        return {"class": "trunk"}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return {"trunk": Features(self.trunk(batch["image"].flatten(1)))}


class FramesStage(Stage):
    """The second frame is predicted from the first, position by position."""

    def __init__(self, trunk: nn.Module, width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Conv2d(width, 1, 1)

    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        video = batch["video"]
        noise = keys.fold("noise").normal(*video.shape[2:]) * 0.05
        weight = torch.tensor(float(video[:, 1].numel()), device=video.device)
        return Drawn({"reference": video[:, 0] + noise, "target": video[:, 1]}, {"prediction": weight})

    def forward(self, drawn: Drawn) -> LossTerms:
        error = self.head(self.trunk(drawn.tensors["reference"])) - drawn.tensors["target"]
        return LossTerms({"prediction": error.square().sum()})


class Frames(Method):
    name = "toy_frames"
    paper = "A toy of dense features over two frames"
    version = 1
    Config = ToyConfig
    presets: ClassVar = _SMALL

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.trunk = nn.Sequential(nn.Conv2d(spec.shape[0], config.width, 3, padding=1), nn.ReLU())
        self._stages = [FramesStage(self.trunk, config.width)]

    @classmethod
    def fits(cls, config: ToyConfig, spec: Spec) -> str | None:
        return None if spec.modality == "video" and spec.shape[0] == 1 else "needs gray videos"

    @classmethod
    def primary(cls, config: ToyConfig, spec: Spec) -> Mapping[TaskKind, str]:
        return {"masks": "trunk", "class": "trunk"}

    def stages(self) -> Sequence[Stage]:
        return self._stages

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        return self.examples(source, ids)

    def examples(self, source: Source, ids: Tensor) -> Batch:
        """The first two frames."""
        frames = source.columns["video"].windows(ids, torch.zeros_like(ids), 2)
        return {"video": frames.float() / 255.0}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        video = batch["video"]
        count, frames, _, height, width = video.shape
        local = self.trunk(video.flatten(0, 1)).unflatten(0, (count, frames)).permute(0, 1, 3, 4, 2)
        axes = [torch.arange(float(length)) for length in (frames, height, width)]
        centers = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        return {"trunk": Features(local.mean((1, 2, 3)), local, None, centers)}


class PairsStage(Stage):
    """Do two sentences come from one document?"""

    def __init__(self, words: nn.EmbeddingBag, width: int) -> None:
        super().__init__()
        self.words = words
        self.head = nn.Linear(width, 1)

    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        weight = torch.tensor(float(len(batch["same"])), device=batch["same"].device)
        return Drawn({name: batch[name] for name in ("first", "second", "same")}, {"same": weight})

    def forward(self, drawn: Drawn) -> LossTerms:
        first, second = self.words(drawn.tensors["first"]), self.words(drawn.tensors["second"])
        logits = self.head(first * second)[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logits, drawn.tensors["same"], reduction="sum")
        return LossTerms({"same": loss})


class Pairs(Method):
    name = "toy_pairs"
    paper = "A toy of pairs of sentences, with a fitted vocabulary"
    version = 1
    Config = ToyConfig
    presets: ClassVar = _SMALL

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self._ids = {word: index + 1 for index, word in enumerate(state["words"])}
        self.words = nn.EmbeddingBag(len(self._ids) + 1, config.width, mode="sum", padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.3)
        self._stages = [PairsStage(self.words, config.width)]
        self.register_buffer("rarity", state["rarity"])

    @classmethod
    def fits(cls, config: ToyConfig, spec: Spec) -> str | None:
        return None if spec.modality == "text" else "needs text"

    @classmethod
    def primary(cls, config: ToyConfig, spec: Spec) -> Mapping[TaskKind, str]:
        return {"class": "bag"}

    @classmethod
    def fit(cls, config: ToyConfig, source: Source, keys: Keys) -> State:
        """The words of the corpus, and how rare they are (a tensor, so that both kinds of state are there)."""
        counts = Counter(word for index in range(len(source)) for word in _text(source, index).split())
        words = sorted(counts)
        return {"words": words, "rarity": torch.tensor([1.0 / counts[word] for word in words])}

    def stages(self) -> Sequence[Stage]:
        return self._stages

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        dice = keys.fold("pair").uniform(4)
        same = dice[:, 0] < 0.5
        other = torch.where(same, ids, keys.fold("other").integers(len(source)))
        return {
            "first": self._pad([self._sentence(source, i, u) for i, u in _rows(ids, dice[:, 1])]),
            "second": self._pad([self._sentence(source, i, u) for i, u in _rows(other, dice[:, 2])]),
            "same": same.float(),
        }

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {"words": self._pad([self._tokens(_text(source, index)) for index in ids.tolist()])}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        tokens = batch["words"]
        local = functional.embedding(tokens, self.words.weight)
        return {"bag": Features(self.words(tokens), local, tokens > 0)}

    def _sentence(self, source: Source, index: int, dice: float) -> list[int]:
        sentences = _text(source, index).split("\n")
        return self._tokens(sentences[int(dice * len(sentences))])

    def _tokens(self, text: str) -> list[int]:
        return [self._ids.get(word, 0) for word in text.split()]

    def _pad(self, rows: list[list[int]]) -> Tensor:
        """Always equally long, so that an example does not depend on its batch-mates: int64 [N, 24]."""
        return torch.tensor([(row + [0] * 24)[:24] for row in rows])


def _text(source: Source, index: int) -> str:
    return source.columns["text"].row(index).tobytes().decode()


def _rows(ids: Tensor, dice: Tensor) -> list[tuple[int, float]]:
    return list(zip(ids.tolist(), dice.tolist(), strict=True))


TOYS: Mapping[str, type[Method]] = {method.name: method for method in (Layers, Terms, Frames, Pairs)}
