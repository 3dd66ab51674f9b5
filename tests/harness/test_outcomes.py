"""Outcomes come back as evaluations left them, from the kept file or from their own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from harness import outcomes
from harness.outcomes import gather, read
from harness.store import Store

RIGHT = np.random.default_rng(0).integers(0, 2, 37).astype(np.uint8)
REAL = np.random.default_rng(1).normal(size=37).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def _leave(store: Store, fingerprint: str, **tensors: NDArray[np.generic]) -> Path:
    folder = store.artifacts(fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / outcomes.FILE)
    return folder / outcomes.FILE


def _same(found: NDArray[np.generic] | None, expected: NDArray[np.generic]) -> bool:
    return found is not None and found.dtype == expected.dtype and np.array_equal(found, expected)


def test_what_was_left_is_read(store: Store) -> None:
    _leave(store, "f0", z=RIGHT, h=REAL)
    for _ in range(2):  # from its own file, then from the kept one
        found = gather(store, [("f0", "z"), ("f0", "h")])
        assert _same(found.of("f0", "z"), RIGHT)
        assert _same(found.of("f0", "h"), REAL)
    assert _same(read(store, "f0", "z"), RIGHT)


@pytest.mark.parametrize("size", [1, 7, 8, 9])
def test_answers_survive_packing(store: Store, size: int) -> None:
    _leave(store, "f0", z=RIGHT[:size])
    assert all(_same(gather(store, [("f0", "z")]).of("f0", "z"), RIGHT[:size]) for _ in range(2))


def test_what_is_not_there_is_none(store: Store) -> None:
    _leave(store, "f0", z=RIGHT)
    for _ in range(2):
        found = gather(store, [("f0", "other"), ("f1", "z")])
        assert found.of("f0", "other") is None
        assert found.of("f1", "z") is None
        assert found.of("f0", "z") is None, "it was not asked for"
    assert read(store, "f1", "z") is None


BAD = {
    "two axes": np.ones((3, 2), np.uint8),
    "empty": np.zeros(0, np.uint8),
    "other numbers": np.array([0, 2], np.uint8),
    "other type": np.array([0, 1], np.int64),
    "not finite": np.array([0, np.nan], np.float32),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_outcome_is_none(store: Store, bad: str) -> None:
    _leave(store, "f0", z=BAD[bad], h=RIGHT)
    assert read(store, "f0", "z") is None
    for _ in range(2):
        found = gather(store, [("f0", "z"), ("f0", "h")])
        assert found.of("f0", "z") is None
        assert _same(found.of("f0", "h"), RIGHT), "the other is still good"


@pytest.mark.parametrize("data", [b"", b"not tensors", b"\xff" * 100])
def test_a_corrupt_file_is_none(store: Store, data: bytes) -> None:
    _leave(store, "f0", z=RIGHT).write_bytes(data)
    assert read(store, "f0", "z") is None
    assert gather(store, [("f0", "z")]).of("f0", "z") is None


def test_kept_outcomes_are_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _leave(store, "f0", z=RIGHT)
    wanted = [("f0", "z"), ("f0", "other")]
    gather(store, wanted)
    monkeypatch.setattr(outcomes, "_read", lambda *_: pytest.fail("read again"))
    assert _same(gather(store, wanted).of("f0", "z"), RIGHT)


def test_new_ones_are_kept_beside_the_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for fingerprint in ("f0", "f1"):
        _leave(store, fingerprint, z=RIGHT)
        gather(store, [(fingerprint, "z")])
    monkeypatch.setattr(outcomes, "_read", lambda *_: pytest.fail("read again"))
    assert _same(gather(store, [("f0", "z")]).of("f0", "z"), RIGHT)


def test_a_changed_file_is_read_again(store: Store) -> None:
    path = _leave(store, "f0", z=RIGHT)
    gather(store, [("f0", "z")])
    before = path.stat()
    _leave(store, "f0", z=1 - RIGHT)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    assert _same(gather(store, [("f0", "z")]).of("f0", "z"), 1 - RIGHT)
    path.unlink()
    assert gather(store, [("f0", "z")]).of("f0", "z") is None


def test_a_kept_file_that_was_changed_is_not_trusted(store: Store) -> None:
    _leave(store, "f0", z=RIGHT)
    gather(store, [("f0", "z")])
    (kept,) = (store.root / "index").glob("outcomes-*")
    data = kept.read_bytes()
    kept.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    assert _same(gather(store, [("f0", "z")]).of("f0", "z"), RIGHT)


def test_nothing_wanted_nothing_kept(store: Store) -> None:
    gather(store, [])
    assert list((store.root / "index").iterdir()) == []
