"""What a protocol is: how a task is solved on top of an encoder, without ever seeing a test label."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple
from typing import Protocol as Interface

from numpy.typing import NDArray
from torch import Tensor

from harness.datasets import Task
from methods import Batch, Features, Keys, Modality, Settings, Source, TaskKind, Training

#: What a protocol works on: frozen features; the encoder's own weights, which it trains in a copy; or no encoder, but
#: the input and the labels of train alone. The last kind is a baseline, which every board carries unasked.
Needs = Literal["features", "module", "input"]


class Encoder(Interface):
    """A frozen encoder: a `Method`, or a control that behaves like one."""

    def examples(self, source: Source, ids: Tensor) -> Batch: ...

    def encode(self, batch: Batch) -> Mapping[str, Features]: ...


class EncodedSplit(Interface):
    """The examples of one part, seen through the encoder under the one representation that is being evaluated. Lazy:
    each protocol takes what it needs."""

    @property
    def source(self) -> Source:
        """The examples themselves, for protocols that train the module."""
        ...

    @property
    def ids(self) -> Tensor:
        """Which examples of `source` these are: int64 [N]. Under cross-validation parts share one source."""
        ...

    @property
    def positions(self) -> Sequence[NDArray[Any]] | None:
        """Of tasks of kind position where the labels lie, int64 [L, 2] (begin, end) for each of `ids`; else None."""
        ...

    def __len__(self) -> int:
        """How many answers are asked for: for tasks of kind position one for each of `positions`, else one an
        example."""
        ...

    def pooled(self) -> Tensor:
        """One vector for each answer: float32 [len(self), D]; extracted once, then kept. A labelled position has the
        local features that lie there (harness/positions.py)."""
        ...

    def stream(self) -> Iterator[Features]:
        """Pooled and local features in the order of `ids`, a batch at a time, for what does not fit in memory."""
        ...


class View(NamedTuple):
    """All that a protocol is given: the labels of the test split are not in it."""

    encoder: Encoder  #: frozen; where the protocol needs the module it is a `Method`, of which it trains a copy
    representation: str  #: the one that is being evaluated, a name in what `encoder.encode` gives
    train: EncodedSplit
    val: EncodedSplit
    test: EncodedSplit
    #: class, pair, position: int64 tensor, one for each answer; regression, and pair without classes: float64 tensor;
    #: other kinds: a sequence of rows as the dataset wrote them (`harness.datasets.Writer.ragged_labels`).
    train_targets: Any
    val_targets: Any
    #: What the task itself gives of each test example. masks and keypoints: the labels of the first frame.
    test_given: Sequence[NDArray[Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What a protocol answers.

    Attributes:
        predictions: class, pair, position: int64 [len(test)]; regression, and pair without classes: float64 [N];
            span: int64 [N, 2] (begin, end) in bytes; masks: a row uint8 [T, H, W] for each test example; keypoints:
            float32 [T, K, 2] (x, y).
        selection: the grid that was searched, the value of each point on val, the winner. JSON.
        warnings: what a reader must know: the winner lies on the grid's edge, the solver did not converge.
    """

    predictions: NDArray[Any] | Sequence[NDArray[Any]]
    selection: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Protocol(ABC):
    """One way to solve tasks on frozen features.

    Class attributes:
        name: as suites write it.
        version: bump when the numbers may change.
        kinds: the kinds of task it solves.
        needs: "module" where it trains the encoder: it is then asked for the ranked representation alone, and not for
            encoders without weights; "input" for a baseline, which is given the raw input, once per dataset.
        modalities: those that it is for; None for all.
        needs_classes: whether a pair task without classes, whose answers are numbers, is none for it.
        Config: a frozen dataclass deriving from `methods.Settings`.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    kinds: ClassVar[frozenset[TaskKind]]
    needs: ClassVar[Needs] = "features"
    modalities: ClassVar[frozenset[Modality] | None] = None
    needs_classes: ClassVar[bool] = False
    Config: ClassVar[type[Settings]]

    def __init__(self, config: Any) -> None:
        self.config = config

    @classmethod
    def supervised(cls, training: Training) -> Settings | None:
        """The configuration in which it solves the supervised control: it trains the untrained encoder at the budget of
        a pretraining, given here. None for a protocol that does not train encoders."""
        return None

    @abstractmethod
    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """Fit on train, choose on val, predict test once."""
