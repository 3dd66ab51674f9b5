from __future__ import annotations

from pathlib import Path

import pytest

from harness.datasets import DatasetError
from harness.datasets._text_files import text_files
from tests.harness.datasets.own_texts import save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a-train.txt", "b.valid.txt", "deep/test.txt", ".hidden/train.txt", "notes.md"):
        save(tmp_path / name, "text")
    return tmp_path


def splits(folder: Path, **patterns: object) -> dict[str, str | None]:
    return {name: split for name, (_, split) in text_files(folder, (".txt",), patterns).items()}  # type: ignore[arg-type]


def test_names_tell_splits(folder: Path) -> None:
    assert splits(folder, val=0.1) == {"a-train.txt": "train", "b.valid.txt": "val", "deep/test.txt": "test"}
    assert {*text_files(folder / "notes.md", (".txt",), {}).values()} == {(folder / "notes.md", None)}


def test_patterns_are_all_that_counts(folder: Path) -> None:
    assert splits(folder, train="*.md") == {"notes.md": "train"}
    assert splits(folder, train="*.txt") == dict.fromkeys(("a-train.txt", "b.valid.txt", "deep/test.txt"), "train")


@pytest.mark.parametrize(
    ("patterns", "says"),
    [
        ({"train": "*.csv"}, r"`train: \*\.csv` names no file; there is:.*a-train\.txt"),
        ({"train": "*.txt", "test": "deep/*"}, r"test\.txt: is named by `train` and by `test`"),
        ({"val": "*.txt"}, "nothing to train on"),
    ],
)
def test_patterns_that_make_no_sense(patterns: dict[str, str], says: str, folder: Path) -> None:
    with pytest.raises(DatasetError, match=f"(?s){says}"):
        splits(folder, **patterns)


def test_a_folder_that_makes_no_sense(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)no \.csv; there is:\s+a-train"):
        text_files(folder, (".csv",), {})
    save(folder / "more.txt", "text")
    with pytest.raises(DatasetError, match=r"(?s)but not of these:\s+\S+more\.txt\s+name them with `train`"):
        splits(folder)
    for name in ("more.txt", "a-train.txt"):
        (folder / name).unlink()
    with pytest.raises(DatasetError, match=r"nothing to train on.*b\.valid\.txt \(val\)"):
        splits(folder)
