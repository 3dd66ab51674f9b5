"""A kept frame comes back as it was, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from harness.kept_frame import KeptFrame

FRAME = pl.DataFrame({"a": [1, 2], "b": ["x", None]})


@pytest.fixture
def kept(tmp_path: Path) -> KeptFrame:
    return KeptFrame(folder=tmp_path / "index", name="made", version="v1", schema=FRAME.schema)


def test_what_is_saved_is_loaded(kept: KeptFrame) -> None:
    assert kept.load() is None
    kept.save(FRAME.head(1))
    kept.save(FRAME)
    loaded = kept.load()
    assert loaded is not None
    assert loaded.equals(FRAME)
    assert len(list(kept.folder.iterdir())) == 1


def test_frames_of_other_names_stay(kept: KeptFrame) -> None:
    other = replace(kept, name="other")
    other.save(FRAME)
    kept.save(FRAME)
    assert other.load() is not None


def test_another_version_is_not_read_and_goes_with_the_next_save(kept: KeptFrame) -> None:
    kept.save(FRAME)
    newer = replace(kept, version="v2")
    assert newer.load() is None
    newer.save(FRAME)
    assert kept.load() is None
    assert newer.load() is not None


def test_what_a_killed_writer_left_goes_with_the_next_save(kept: KeptFrame) -> None:
    kept.folder.mkdir()
    (kept.folder / ".made-0123").write_bytes(b"half")
    kept.save(FRAME)
    assert [path.suffix for path in kept.folder.iterdir()] == [".parquet"]


def test_a_frame_that_was_changed_is_not_read(kept: KeptFrame) -> None:
    kept.save(FRAME)
    (path,) = kept.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    assert kept.load() is None


def test_a_folder_that_cannot_be_written_is_no_failure(kept: KeptFrame) -> None:
    kept.folder.write_text("a file")
    kept.save(FRAME)
    assert kept.load() is None
