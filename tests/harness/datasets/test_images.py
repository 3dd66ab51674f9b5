from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from harness.datasets import SplitName
from harness.datasets.cache import Materialised
from harness.datasets.images import ImageFolder, ImagesConfig
from tests.harness.datasets.own_files import images, refused, save_classes, save_picture, written


def dataset(path: Path, **config: Any) -> ImageFolder:
    return ImageFolder(ImagesConfig(path=str(path), **config))


def pixels(found: Materialised, split: SplitName) -> list[bytes]:
    source = found.split(split).source
    return [image.numpy().tobytes() for image in source.columns["image"].take(torch.arange(len(source)))]


def in_splits(folder: Path) -> Path:
    for split, count in (("train", 20), ("val", 5), ("test", 8)):
        save_classes(folder / split, {"cat": count, "dog": count}, split)
    return folder


def test_folders_of_splits_and_classes(tmp_path: Path) -> None:
    folder = in_splits(tmp_path / "p")
    (folder / "README.md").write_text("not a picture")
    found = written(dataset(folder, channels=1), tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 40, "val": 10, "test": 16}
    for split, count in (("train", 40), ("val", 10), ("test", 16)):
        pictures = images(count, split)
        names = {
            values.tobytes(): label for values, label in zip(pictures, np.arange(count) // (count // 2), strict=True)
        }
        labels = found.split(split).labels("class").tolist()
        assert [names[image] for image in pixels(found, split)] == labels
    assert found.tasks["class"].classes == ("cat", "dog")
    assert found.spec.shape == (1, 8, 8)


def test_colours_come_channels_first(tmp_path: Path) -> None:
    red = np.zeros((6, 9, 3), np.uint8)
    red[..., 0] = np.arange(54).reshape(6, 9)
    for index in range(12):
        save_picture(tmp_path / "p" / f"{index}.png", red + np.uint8([0, index, 0]))
    found = written(dataset(tmp_path / "p"), tmp_path)
    assert found.spec.shape == (3, 6, 9)
    first = found.split("train").source.columns["image"].take(torch.arange(1))[0].numpy()
    assert np.array_equal(first[0], red[..., 0])
    assert (first[1] == first[1, 0, 0]).all()
    assert not first[2].any()


def test_pictures_in_one_folder_are_a_corpus_without_tasks(tmp_path: Path) -> None:
    for index, picture in enumerate(images(40)):
        save_picture(tmp_path / "p" / f"{index}.png", picture)
    found = written(dataset(tmp_path / "p", channels=1), tmp_path)
    assert found.tasks == {}
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 36, "val": 4, "test": 0}
    assert sorted(pixels(found, "train") + pixels(found, "val")) == sorted(p.tobytes() for p in images(40))


def test_classes_can_be_ignored(tmp_path: Path) -> None:
    save_classes(tmp_path / "p", {"cat": 10, "dog": 10})
    found = written(dataset(tmp_path / "p", labels="none", test=0.5), tmp_path)
    assert found.tasks == {}
    assert len(found.split("test").source) == 10


def test_the_same_picture_twice_stays_in_one_split(tmp_path: Path) -> None:
    save_classes(tmp_path / "p", {"cat": 30, "dog": 30})
    for copy in range(4):
        for name in ("cat", "dog"):
            (tmp_path / "p" / name / f"copy{copy}.png").write_bytes((tmp_path / "p" / name / "000.png").read_bytes())
    for seed in range(3):
        found = written(dataset(tmp_path / "p", seed=seed), tmp_path)
        everywhere = [set(pixels(found, split)) for split in found.splits]
        assert sum(map(len, everywhere)) == 60


def test_the_same_file_twice_is_a_leak_between_folds(tmp_path: Path) -> None:
    save_classes(tmp_path / "p", {"cat": 9, "dog": 9})
    (tmp_path / "p" / "cat" / "copy.png").write_bytes((tmp_path / "p" / "cat" / "000.png").read_bytes())
    assert refused(dataset(tmp_path / "p", folds=3), tmp_path, "1 pictures lie in two folds")
    found = written(dataset(tmp_path / "p", folds=3, leaks="allow"), tmp_path)
    assert len(set(pixels(found, "train"))) == 18, "what is refused would have been tested and learnt"


TABLES: dict[str, Callable[[Path, list[dict[str, str]]], None]] = {
    "t.csv": lambda path, rows: pl.DataFrame(rows).write_csv(path),
    "t.tsv": lambda path, rows: pl.DataFrame(rows).write_csv(path, separator="\t"),
    "t.jsonl": lambda path, rows: path.write_text("".join(json.dumps(row) + "\n" for row in rows)) and None,
    "t.parquet": lambda path, rows: pl.DataFrame(rows).write_parquet(path),
}


def flat(folder: Path, count: int = 30) -> list[dict[str, str]]:
    rows = []
    for index, picture in enumerate(images(count)):
        save_picture(folder / "all" / f"{index:02}.png", picture)
        split = "train" if index < 18 else "valid" if index < 22 else "test"
        rows.append({"file": f"{index:02}.png", "kind": "ab"[index % 2], "fold": split, "who": f"p{index // 3}"})
    return rows


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_labels_splits_and_groups(name: str, tmp_path: Path) -> None:
    TABLES[name](tmp_path / name, flat(tmp_path))
    config = {"table": name, "images": "all", "label": "kind", "split": "fold", "group": "who", "channels": 1}
    found = written(dataset(tmp_path, leaks="allow", **config), tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 18, "val": 4, "test": 8}
    places = {picture.tobytes(): index for index, picture in enumerate(images(30))}
    for split in found.splits:
        indices = [places[image] for image in pixels(found, split)]
        groups = found.split(split).source.groups
        assert groups is not None
        assert found.split(split).labels("class").tolist() == [index % 2 for index in indices]
        # Opaque: equal where the names are equal, across splits too.
        names = sorted(f"p{index}" for index in range(10))
        assert [names[code] for code in groups.take(torch.arange(len(indices)))] == [f"p{i // 3}" for i in indices]


def test_groups_are_not_parted(tmp_path: Path) -> None:
    pl.DataFrame(flat(tmp_path)).write_csv(tmp_path / "t.csv")
    found = written(dataset(tmp_path, table="t.csv", images="all", label="kind", group="who"), tmp_path)
    owners = []
    for split in found.splits:
        groups = found.split(split).source.groups
        assert groups is not None
        owners.append(set(groups.take(torch.arange(len(groups))).tolist()))
    assert all(owners)
    assert sum(map(len, owners)) == 10


def test_tables_may_name_files_absolutely(tmp_path: Path) -> None:
    rows = flat(tmp_path)
    for row in rows:
        row["file"] = str(tmp_path / "all" / row["file"])
    pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
    assert dataset(tmp_path, table="t.csv", label="kind", split="fold").spec.size == 18
    save_classes(tmp_path / "p", {"cat": 5, "dog": 5}, "p")
    (tmp_path / "l.txt").write_text("".join(f"{file}\n" for file in sorted((tmp_path / "p").rglob("*.png"))))
    assert dataset(tmp_path, table="l.txt", images="p").tasks["class"].classes == ("cat", "dog")


def test_lists_name_the_files_of_each_split(tmp_path: Path) -> None:
    save_classes(tmp_path / "pictures", {"cat": 12, "dog": 12})
    lines = [f"{name}/{index:03}.png" for name in ("cat", "dog") for index in range(12)]
    (tmp_path / "a.txt").write_text("\n".join(lines[::2]) + "\n")
    (tmp_path / "b.txt").write_text("\n".join(lines[1::2]))
    found = written(dataset(tmp_path, images="pictures", train="a.txt", test="b.txt", val=2), tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 10, "val": 2, "test": 12}
    assert found.tasks["class"].classes == ("cat", "dog")
    (tmp_path / "a.txt").write_text("".join(f"{line} {row % 3}\n" for row, line in enumerate(lines[::2])))
    (tmp_path / "b.txt").write_text("".join(f"{line} {row % 3}\n" for row, line in enumerate(lines[1::2])))
    labelled = dataset(tmp_path, images="pictures", train="a.txt", test="b.txt", val=3)
    assert labelled.tasks["class"].classes == ("0", "1", "2")


def test_folders_of_splits_can_be_named(tmp_path: Path) -> None:
    folder = in_splits(tmp_path / "p")
    (folder / "train").rename(folder / "fit")
    (folder / "test").rename(folder / "unused")
    found = written(dataset(folder, train="fit", test="val", val=0.1, leaks="refuse", channels=1), tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 36, "val": 4, "test": 10}


def test_the_real_caltech_by_its_lists(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    root = real_data("caltech101_a") / "caltech101_a"
    lists = {"images": "101_ObjectCategories", "train": "train.txt", "test": "test.txt"}
    caltech = dataset(root, size=(32, 32), limit=150, **lists)
    found = written(caltech, tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 150, "val": 80, "test": 150}
    assert len(caltech.tasks["class"].classes) == 15
    assert found.spec.shape == (3, 32, 32)
    assert found.split("train").labels("class").bincount().tolist() == [10] * 15
    assert refused(
        dataset(root, **lists), tmp_path / "other", r"differ in size \(height x width\):\s+.*image_\d+.jpg: \d+ x"
    )


def test_real_photographs_are_a_corpus(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    root = real_data("bsds500_val") / "BSDS500" / "data" / "images"
    found = written(dataset(root / "val", size=(48, 48), limit=20), tmp_path)
    assert found.tasks == {}
    assert len(found.split("train").source) == 20
    assert found.split("train").source.columns["image"].take(torch.arange(20)).float().std() > 40
    assert refused(dataset(root), tmp_path / "other", "there is .*val, but nothing to train on")


def empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def empty_class(folder: Path) -> None:
    (folder / "train" / "bird").mkdir()


def no_pictures(folder: Path) -> None:
    for path in (folder / "train").rglob("*.png"):
        path.rename(path.with_suffix(".heic"))


def bare_beside_classes(folder: Path) -> None:
    save_picture(folder / "train" / "bare.png", images(1, "bare")[0])


def single(folder: Path) -> None:
    save_classes(folder / "train", {"bird": 1}, "bird")


def unseen(folder: Path) -> None:
    save_classes(folder / "test", {"bird": 2}, "bird")
    save_classes(folder / "val", {"cow": 3}, "cow")


def one_class(folder: Path) -> None:
    for path in folder.rglob("dog/*.png"):
        path.unlink()
    for path in folder.rglob("dog"):
        path.rmdir()


def other_size(folder: Path) -> None:
    save_picture(folder / "train" / "cat" / "010.png", np.zeros((8, 9), np.uint8))


def damaged(folder: Path) -> None:
    for index in range(14):
        path = folder / "train" / "cat" / f"{index:03}.png"
        path.write_bytes(path.read_bytes()[:-40])
    (folder / "train" / "cat" / "002.png").write_text("<html>404</html>")


def sixteen_bits(folder: Path) -> None:
    save_picture(folder / "train" / "cat" / "000.png", np.full((8, 8), 40_000, np.uint16))  # type: ignore[arg-type]


def copied(folder: Path) -> None:
    (folder / "test" / "dog" / "copy.png").write_bytes((folder / "train" / "dog" / "003.png").read_bytes())


def same_pixels(folder: Path) -> None:
    save_picture(folder / "test" / "dog" / "other.bmp", images(40, "train")[23])


def beside_splits(folder: Path) -> None:
    save_classes(folder, {"bird": 3}, "bird")


def val_alone(folder: Path) -> None:
    (folder / "test").rename(folder / "val" / "deeper")
    empty(folder / "val" / "deeper")
    (folder / "val" / "deeper").rmdir()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (empty, r"p: holds no pictures .*; it is empty"),
        (empty_class, r"folders of classes without a picture:\s+.*train/bird\s+fill them"),
        (no_pictures, r"train: holds no pictures .*; there are files that end with .heic"),
        (bare_beside_classes, r"66 pictures lie in folders of classes, but these do not:\s+train/bare.png\s+move them"),
        (single, r"classes with one example, which cannot be both learnt and tested:\s+'bird'\s+add"),
        (unseen, r"classes without an example in train:\s+'bird': 2 in test\s+'cow': 3 in val\s+add some to train"),
        (one_class, r"all examples are of the class 'cat'"),
        (other_size, r"differ in size .*000.png: 8 x 8\s+.*cat/010.png: 8 x 9\s+.*`size: \[64, 64\]`"),
        (damaged, r"14 pictures cannot be read:(\s+\S+/cat/\d+.png: [^\n]+){10}\s+and 4 more\s+mend them"),
        (sixteen_bits, r"a picture cannot be read:\s+.*cat/000.png: more than 8 bits a channel \(mode I;16\)"),
        (copied, r"1 examples lie in two splits.*train/dog/003.png in train is .*test/dog/copy.png in test"),
        (
            same_pixels,
            r"1 pictures lie in two splits.*train/dog/003.png \(train\) is .*other.bmp \(test\).*leaks: allow",
        ),
        (beside_splits, r"folders named after splits, and beside them pictures in:\s+.*p/bird\s+name the folders"),
        (val_alone, r"has a val split, but no test split; .*`test: 0.2`"),
    ],
)
def test_bad_folders_are_named(damage: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    folder = in_splits(tmp_path / "p")
    damage(folder)
    assert refused(dataset(folder), tmp_path, says)


def test_leaks_are_let_through_on_demand(tmp_path: Path) -> None:
    folder = in_splits(tmp_path / "p")
    copied(folder)
    same_pixels(folder)
    assert len(written(dataset(folder, leaks="allow"), tmp_path).split("test").source) == 18


def row_without_picture(rows: list[dict[str, Any]]) -> None:
    rows[4]["file"], rows[7]["file"] = "gone.png", "away.png"


def outside(rows: list[dict[str, Any]]) -> None:
    rows[2]["file"], rows[3]["file"] = "../../a.png", "/elsewhere/b.png"


def row_twice(rows: list[dict[str, Any]]) -> None:
    rows[4]["file"] = rows[7]["file"]


def empty_label(rows: list[dict[str, Any]]) -> None:
    rows[4]["kind"] = ""


def odd_split(rows: list[dict[str, Any]]) -> None:
    rows[4]["fold"] = "holdout"


def typo(rows: list[dict[str, Any]]) -> None:
    rows[4]["kind"] = "aa"
    rows[5]["kind"] = "aa"


@pytest.mark.parametrize(
    ("damage", "config", "says"),
    [
        (row_without_picture, {}, r"2 of 30 files .*t.csv, line 6: .*/all/gone.png\s+.*line 9: .*/all/away.png"),
        (outside, {}, r"files outside .*line 4: ../../a.png\s+.*line 5: /elsewhere/b.png\s+`path` is a folder that"),
        (row_twice, {}, r"t.csv, line 9: 07.png stands in .*t.csv, line 6 too"),
        (empty_label, {}, r"no 'kind' in:\s+.*t.csv, line 6\s+fill"),
        (odd_split, {"split": "fold"}, r"no split .*in the column 'fold':\s+.*t.csv, line 6: 'holdout'"),
        (typo, {"classes": ("a", "b", "c")}, r"labels that are not in `classes`:\s+'aa'; (did you mean|there is)"),
        (list, {"label": "kin"}, r"t.csv: has no column 'kin'; did you mean \"kind\"\?"),
        (list, {"group": "whom"}, r"has no column 'whom'; did you mean \"who\"\?"),
        (list, {"table": "u.csv"}, r"there is no:\s+.*/u.csv"),
        (
            list,
            {"images": ""},
            r"30 of 30 files of a table are not there:.*/00.png.*and 20 more.*`images` is the folder",
        ),
        (list, {"split": "fold", "group": "who"}, r"1 groups lie in two splits.*group 'p7': in val and in test"),
    ],
)
def test_bad_tables_are_named(
    damage: Callable[[list[dict[str, Any]]], Any], config: dict[str, Any], says: str, tmp_path: Path
) -> None:
    rows = flat(tmp_path)
    damage(rows)
    pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
    assert refused(dataset(tmp_path, **{"table": "t.csv", "images": "all", "label": "kind", **config}), tmp_path, says)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"table": "t.csv", "train": "a.txt"}, "table: it holds all examples"),
        ({"split": "fold"}, "split: is a column of `table`"),
        ({"size": (8,)}, r"size: \[8\] is not \[height, width\]"),
        ({"val": 1.5}, "val: 1.5 is neither a share"),
        ({"test": 0.0}, "test: 0.0 is neither a share"),
        ({"folds": 2}, "folds: 2 parts"),
        ({"folds": 5, "test": 0.2}, "folds: with folds there are no splits"),
        ({"limit": 1}, "limit: 1 examples"),
        ({"task": "a b"}, "task: 'a b' may hold"),
        ({"classes": ("a", "a")}, "classes: one of them is listed twice"),
        ({"train": "../other"}, "train: ../other does not lie inside `path`"),
        ({"images": "/all"}, "images: /all does not lie inside `path`"),
    ],
)
def test_settings_that_contradict_each_other(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ImagesConfig(path="p", **config)
