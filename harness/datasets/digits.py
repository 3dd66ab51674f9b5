"""Handwritten digits: the 1,797 real ones that come with scikit-learn, 8 x 8 pixels (UCI Optdigits, test part)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import SPLITS, Dataset, SplitName, Task, Writer
from harness.datasets._procedural import shuffled
from methods import Settings, Spec

SIZES: Mapping[SplitName, int] = {"train": 1000, "val": 297, "test": 500}


@dataclass(frozen=True, kw_only=True)
class DigitsConfig(Settings):
    """Attributes:
    folds: 0 for the split; else at least 3, and all 1,797 examples are cross-validated over so many parts.
    """

    folds: int = 0

    def __post_init__(self) -> None:
        if self.folds and self.folds < 3:
            raise ValueError(f"folds: {self.folds} leave no example to train on; give 0 for the split, or at least 3")


class Digits(Dataset):
    """Ten classes; 1000 / 297 / 500 examples for train / val / test, stratified to within one example per class.

    The set comes without a split: this one is ours, and quick. With `folds` there is none.
    Gray values 0..16 become 0..255. All 1,797 images differ. The same 43 people wrote for every split, since the set
    does not say who wrote what.
    """

    name: ClassVar[str] = "digits"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "CC BY 4.0, E. Alpaydin and C. Kaynak, doi:10.24432/C50P49"
    Config: ClassVar[type[Settings]] = DigitsConfig
    config: DigitsConfig

    @property
    def spec(self) -> Spec:
        return Spec(modality="image", shape=(1, 8, 8), size=sum(SIZES.values()) if self.folds else SIZES["train"])

    @property
    def folds(self) -> int:
        return self.config.folds

    @property
    def tasks(self) -> Mapping[str, Task]:
        classes = tuple("0123456789")
        return {"digit": Task(name="digit", kind="class", metric="accuracy", classes=classes, chance=0.1)}

    def write(self, split: SplitName, writer: Writer) -> None:
        # Imported here: it takes a second, and only the first run on a machine needs it.
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        purpose = f"{self.name}/{self.version}"
        chosen = shuffled(purpose, len(labels)) if self.folds else stratified(labels, purpose)[split]
        gray = (images[chosen].astype(np.int64) * 255 + 8) // 16
        writer.dense("image", gray.astype(np.uint8).reshape(-1, 1, 8, 8))
        writer.labels("digit", labels[chosen])


def stratified(labels: NDArray[np.int64], purpose: str) -> dict[SplitName, NDArray[np.int64]]:
    """Indices per split, in random order: each class is spread evenly over the whole, which is then cut by `SIZES`."""
    order = shuffled(f"{purpose}/split", len(labels))
    shuffled_labels = labels[order]
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(shuffled_labels == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    spread = order[np.argsort(place, kind="stable")]
    cuts = np.cumsum([SIZES[split] for split in SPLITS])[:-1]
    parts = zip(SPLITS, np.split(spread, cuts), strict=True)
    return {split: part[shuffled(f"{purpose}/{split}", len(part))] for split, part in parts}
