"""What all datasets of a user's files share: identity by content, folds, limits, what is cached."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.datasets import DatasetError, _digests, _scratch
from harness.datasets.arrays import Arrays, ArraysConfig
from harness.datasets.cache import materialise, open_dataset
from harness.datasets.images import ImageFolder, ImagesConfig
from harness.identity import canonical
from harness.plan import DatasetChoice
from tests.harness.datasets.own_files import images, labels, refused, save_classes, written


def pictures(path: Path, **config: Any) -> ImageFolder:
    return ImageFolder(ImagesConfig(path=str(path), channels=1, **config))


def choice(dataset: ImageFolder) -> DatasetChoice:
    plain = canonical(dataset.config)
    return DatasetChoice(
        name=dataset.name,
        version=dataset.version,
        config={key: value for key, value in plain.items() if key != "path"},
        content=canonical(dataset.content()),
        location={"path": plain["path"]},
    )


def test_a_folder_that_moves_is_the_same_data(tmp_path: Path) -> None:
    dataset = pictures(save_classes(tmp_path / "here", {"cat": 10, "dog": 10}))
    before = materialise(dataset, tmp_path / "cache")
    (tmp_path / "here").rename(tmp_path / "there")
    moved = pictures(tmp_path / "there")
    assert moved.content() == dataset.content()
    assert materialise(moved, tmp_path / "cache").folder == before.folder


@pytest.mark.parametrize("change", ["pixel", "name", "class", "gone"])
def test_files_that_change_are_other_data(change: str, tmp_path: Path) -> None:
    folder = save_classes(tmp_path / "p", {"cat": 10, "dog": 10})
    before = pictures(folder).content()
    file = folder / "cat" / "003.png"
    if change == "pixel":
        file.write_bytes((save_classes(tmp_path / "q", {"cat": 1}, "q") / "cat" / "000.png").read_bytes())
    elif change == "name":
        file.rename(folder / "cat" / "a.png")
    elif change == "class":
        file.rename(folder / "dog" / "a.png")
    else:
        file.unlink()
    assert pictures(folder).content() != before


def test_workers_need_no_files_once_they_are_written(tmp_path: Path) -> None:
    folder = save_classes(tmp_path / "p", {"cat": 10, "dog": 10})
    dataset = pictures(folder)
    planned, first = choice(dataset), written(dataset, tmp_path)
    shutil.rmtree(folder)
    again = open_dataset(planned, tmp_path / "cache")
    assert again == first
    with pytest.raises(DatasetError, match=f"there is no {folder}"):
        open_dataset(planned, tmp_path / "another")


def test_files_that_changed_since_the_plan_are_refused(tmp_path: Path) -> None:
    folder = save_classes(tmp_path / "p", {"cat": 10, "dog": 10})
    planned = choice(pictures(folder))
    (folder / "cat" / "003.png").unlink()
    with pytest.raises(DatasetError, match="not those that were planned; plan again"):
        open_dataset(planned, tmp_path / "cache")


def test_a_second_look_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_classes(tmp_path / "p", {"cat": 10, "dog": 10})
    for file in folder.rglob("*.png"):
        os.utime(file, ns=(10**18, 10**18))
    first, read = pictures(folder).content(), []
    digest = _digests._digest
    monkeypatch.setattr(_digests, "_digest", lambda path: read.append(path) or digest(path))
    assert pictures(folder).content() == first
    assert not read
    changed = folder / "cat" / "003.png"
    changed.write_bytes(changed.read_bytes()[:-1])
    assert pictures(folder).content() != first
    assert read == [changed]


def test_what_was_just_changed_is_read_again(tmp_path: Path) -> None:
    """Two changes within one tick of the file system's clock leave size and time as they were."""
    file = tmp_path / "x.npy"
    np.save(file, images(40))
    first, times = Arrays(ArraysConfig(path=str(file))).content(), file.stat().st_mtime_ns
    np.save(file, images(40, "other"))
    os.utime(file, ns=(times, times))
    assert Arrays(ArraysConfig(path=str(file))).content() != first


def test_a_damaged_memory_of_digests_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    folder = save_classes(tmp_path / "p", {"cat": 10, "dog": 10})
    for file in folder.rglob("*.png"):
        os.utime(file, ns=(10**18, 10**18))
    first = pictures(folder).content()
    (memory,) = (tmp_path / "cache" / "digests").iterdir()
    assert len(json.loads(memory.read_text())) == 20
    for damage in ("{", "[]"):
        memory.write_text(damage)
        assert pictures(folder).content() == first


def save_arrays(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


def test_folds_need_every_class_in_every_fold(tmp_path: Path) -> None:
    path = save_arrays(tmp_path, images=images(43), labels=np.array([*labels(40), 2, 2, 2]))
    few = Arrays(ArraysConfig(path=str(path), folds=4))
    assert refused(few, tmp_path, r"fewer examples than the 4 folds:\s+'2': 3\s")
    assert len(written(Arrays(ArraysConfig(path=str(path), folds=3)), tmp_path).split("train").source) == 43


def test_folds_and_a_split_contradict_each_other(tmp_path: Path) -> None:
    arrays = {"x_train": images(40), "y_train": labels(40), "x_test": images(20, "t"), "y_test": labels(20)}
    dataset = Arrays(ArraysConfig(path=str(save_arrays(tmp_path, **arrays)), folds=3))
    assert refused(dataset, tmp_path, "has a split of its own; leave out `folds`")


def test_the_same_picture_in_two_folds_is_a_leak_unless_its_group_keeps_it_together(tmp_path: Path) -> None:
    twice = np.concatenate([images(20), images(20)])
    plain = {"images": twice, "labels": np.tile(labels(20), 2)}
    dataset = Arrays(ArraysConfig(path=str(save_arrays(tmp_path, **plain)), folds=3))
    assert refused(dataset, tmp_path, r"20 pictures lie in two folds.*image \d+ \(train\) is .*leaks: allow")
    grouped = save_arrays(tmp_path, **plain, groups=np.tile(np.arange(20), 2))
    assert len(written(Arrays(ArraysConfig(path=str(grouped), folds=3)), tmp_path).split("train").source) == 40


def test_numbers_are_sorted_as_numbers_and_listed_classes_as_listed(tmp_path: Path) -> None:
    path = save_arrays(tmp_path, images=images(60), labels=np.array([10, 9, 2])[labels(60, 3)])
    assert Arrays(ArraysConfig(path=str(path))).tasks["class"].classes == ("2", "9", "10")
    listed = Arrays(ArraysConfig(path=str(path), classes=("9", "10", "2"), task="kind", metric="macro_f1"))
    found = written(listed, tmp_path)
    shown = {image.tobytes(): label for image, label in zip(images(60), labels(60, 3), strict=True)}
    train = found.split("train")
    pixels = train.source.columns["image"].take(torch.arange(len(train.source))).numpy()
    order = [1, 0, 2]  # 10, 9, 2 among 9, 10, 2
    assert [order[shown[image.tobytes()]] for image in pixels] == train.labels("kind").tolist()
    assert listed.tasks["kind"].metric == "macro_f1"


def test_chance_is_what_naming_the_most_frequent_class_gives(tmp_path: Path) -> None:
    path = save_arrays(tmp_path, images=images(100), labels=(np.arange(100) < 80).astype(int))
    assert Arrays(ArraysConfig(path=str(path))).tasks["class"].chance == pytest.approx(0.8)
    from harness.metrics import macro_f1

    dataset = Arrays(ArraysConfig(path=str(path), metric="macro_f1"))
    train = written(dataset, tmp_path).split("train").labels("class").numpy()
    constant = macro_f1(np.ones(len(train), np.int64), train)
    assert dataset.tasks["class"].chance == pytest.approx(constant)


def test_a_limit_cuts_each_split_and_keeps_classes_in_proportion(tmp_path: Path) -> None:
    path = save_arrays(tmp_path, images=images(400), labels=(np.arange(400) % 4 == 0).astype(int))
    found = written(Arrays(ArraysConfig(path=str(path), limit=40)), tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == dict.fromkeys(
        ("test", "train", "val"), 40
    )
    assert found.split("train").labels("class").bincount().tolist() == [30, 10]


def test_a_limit_that_leaves_a_class_out_is_refused(tmp_path: Path) -> None:
    path = save_arrays(tmp_path, images=images(300), labels=labels(300, 3))
    dataset = Arrays(ArraysConfig(path=str(path), limit=2))
    assert refused(dataset, tmp_path, r"without an example in train:\s+'\d': (left out by `limit`|\d in)")


def test_a_split_beyond_the_memory_is_built_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_arrays(tmp_path, images=images(60), labels=labels(60))
    usual = written(Arrays(ArraysConfig(path=str(path))), tmp_path)
    monkeypatch.setattr(_scratch, "IN_MEMORY", 100)
    assert isinstance(_scratch.scratch((11, 10)), np.memmap)
    assert materialise(Arrays(ArraysConfig(path=str(path))), tmp_path / "other").digest == usual.digest
