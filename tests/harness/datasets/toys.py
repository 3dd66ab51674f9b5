"""Small datasets for the tests: every kind of column, and every way to break the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets import Dataset, SplitName, Task, Writer
from methods import Settings, Spec

SENTENCES = [b"one\n", b"", b"two words\n", b"three short words\nand more\n"]


@dataclass(frozen=True, kw_only=True)
class ToyConfig(Settings):
    size: int = 4


class Documents(Dataset):
    """Ragged text, a dense float column beside it, groups, one task."""

    name: ClassVar[str] = "documents"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "none"
    Config: ClassVar[type[Settings]] = ToyConfig

    @property
    def spec(self) -> Spec:
        return Spec(modality="text", shape=(), size=self.config.size, groups=True)

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {"topic": Task(name="topic", kind="class", metric="accuracy", classes=("a", "b"), chance=0.5)}

    def write(self, split: SplitName, writer: Writer) -> None:
        writer.ragged("text", [np.frombuffer(text, np.uint8) for text in SENTENCES])
        writer.dense("weight", np.arange(12, dtype=np.float32).reshape(4, 3))
        writer.groups(np.array([7, 7, 8, 9]))
        writer.labels("topic", np.array([0, 1, 0, 1]))


class Broken(Documents):
    """Documents whose writing is left to a function."""

    name: ClassVar[str] = "broken"

    def __init__(self, write: Callable[[Writer], None]) -> None:
        super().__init__(ToyConfig())
        self._write = write

    def write(self, split: SplitName, writer: Writer) -> None:
        self._write(writer)


class Kept:
    """A writer that keeps one split in memory."""

    def __init__(self) -> None:
        self.inputs: dict[str, NDArray[Any]] = {}
        self.targets: dict[str, NDArray[Any]] = {}

    def dense(self, name: str, values: NDArray[Any]) -> None:
        self.inputs[name] = values

    def ragged(self, name: str, rows: Sequence[NDArray[Any]]) -> None:
        raise AssertionError(f"{name} is ragged")

    def groups(self, values: NDArray[np.int64]) -> None:
        raise AssertionError("groups")

    def labels(self, task: str, values: NDArray[Any]) -> None:
        self.targets[task] = values
