from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.datasets import DatasetError, SplitName, Task, Writer
from harness.datasets.cache import Materialised, default_cache, materialise, open_dataset
from harness.plan import DatasetChoice
from methods import Source, Spec
from tests.harness.datasets.toys import SENTENCES, Broken, Documents, ToyConfig

RECTANGLES = DatasetChoice(name="rectangles", version=1, config={"train": 20, "val": 4, "test": 10})


def documents(cache: Path) -> Materialised:
    return materialise(Documents(ToyConfig()), cache)


def test_every_kind_of_column_comes_back(tmp_path: Path) -> None:
    split = documents(tmp_path).split("val")
    text, weight, groups = split.source.columns["text"], split.source.columns["weight"], split.source.groups
    assert [text.row(index).tobytes() for index in range(4)] == SENTENCES
    assert torch.equal(weight.take(torch.arange(4)), torch.arange(12.0).reshape(4, 3))
    assert groups is not None
    assert groups.take(torch.arange(4)).tolist() == [7, 7, 8, 9]
    assert split.labels("topic").tolist() == [0, 1, 0, 1]
    assert len(split.source) == 4
    with pytest.raises(DatasetError, match=r"no task 'topics'.*\['topic'\]"):
        split.labels("topics")


def test_the_source_leads_to_no_label(tmp_path: Path) -> None:
    source: Source = open_dataset(RECTANGLES, tmp_path).split("train").source
    seen, todo = set(), [source]
    while todo:
        thing: Any = todo.pop()
        if id(thing) in seen or isinstance(thing, type) or callable(thing):
            continue
        seen.add(id(thing))
        assert "labels" not in repr(thing)
        assert "labels" not in str(getattr(thing, "filename", ""))
        if type(thing).__module__.startswith(("harness", "methods", "numpy", "builtins", "pathlib")):
            todo += gc.get_referents(thing)
    assert len(seen) > 5


def test_a_mapped_row_cannot_be_written(tmp_path: Path) -> None:
    row = open_dataset(RECTANGLES, tmp_path).split("train").source.columns["image"].row(0)
    with pytest.raises(ValueError, match="read-only"):
        row[:] = 0


def test_it_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = documents(tmp_path)
    monkeypatch.setattr(Documents, "write", None)
    assert documents(tmp_path) == first
    assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".lock"]


def test_another_configuration_is_another_folder(tmp_path: Path) -> None:
    other = DatasetChoice(name="rectangles", version=1, config={**RECTANGLES.config, "train": 22})
    assert open_dataset(RECTANGLES, tmp_path).folder != open_dataset(other, tmp_path).folder


@pytest.mark.parametrize("damage", ["truncate", "delete", "meta"])
def test_a_damaged_folder_is_named_and_written_again(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = documents(tmp_path)
    path = whole.folder / ("meta.json" if damage == "meta" else "inputs/val/weight.npy")
    if damage == "delete":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size - 9)
    again = documents(tmp_path)
    assert again == whole
    assert str(path) in caplog.text
    again.verify()
    assert again.split("val").source.columns["weight"].row(3).tolist() == [9, 10, 11]
    assert sorted(entry.suffix for entry in tmp_path.iterdir()) == ["", ".lock"]


def test_verify_finds_one_flipped_bit(tmp_path: Path) -> None:
    whole = documents(tmp_path)
    path = whole.folder / "labels/test/topic.npy"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=f"{path} has changed"):
        whole.verify()


def write_and_say(cache: Path, said: Connection, hold: bool) -> None:
    """In a process of its own: write the documents; if `hold`, stop in the middle until killed."""
    if hold:
        write = Documents.write

        def held(self: Documents, split: SplitName, writer: Writer) -> None:
            write(self, split, writer)
            said.send("writing")
            signal.pause()

        Documents.write = held  # type: ignore[method-assign]
    said.send(documents(cache).digest)


def started(cache: Path, *, hold: bool) -> tuple[BaseProcess, Connection]:
    # Forked: a fresh interpreter would take seconds to import torch, and writing documents needs no threads.
    processes = multiprocessing.get_context("fork")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=write_and_say, args=(cache, theirs, hold))
    process.start()
    return process, ours


def test_others_wait_for_the_writer_and_go_on_when_it_is_killed(tmp_path: Path) -> None:
    writer, said = started(tmp_path, hold=True)
    assert said.recv() == "writing"
    (draft,) = tmp_path.glob("*.tmp")
    waiting = [started(tmp_path, hold=False) for _ in range(2)]
    assert not any(answer.poll(0.2) for _, answer in waiting), "it did not wait"
    assert draft.exists()
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    digests = {answer.recv() for _, answer in waiting}
    for process, _ in waiting:
        process.join()
        assert process.exitcode == 0
    whole = documents(tmp_path)
    whole.verify()
    assert digests == {whole.digest}
    assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".lock"]


def test_without_locks_one_rename_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr("harness.datasets._lock.fcntl.flock", refuse)
    write, depth = Documents.write, []

    def overtaken(self: Documents, split: SplitName, writer: Writer) -> None:
        if not depth:
            depth.append(split)
            documents(tmp_path)  # another process writes the same, whole, while this one is under way
        write(self, split, writer)

    monkeypatch.setattr(Documents, "write", overtaken)
    documents(tmp_path).verify()
    assert depth == ["train"]
    assert not list(tmp_path.glob("*.tmp"))


def test_a_full_disk_is_said_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.datasets._writer.os.fsync", full)
    with pytest.raises(DatasetError, match=r"'documents' to the cache .*: the disk is full; .*HARNESS_CACHE"):
        documents(tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_cache_that_is_no_folder_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"cannot write dataset 'documents' to the cache .*HARNESS_CACHE"):
        documents(tmp_path / "file" / "cache")


def test_a_read_only_cache_serves_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = documents(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert documents(tmp_path) == whole
    with pytest.raises(DatasetError, match="Read-only file system"):
        open_dataset(RECTANGLES, tmp_path)


def no_text(writer: Writer) -> None:
    writer.dense("weight", np.zeros((4, 3)))
    writer.groups(np.zeros(4, np.int64))
    writer.labels("topic", np.zeros(4, np.int64))


def no_groups(writer: Writer) -> None:
    writer.ragged("text", [np.zeros(1, np.uint8)] * 4)
    writer.labels("topic", np.zeros(4, np.int64))


def no_labels(writer: Writer) -> None:
    writer.ragged("text", [np.zeros(1, np.uint8)] * 4)
    writer.groups(np.zeros(4, np.int64))


def too_few(writer: Writer) -> None:
    writer.ragged("text", [np.zeros(1, np.uint8)] * 3)
    writer.groups(np.zeros(3, np.int64))
    writer.labels("topic", np.zeros(3, np.int64))


def rows_mismatch(writer: Writer) -> None:
    writer.ragged("text", [np.zeros(1, np.uint8)] * 4)
    writer.dense("weight", np.zeros((5, 3)))


def not_finite(writer: Writer) -> None:
    writer.dense("weight", np.array([[0.0], [1.0], [np.nan], [3.0]]))


def twice(writer: Writer) -> None:
    writer.dense("weight", np.zeros(4))
    writer.dense("weight", np.zeros(4))


def pickled(writer: Writer) -> None:
    writer.dense("weight", np.array([object()] * 4))


def out_of_range(writer: Writer) -> None:
    writer.labels("topic", np.array([0, 1, 2, 0]))


def unknown_task(writer: Writer) -> None:
    writer.labels("topics", np.zeros(4, np.int64))


def strange_name(writer: Writer) -> None:
    writer.dense("../weight", np.zeros(4))


def lost_file(writer: Writer) -> None:
    raise FileNotFoundError(errno.ENOENT, "No such file or directory", "corpus.txt")


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (no_text, r"column 'text': is missing"),
        (no_groups, r"groups: the spec says groups=True"),
        (no_labels, r"labels: none were written for \['topic'\]"),
        (too_few, r"has 3 examples, but its spec says 4"),
        (rows_mismatch, r"column 'weight': 5 rows, where the column before has 4"),
        (not_finite, r"inputs 'weight': row 2 holds a value that is not finite"),
        (twice, r"inputs 'weight': was written twice"),
        (pickled, r"inputs 'weight': dtype object is not a plain number"),
        (out_of_range, r"labels of task 'topic': lie in 0..2, but there are 2 classes"),
        (unknown_task, r"there is no such task; there are \['topic'\]"),
        (strange_name, r"the name must consist of letters"),
        (lost_file, r"cannot be read: .*corpus.txt"),
    ],
)
def test_a_dataset_that_breaks_the_contract_is_told_where(
    write: Callable[[Writer], None], says: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=rf"dataset 'broken', split 'train'.*{says}"):
        materialise(Broken(write), tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_an_image_column_must_be_as_the_spec_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.datasets.rectangles.outlines", lambda boxes, side: np.zeros((len(boxes), side)))
    with pytest.raises(DatasetError, match=r"split 'train', column 'image': is <f8 \[20, 28\], but must be"):
        open_dataset(RECTANGLES, tmp_path)


class Sounds(Broken):
    """Two recordings, where the spec is right but for what a test says."""

    rate = 8000

    @property
    def spec(self) -> Spec:
        return Spec(modality="audio", shape=(), size=2, rate=self.rate)

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {}


def integers(writer: Writer) -> None:
    writer.ragged("audio", [np.zeros(5, np.int16)] * 2)


def stereo(writer: Writer) -> None:
    writer.ragged("audio", [np.zeros((5, 2), np.float32)] * 2)


def not_ragged(writer: Writer) -> None:
    writer.dense("audio", np.zeros((2, 5), np.float32))


@pytest.mark.parametrize("write", [integers, stereo, not_ragged])
def test_audio_is_rows_of_samples(write: Callable[[Writer], None], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"column 'audio': is .*, but must be ragged rows of samples \(float32\)"):
        materialise(Sounds(write), tmp_path)


def test_audio_says_its_rate(tmp_path: Path) -> None:
    sounds = Sounds(lambda writer: writer.ragged("audio", [np.zeros(5, np.float32)] * 2))
    sounds.rate = 0
    with pytest.raises(DatasetError, match=r"column 'audio': its spec gives a rate of 0 samples a second"):
        materialise(sounds, tmp_path)


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (DatasetChoice(name="rectangle", version=1, config={}), "no dataset 'rectangle'; there are .*rectangles"),
        (DatasetChoice(name="rectangles", version=0, config={}), "planned in version 0, but version 1"),
        (DatasetChoice(name="rectangles", version=1, config={"sides": 4}), "does not fit: .*sides"),
        (DatasetChoice(name="rectangles", version=1, config={"train": 0}), "does not fit: train: 0 examples"),
        (DatasetChoice(name="rectangles", version=1, config={}, content={"file": "a"}), "not those that were planned"),
    ],
)
def test_a_choice_that_cannot_be_met_is_refused(choice: DatasetChoice, says: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=says):
        open_dataset(choice, tmp_path)


def test_the_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("HARNESS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_cache() == tmp_path / "xdg" / "harness"
