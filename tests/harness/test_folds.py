"""Which examples meet where: never one in two parts of a fold, each tested once, groups whole, classes spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from harness.datasets import Dataset, DatasetError, SplitName, Task, Writer
from harness.datasets.cache import HOLD_OUT, Materialised, materialise
from harness.datasets.digits import Digits, DigitsConfig
from harness.folds import folds_of
from methods import Settings, Spec

SIZE = 60


@dataclass(frozen=True, kw_only=True)
class PoolConfig(Settings):
    folds: int = 5
    speakers: int = 0
    rare: int = 20


class Pool(Dataset):
    """Pixels with the class written on them, and no split; `rare` of them are of the second class."""

    name: ClassVar[str] = "pool"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "none"
    Config: ClassVar[type[Settings]] = PoolConfig
    config: PoolConfig

    @property
    def spec(self) -> Spec:
        return Spec(modality="image", shape=(1, 1, 2), size=SIZE, groups=self.config.speakers > 0)

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {"kind": Task(name="kind", kind="class", metric="accuracy", classes=("a", "b"), chance=0.5)}

    @property
    def folds(self) -> int:
        return self.config.folds

    def write(self, split: SplitName, writer: Writer) -> None:
        assert split == "train"
        labels = (np.arange(SIZE) < self.config.rare).astype(np.int64)
        images = np.stack([labels * 200, np.arange(SIZE)], axis=1).astype(np.uint8)
        writer.dense("image", images.reshape(SIZE, 1, 1, 2))
        writer.labels("kind", labels)
        if self.config.speakers:
            writer.groups(np.arange(SIZE) % self.config.speakers)


def pool(folder: Path, **config: int) -> Materialised:
    return materialise(Pool(PoolConfig(**config)), folder)


def test_a_dataset_with_splits_has_one_fold_of_whole_splits(tmp_path: Path) -> None:
    data = materialise(Digits(DigitsConfig()), tmp_path)
    (fold,) = folds_of(data, "digit")
    assert [part.split for part in fold] == ["train", "val", "test"]
    assert [len(part.ids) for part in fold] == [1000, 297, 500]


def test_each_example_is_tested_once_and_is_in_no_other_part_of_that_fold(tmp_path: Path) -> None:
    folds = folds_of(pool(tmp_path), "kind")
    assert len(folds) == 5
    assert torch.equal(torch.cat([fold.test.ids for fold in folds]).sort().values, torch.arange(SIZE))
    for fold in folds:
        assert torch.equal(torch.cat([part.ids for part in fold]).sort().values, torch.arange(SIZE))
        assert [len(part.ids) for part in fold] == [36, 12, 12]


def test_classes_are_spread_evenly(tmp_path: Path) -> None:
    data = pool(tmp_path)
    labels = data.split("train").labels("kind")
    assert [int(labels[fold.test.ids].sum()) for fold in folds_of(data, "kind")] == [4] * 5


def test_folds_are_the_same_every_time(tmp_path: Path) -> None:
    first, again = (folds_of(pool(tmp_path / name), "kind") for name in ("a", "b"))
    assert all(torch.equal(one.test.ids, other.test.ids) for one, other in zip(first, again, strict=True))


def test_groups_stay_whole(tmp_path: Path) -> None:
    for fold in folds_of(pool(tmp_path, speakers=10), "kind"):
        speakers = [set((part.ids % 10).tolist()) for part in fold]
        assert sum(map(len, speakers)) == len(set.union(*speakers)) == 10


@pytest.mark.parametrize(
    ("config", "message"),
    [({"rare": 4}, "class 'b' has 4 examples, too few for 5 folds"), ({"speakers": 3}, "3 groups are too few")],
)
def test_what_cannot_be_spread_is_refused(tmp_path: Path, config: dict[str, int], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        folds_of(pool(tmp_path, **config), "kind")


def test_pretraining_holds_out_a_tenth_and_leaves_the_rest(tmp_path: Path) -> None:
    train, held_out = pool(tmp_path).pretraining()
    assert len(held_out) == SIZE // HOLD_OUT
    assert train.spec.size == len(train) == SIZE - len(held_out)
    both = [source.columns["image"].take(torch.arange(len(source))) for source in (train, held_out)]
    assert sorted(torch.cat(both)[:, 0, 0, 1].tolist()) == list(range(SIZE))


def test_a_part_of_a_source_keeps_its_groups_and_tells_that_they_were_read(tmp_path: Path) -> None:
    train, _ = pool(tmp_path, speakers=10).pretraining()
    assert not train.groups_read
    assert train.groups is not None
    shown = train.columns["image"].take(torch.arange(len(train)))[:, 0, 0, 1] % 10
    assert torch.equal(train.groups.take(torch.arange(len(train))), shown.long())
    assert train.groups_read
