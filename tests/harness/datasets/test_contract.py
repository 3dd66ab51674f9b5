"""What every dataset of the roster must keep; a new one is tested by being there."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.datasets import SPLITS, Dataset, SplitName, roster
from harness.datasets.cache import Materialised, materialise
from tests.harness.datasets.own_files import WRITTEN

#: Small configurations; defaults where a dataset has nothing to make small.
SMALL: dict[str, dict[str, int]] = {
    "convex": {"train": 120, "val": 41, "test": 200},
    "formants": {"train": 60, "val": 41, "test": 60},
    "grammar": {"train": 240, "val": 60, "test": 120},
    "rectangles": {"train": 200, "val": 41, "test": 300},
    "scenes": {"train": 120, "val": 41, "test": 200},
    "sprites": {"train": 64, "val": 41, "test": 80, "frames": 8},
}

#: Content at `SMALL`. A generator that changes must bump its `version`; then put the new digest here.
GOLDEN = {
    "arrays": "6acf7cb59ce7600f8c59d4275cb18a4f210ed91805e54a8c5b614a111634b497",
    "audio": "5b23ad49ccbf0bf5e3d9e5a417e1d7fd4ecdfc56448629818f3c834ce2edf803",
    "conllu": "d8a6bfe9842e4b156bf6548ace416230c0041c56c119016267b23408e1ee34c0",
    "convex": "90f0a88ee82311ef227229dcf389c140998852419bfcefa93287ca5c846596bf",
    "davis": "817ea741ab6c5a570d937caced83216e2c6204f1122c29a341f36bdc2db92cae",
    "digits": "5ad74edafcc2126f5423109628141f073f2a76189b1b6fc7c7766ccad6540968",
    "formants": "a8953abb9cf138ba881cb1cf5cbac813f502649a9a4eb7882148b89c27a5c2a1",
    "grammar": "ac840b002dd0e1703cadb49245a65f441fd758f33b599333652dfb2d53f72c9c",
    "idx": "89f267a21cd1ca3be6f9dba5a54a126890894dae3b8603060616b17ec9433774",
    "images": "1f79f5c3dbf4bcb76b6aa11bf226ee87a711065e9d93761756d5e962f9841461",
    "librispeech": "33c19c200248b6740e672f2074c648e797a2ec73f9ab5ba6ed9916def11e7995",
    "parquet": "593ac047d369be02dd46354c40f7b9da2aa669f6890ee4ce2d22712e99f62c58",
    "plain_text": "8fdab0dc090535ffab14232087988d11cee7a62aca84f1d3608f4c8d0ac79adf",
    "rectangles": "0f570956757e84f0dd8b8fbb57e5522c31ba562d71c560aa11aa70c8e97698ae",
    "scenes": "feffccfc86b8a81505d8729b6a4884e0690b04e5a89ee663a7ee6a66931d2db3",
    "sprites": "4ce562369e41512efcb91c4280738e51db60a99cf4deefccb0d11e400a99b14c",
    "squad": "0fbe9fac54e7c5873d3cf02a458d0e2ddf1f47bf8fc6ba54172265974dc7923d",
    "text_table": "fbdd74cff49cb5e6b6968078de63806f9ae8fc40830cd25d9488c306e33c85f9",
    "videos": "a2d9fe472920eb38fd631bd3b586baf553e7106fcff1e6ef827c1a8eb4932696",
}


def small(name: str) -> Dataset:
    kind = roster()[name]
    return kind(kind.Config(**SMALL.get(name, {})))


def of_files(name: str, folder: Path) -> Dataset:
    """A dataset that is made of the user's files, on some of ours."""
    kind = roster()[name]
    return kind(kind.Config(path=str(WRITTEN[name](folder))))


@pytest.fixture(scope="module", params=sorted(roster()))
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    if request.param in WRITTEN:
        return of_files(request.param, tmp_path_factory.mktemp("own"))
    return small(request.param)


@pytest.fixture(scope="module")
def written(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Materialised:
    return materialise(dataset, tmp_path_factory.mktemp("cache"))


def examples(written: Materialised, split: SplitName) -> set[bytes]:
    """Every example, all its inputs together."""
    source = written.split(split).source
    columns = [source.columns[name] for name in sorted(source.columns)]
    return {b"\0".join(column.row(row).tobytes() for column in columns) for row in range(len(source))}


def test_content_is_what_it_was(dataset: Dataset, written: Materialised) -> None:
    assert written.digest == GOLDEN[dataset.name]


def test_a_second_machine_writes_the_same(dataset: Dataset, written: Materialised, tmp_path: Path) -> None:
    again = of_files(dataset.name, tmp_path) if dataset.name in WRITTEN else small(dataset.name)
    assert again.content() == dataset.content()
    assert materialise(again, tmp_path / "cache").digest == written.digest
    written.verify()


def test_examples_are_as_the_spec_says(dataset: Dataset, written: Materialised) -> None:
    assert written.spec == dataset.spec
    assert len(written.split("train").source) == dataset.spec.size
    for split in SPLITS:
        source = written.split(split).source
        assert source.spec == dataset.spec
        assert (source.groups is not None) == dataset.spec.groups
        assert all(len(column) == len(source) for column in source.columns.values())
        main = source.columns[dataset.spec.modality]
        rows = [main.row(place) for place in range(len(source))]
        assert {row.dtype for row in rows} <= {np.dtype(np.float32 if dataset.spec.modality == "audio" else np.uint8)}
        if dataset.spec.modality == "image":
            assert {row.shape for row in rows} == {dataset.spec.shape}
            assert (min(row.min() for row in rows), max(row.max() for row in rows)) == (0, 255)
        if dataset.spec.modality == "video":
            assert {row.shape[1:] for row in rows} <= {dataset.spec.shape}
            assert all(len(row) > 1 for row in rows)
        if dataset.spec.modality == "audio":
            assert dataset.spec.rate > 0
            assert all(len(row) > 0 and np.abs(row).max() <= 1 for row in rows)


def test_labels_are_balanced_so_that_chance_is_what_the_task_says(written: Materialised) -> None:
    for task in (task for task in written.tasks.values() if task.kind == "class"):
        for split in SPLITS:
            mine = written.split(split, task.examples)
            labels = mine.labels(task.name)
            assert labels.dtype == torch.int64
            assert labels.shape == (len(mine.source),)
            counts = torch.bincount(labels, minlength=len(task.classes))
            assert len(counts) == len(task.classes)
            most_frequent = counts.max().item() / len(labels)
            assert most_frequent == pytest.approx(task.chance, abs=1.5 / len(labels) + 0.005)
            # Neighbours must not share a label more often than chance: batches are cut from a permutation,
            # but learning curves and galleries take the first examples.
            repeats = (labels[1:] == labels[:-1]).double().mean().item()
            assert repeats == pytest.approx(task.chance, abs=5 * (0.25 / len(labels)) ** 0.5)


def test_no_example_lies_in_two_splits(written: Materialised) -> None:
    seen = {split: examples(written, split) for split in SPLITS}
    assert not seen["train"] & seen["val"]
    assert not seen["train"] & seen["test"]
    assert not seen["val"] & seen["test"]


def test_a_larger_test_split_leaves_the_training_split_alone(tmp_path: Path) -> None:
    for name, sizes in SMALL.items():
        kind = roster()[name]
        larger = materialise(kind(kind.Config(**{**sizes, "test": sizes["test"] + 50})), tmp_path)
        train = [file.digest for file in larger.files if file.split == "train"]
        assert train == [file.digest for file in materialise(small(name), tmp_path).files if file.split == "train"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        (name, wrong)
        for name in sorted(SMALL)
        for wrong in ({"train": 1}, {"image_size": 4}, {"image_size": 1000})
        if wrong.keys() <= {field.name for field in fields(roster()[name].Config)}  # type: ignore[arg-type]
    ],
)
def test_impossible_settings_are_refused(name: str, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        roster()[name].Config(**wrong)
