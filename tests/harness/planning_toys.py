"""Methods, datasets and protocols that can be planned but never run: all that a plan asks of them is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor

from harness.baselines.raw import RawInput
from harness.datasets import Dataset, SplitName, Task, Writer
from harness.plan import Cell, Plan, Pretraining
from harness.planning import plan_suite
from harness.protocols import Protocol, Solution, View
from harness.rosters import Rosters
from methods import Batch, Coupling, Features, Keys, Method, Preset, Settings, Source, Spec, Stage, TaskKind, Training


@dataclass(frozen=True, kw_only=True)
class Corruption(Settings):
    kind: Literal["masking", "gaussian"]
    level: float
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class CoderConfig(Settings):
    layers: int = 3
    width: int = 1000
    corruption: Corruption = field(default_factory=lambda: Corruption(kind="masking", level=0.25))
    sizes: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"at least one layer is needed, got {self.layers}")


class Coder(Method):
    name = "coder"
    paper = "nobody, nothing, never"
    version = 1
    Config = CoderConfig
    presets: ClassVar[Mapping[str, Preset]] = {
        "small": Preset(
            training=Training(steps=2000, batch_size=20, optimizer="sgd", learning_rate=0.05),
            config={"width": 100},
        ),
        "paper": Preset(training=Training(epochs=60, batch_size=20, optimizer="sgd", learning_rate=0.01)),
    }

    @classmethod
    def fits(cls, config: Any, spec: Spec) -> str | None:
        return None if spec.modality == "image" else f"learns from images, not from {spec.modality}"

    @classmethod
    def primary(cls, config: Any, spec: Spec) -> Mapping[TaskKind, str]:
        return {"class": "z", "regression": "z"}

    def __init__(self, config: Any, spec: Spec, state: Mapping[str, Any]) -> None:
        raise AssertionError("a plan builds no method")

    def stages(self) -> Sequence[Stage]:
        raise AssertionError

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        raise AssertionError

    def examples(self, source: Source, ids: Tensor) -> Batch:
        raise AssertionError

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        raise AssertionError


class Contrast(Coder):
    """Its loss depends on the number of ranks."""

    name = "contrast"

    @classmethod
    def coupling(cls, config: Any) -> frozenset[Coupling]:
        return frozenset({"negatives"})


@dataclass(frozen=True, kw_only=True)
class BoxesConfig(Settings):
    size: int = 100
    folder: str = ""


class Boxes(Dataset):
    name = "boxes"
    version = 3
    licence = "none"
    Config = BoxesConfig

    @property
    def spec(self) -> Spec:
        return Spec(modality="image", shape=(1, 28, 28), size=self.config.size)

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {"shape": Task(name="shape", kind="class", metric="accuracy", classes=("wide", "tall"), chance=0.5)}

    def content(self) -> Mapping[str, Any]:
        return {"digest": Path(self.config.folder, "digest").read_text()} if self.config.folder else {}

    def write(self, split: SplitName, writer: Writer) -> None:
        raise AssertionError("a plan generates no data")


class Blobs(Boxes):
    name = "blobs"
    version = 1

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {
            "hull": Task(name="hull", kind="class", metric="accuracy", classes=("no", "yes"), chance=0.5),
            "area": Task(name="area", kind="regression", metric="r2", chance=0.0),
        }


class Tiles(Blobs):
    name = "tiles"

    @property
    def spec(self) -> Spec:
        return Spec(modality="image", shape=(3, 64, 64), size=10)


class Words(Boxes):
    name = "words"

    @property
    def spec(self) -> Spec:
        return Spec(modality="text", shape=(), size=10)


class Frames(Boxes):
    """Has no task that the toy protocols solve."""

    name = "frames"

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {"phone": Task(name="phone", kind="position", metric="accuracy", chance=0.1)}


@dataclass(frozen=True, kw_only=True)
class LinearConfig(Settings):
    points: int = 9


class Linear(Protocol):
    name = "linear"
    version = 2
    kinds: ClassVar[frozenset[TaskKind]] = frozenset({"class"})
    Config = LinearConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        raise AssertionError


class Ridge(Linear):
    name = "ridge"
    kinds: ClassVar[frozenset[TaskKind]] = frozenset({"regression"})


class Guess(Linear):
    """A baseline."""

    name = "guess"
    version = 1
    needs = "input"


@dataclass(frozen=True, kw_only=True)
class TuneConfig(Settings):
    steps: int = 1


class Tune(Linear):
    """Trains encoders, and so solves the supervised control."""

    name = "tune"
    version = 1
    needs = "module"
    Config = TuneConfig

    @classmethod
    def supervised(cls, training: Training) -> TuneConfig:
        return TuneConfig(steps=training.steps or 0)


ROSTERS = Rosters(
    baselines={"raw": RawInput},
    methods={kind.name: kind for kind in (Coder, Contrast)},
    datasets={kind.name: kind for kind in (Blobs, Boxes, Frames, Tiles, Words)},
    protocols={kind.name: kind for kind in (Linear, Ridge)},
)


#: With a baseline, and with a protocol that offers the supervised control.
CONTROLLED = replace(ROSTERS, protocols={**ROSTERS.protocols, "guess": Guess, "tune": Tune})


def planned(tmp_path: Path, text: str, rosters: Rosters = ROSTERS, **options: Any) -> Plan:
    """The plan of a suite with this text."""
    path = tmp_path / "s.yaml"
    path.write_text(text)
    return plan_suite(str(path), rosters=rosters, **options)


def trained(cell: Cell) -> Pretraining:
    assert isinstance(cell.encoder, Pretraining)
    return cell.encoder
