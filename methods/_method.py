"""What a method is: the contract between the learners in this folder and the harness that runs them.

A method turns unlabelled examples into a frozen encoder. The harness calls, in this order::

    reason = Method.fits(config, spec)                 # not applicable? the reason, or None
    state = Method.fit(config, source, keys)           # vocabulary, palette: once, saved with the weights
    method = Method(config, spec, state)               # weights drawn from torch's global generator
    for stage in method.stages():                      # greedy stages one after the other
        batch = method.sample(source, ids, keys)       # on the CPU: windows, clips, pairs
        drawn = stage.draw(batch, keys)                # on the device: all randomness, and the loss weights
        terms = stage(drawn)                           # sums per loss term
    representations = method.encode(method.examples(source, ids))

A new method is one file here with one concrete subclass of `Method`. Nothing else has to change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from methods._keys import Keys

Modality = Literal["image", "video", "audio", "text"]
TaskKind = Literal["class", "position", "pair", "span", "regression", "masks", "keypoints"]
Coupling = Literal["negatives", "batch_statistics", "dropout"]

#: Named inputs of N examples; tensors have N rows. Labels are never among them.
Batch = Mapping[str, Any]
#: What `fit` learned from the corpus: tensors, and plain JSON values for the rest.
State = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a method may know of a dataset before it sees an example.

    Attributes:
        modality: what an example is.
        shape: of one example as stored, without ragged axes: image [C, H, W], video [C, H, W] a frame, audio [],
            text [].
        size: examples in the training split.
        groups: whether examples carry opaque groups (speaker, document).
        rate: samples a second of audio; 0 for other modalities.
    """

    modality: Modality
    shape: tuple[int, ...]
    size: int
    groups: bool = False
    rate: int = 0


class Column(Protocol):
    """One memory-mapped input of all examples: dense ([N, ...]), or ragged (rows of different length)."""

    def __len__(self) -> int: ...

    def take(self, ids: Tensor) -> Tensor:
        """Rows of a dense column: [len(ids), ...]."""
        ...

    def row(self, index: int) -> NDArray[Any]:
        """One row, of its own length if ragged."""
        ...

    def lengths(self, ids: Tensor) -> Tensor:
        """Length of each row's first axis: int64 [len(ids)]."""
        ...

    def windows(self, ids: Tensor, starts: Tensor, length: int) -> Tensor:
        """Equally long pieces of rows: [len(ids), length, ...]."""
        ...


class Source(Protocol):
    """Unlabelled examples. The main column bears the name of the modality.

    image: uint8 [C, H, W]. video: rows uint8 [T, C, H, W], T at least 2, perhaps of different length: read them with
    `lengths`, `row` and `windows`. text: UTF-8 bytes of a document, one sentence a line; examples that are pairs have a
    second text in the column `second`. audio: rows of float32 samples in [-1, 1], of different length: one channel, at
    `Spec.rate` samples a second; read them as videos.
    """

    @property
    def spec(self) -> Spec: ...

    @property
    def columns(self) -> Mapping[str, Column]: ...

    @property
    def groups(self) -> Column | None:
        """Opaque identities (speaker, document), or None. Reading them is recorded in the row."""
        ...

    def __len__(self) -> int: ...


class Features(NamedTuple):
    """One named representation of N examples."""

    pooled: Tensor  #: [N, D]
    local: Tensor | None = None  #: [N, *positions, D]
    mask: Tensor | None = None  #: bool [N, *positions], True where real, False where padding; None: all real
    #: Input coordinate of each position, [*positions, axes] or [N, *positions, axes]: image (y, x) and video (t, y, x)
    #: in pixels and frames, the first at 0. Text and audio have no axis at the end: the byte, or sample, at which a
    #: position begins, [L] or [N, L].
    centers: Tensor | None = None


class Drawn(NamedTuple):
    """One batch after the pretext task's dice have fallen: all that `Stage.forward` needs."""

    tensors: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]  #: per loss term a float32 scalar: by what its sum over this batch is divided


class LossTerms(NamedTuple):
    """Sums over a batch, never means: the harness divides by the weights of all ranks and micro-batches together.

    The loss minimised is the sum over terms of (sum over all examples) / (sum of that term's weights).
    """

    sums: Mapping[str, Tensor]  #: differentiable scalars, under the names of `Drawn.weights`
    monitors: Mapping[str, tuple[Tensor, Tensor]] = {}  #: detached (sum, weight) pairs to watch: accuracy, ...


class Panel(NamedTuple):
    """One picture of the report."""

    title: str
    caption: str
    images: NDArray[np.float32]  #: [rows, columns, height, width] or [..., 3], in [0, 1]


class TextPanel(NamedTuple):
    """Some lines of text in the report, shown in a font of fixed width."""

    title: str
    caption: str
    lines: Sequence[str]  #: none with a line break in it


class Settings:
    """Base of every method's `Config`: a frozen, keyword-only dataclass whose defaults are the paper's values.

    Raise ValueError in `__post_init__` for values that contradict each other.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Training(Settings):
    """How a method is optimised.

    Attributes:
        steps: optimiser steps over all stages, split by their shares.
        epochs: passes over the training split in every stage; exactly one of `steps` and `epochs` is given.
        batch_size: examples per step, over all ranks and micro-batches.
        learning_rate: peak value.
        momentum: of sgd.
        betas, epsilon: of adam and adamw.
        weight_decay: decoupled in adamw, L2 in sgd and adam; never on biases and normalisation.
        schedule: from the end of warm-up to the last step of a stage; cosine and linear end at zero.
        warmup_steps: linear from zero, in every stage.
        clip_norm: global gradient norm; 0 is off.
        accumulate: micro-batches per step.
    """

    steps: int | None = None
    epochs: float | None = None
    batch_size: int
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: float
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = 0
    clip_norm: float = 0.0
    accumulate: int = 1


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named starting point: values of `Config` that differ from the paper's, and the training to go with them."""

    training: Training
    config: Mapping[str, Any] = field(default_factory=dict)


class Stage(nn.Module, ABC):
    """What one engine trains. Only what it trains is registered as its parameters.

    Attributes:
        share: this stage's part of the method's steps; the shares of a method sum to 1.
    """

    share: float = 1.0

    @abstractmethod
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        """Corrupt, crop, mask: all randomness, keyed by example. No gradient, no trained parameter of this stage."""

    @abstractmethod
    def forward(self, drawn: Drawn) -> LossTerms:
        """The loss of a drawn batch, deterministic up to dropout."""


class Method(nn.Module, ABC):
    """One self-supervised method. See the module's docstring for the order of calls.

    Class attributes:
        name: as suites write it.
        paper: authors, title, year.
        version: bump when the numbers may change; it is part of every fingerprint.
        Config: a frozen dataclass deriving from `Settings`.
        presets: at least "small" (learns on a laptop CPU) and "paper" (the paper's settings).
        pairs: whether it reads the second text of pairs itself, beside the first; for others each is encoded alone.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    version: ClassVar[int]
    Config: ClassVar[type[Settings]]
    presets: ClassVar[Mapping[str, Preset]]
    pairs: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, config: Any, spec: Spec, state: State) -> None:
        super().__init__()

    @classmethod
    def fits(cls, config: Any, spec: Spec) -> str | None:
        """Why this method cannot learn from such data, or None."""
        return None

    @classmethod
    def coupling(cls, config: Any) -> frozenset[Coupling]:
        """What ties an example's loss to its batch-mates, and so to the number of ranks."""
        return frozenset()

    @classmethod
    @abstractmethod
    def primary(cls, config: Any, spec: Spec) -> Mapping[TaskKind, str]:
        """The representation that is ranked, per kind of task; the others are reported. Tasks of other kinds are not
        asked of it. `spec` may be one that it does not fit."""

    @classmethod
    def fit(cls, config: Any, source: Source, keys: Keys) -> State:
        """What is learned from the corpus before training; saved with the weights."""
        return {}

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """What to train, in order. Stages share their modules with the method, so training them trains it."""

    @abstractmethod
    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        """A pretraining batch on the CPU: examples `ids` (int64 [N]), cut as the pretext task needs them."""

    @abstractmethod
    def examples(self, source: Source, ids: Tensor) -> Batch:
        """Whole examples on the CPU, as `encode` takes them; no randomness."""

    @abstractmethod
    def encode(self, batch: Batch) -> Mapping[str, Features]:
        """All representations by name, in evaluation mode; an example's features do not depend on its batch-mates."""

    def gallery(self, source: Source) -> Iterable[Panel | TextPanel]:
        """Pictures and texts that show what was learned, from held-out examples."""
        return ()
