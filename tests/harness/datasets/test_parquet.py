from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from harness.datasets import parquet
from harness.datasets.cache import Materialised
from harness.datasets.parquet import Parquet, ParquetConfig
from tests.harness.datasets.own_files import images, labels, picture_bytes, refused, save_parquet, written


def dataset(path: Path, **config: Any) -> Parquet:
    return Parquet(ParquetConfig(path=str(path), **{"channels": 1, **config}))


def pairs(found: Materialised) -> set[tuple[bytes, int]]:
    whole: set[tuple[bytes, int]] = set()
    for split in found.splits:
        part = found.split(split)
        pictures = part.source.columns["image"].take(torch.arange(len(part.source))).numpy()
        whole |= {(p.tobytes(), label) for p, label in zip(pictures, part.labels("class").tolist(), strict=True)}
    return whole


EXPECTED = {(p.tobytes(), k) for p, k in zip(images(60), labels(60).tolist(), strict=True)}


def test_shards_named_after_their_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS", 7)  # several reads a shard
    pictures, classes = list(images(60)), labels(60)
    for name, rows in {
        "train-0-of-2": slice(0, 20),
        "train-1-of-2": slice(20, 40),
        "test-0-of-1": slice(40, 60),
    }.items():
        save_parquet(tmp_path / "data" / f"{name}.parquet", pictures[rows], label=classes[rows])
    found = written(dataset(tmp_path / "data"), tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 36, "val": 4, "test": 20}
    assert pairs(found) == EXPECTED


def test_plain_bytes_a_split_column_and_groups(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "png": [picture_bytes(picture) for picture in images(60)],
            "kind": ["cat", "dog"] * 30,
            "fold": ["train"] * 30 + ["dev"] * 10 + ["test"] * 20,
            "who": np.arange(60) // 10,
        }
    )
    frame.write_parquet(tmp_path / "own.parquet")
    columns = {"image": "png", "label": "kind", "split": "fold", "group": "who"}
    data = dataset(tmp_path / "own.parquet", **columns)
    found = written(data, tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 30, "val": 10, "test": 20}
    assert pairs(found) == EXPECTED
    assert data.spec.groups
    assert data.tasks["class"].classes == ("cat", "dog")


def test_names_of_classes_come_from_the_metadata(tmp_path: Path) -> None:
    frame = pl.DataFrame({"image": [picture_bytes(picture) for picture in images(40)], "label": labels(40)})
    features = {"label": {"names": ["zebra", "ape"], "_type": "ClassLabel"}}
    huggingface = json.dumps({"info": {"features": features}})
    frame.write_parquet(tmp_path / "own.parquet", metadata={"huggingface": huggingface})
    assert dataset(tmp_path / "own.parquet").tasks["class"].classes == ("zebra", "ape")
    frame.with_columns(label=labels(40, 3)).write_parquet(
        tmp_path / "own.parquet", metadata={"huggingface": huggingface}
    )
    assert refused(dataset(tmp_path / "own.parquet"), tmp_path, r"beyond the 2 classes of the metadata:.*row 2: '2'")


def test_without_labels_it_is_a_corpus(tmp_path: Path) -> None:
    path = save_parquet(tmp_path / "own.parquet", list(images(30)))
    assert refused(dataset(path), tmp_path, "has no column 'label'; there is image; name it in the settings")
    found = written(dataset(path, labels="none"), tmp_path)
    assert found.tasks == {}
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 27, "val": 3, "test": 0}


def test_bad_cells_are_named(tmp_path: Path) -> None:
    cells: list[Any] = [picture_bytes(picture) for picture in images(40)]
    cells[5], cells[9], cells[11] = b"\xff\xd8junk", None, cells[11][:-30]
    pl.DataFrame({"image": cells, "label": labels(40)}).write_parquet(tmp_path / "own.parquet")
    assert refused(dataset(tmp_path / "own.parquet"), tmp_path, r"3 pictures cannot be read:.*row 5:.*row 9:.*row 11:")


def test_bad_columns_and_files_are_named(tmp_path: Path) -> None:
    path = save_parquet(tmp_path / "own.parquet", list(images(20)), label=[None, "a", "b", ""] * 5, weight=[0.5] * 20)
    assert refused(dataset(path), tmp_path, r"no 'label' in:\s+.*own.parquet, row 0\s+.*row 3\s")
    assert refused(dataset(path, label="weight"), tmp_path, "the column 'weight' is Float64, no names")
    assert refused(dataset(path, image="weight", label="label"), tmp_path, "'weight' is Float64; it must hold encoded")
    assert refused(dataset(path, split="label", labels="none"), tmp_path, r"no split .* in the column 'label':.*row 0")
    path.write_bytes(path.read_bytes()[:-300])
    assert refused(dataset(path), tmp_path, f"{path}: cannot be read as Parquet")
    (tmp_path / "empty").mkdir()
    assert refused(dataset(tmp_path / "empty"), tmp_path, "there is no .parquet file")


def test_a_file_whose_split_nobody_tells(tmp_path: Path) -> None:
    for name in ("train", "more", "test"):
        save_parquet(tmp_path / f"{name}.parquet", list(images(20, name)), label=labels(20))
    assert refused(dataset(tmp_path), tmp_path, r"not of these:\s+.*more.parquet\s+name them with `train`")
    assert refused(
        dataset(tmp_path, test="held*"), tmp_path, r"`test: held\*` names no file; there is more.parquet, te"
    )
    assert dataset(tmp_path, train="[tm][ro]*", val=0.5).spec.size == 20
