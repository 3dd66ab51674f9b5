"""The store loses nothing, never shows half a record, and says in words why it cannot be used."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import durable, recordfile
from harness.record import SCHEMA_VERSION, Record
from harness.store import Store, StoreError
from tests.harness.made_records import cell, evaluation, failed, pretraining

V1 = Path(__file__).parent / "records_v1"
RECORD = evaluation(cell("a", 0))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(), json_values, max_size=4)
records = st.builds(
    Record,
    kind=st.sampled_from(["pretraining", "evaluation"]),
    fingerprint=st.text("0123456789abcdef", min_size=16, max_size=16),
    attempt=st.integers(1, 10**6),
    status=st.sampled_from(["ok", "failed"]),
    **{name: st.text() for name in ("suite", "cell", "label", "dataset", "started")},
    method=st.none() | st.text(),
    control=st.none() | st.text(),
    seed=st.integers(),
    seconds=st.floats(0, 1e9),
    **dict.fromkeys(("identity", "hardware", "git", "result"), mappings),
    versions=st.dictionaries(st.text(), st.text(), max_size=3),
    failure=st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
    schema=st.just(SCHEMA_VERSION),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


@settings(max_examples=50, deadline=None)
@given(record=records)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    name = recordfile.name_of(record)
    assert recordfile.decode(recordfile.encode(record), name) == record
    assert recordfile.parse_name(name) == (record.kind, record.fingerprint, record.attempt, record.status)


@settings(max_examples=50, deadline=None)
@given(record=records, share=st.floats(0, 1, exclude_max=True))
def test_no_prefix_of_a_record_is_a_record(record: Record, share: float) -> None:
    data = recordfile.encode(record).rstrip()
    with pytest.raises(recordfile.AlienFileError):
        recordfile.decode(data[: int(len(data) * share)], recordfile.name_of(record))


def test_written_records_are_found_again(store: Store) -> None:
    done, broken = evaluation(cell("a", 0)), failed(evaluation(cell("a", 1)))
    store.write(done)
    store.write(broken)
    assert sorted(store.records(), key=lambda record: record.seed) == [done, broken]
    assert store.finished() == {done.fingerprint}
    assert store.attempts(broken.fingerprint) == 1
    assert store.attempts("0" * 16) == 0
    assert sorted(store.record_names()) == sorted(map(recordfile.name_of, (done, broken)))


def test_a_record_is_never_replaced(store: Store) -> None:
    first, second = evaluation(cell("a", 0), 0.25), evaluation(cell("a", 0), 0.75)
    assert store.write(first).attempt == 1
    assert store.write(second).attempt == 2
    assert store.write(first).attempt == 1  # equal in everything: nothing to do
    assert store.write(failed(first)).attempt == 3
    assert [record.result for record in store.records() if record.status == "ok"] == [first.result, second.result]
    assert store.finished() == {first.fingerprint}
    assert store.attempts(first.fingerprint) == 3


def test_where_links_are_unknown_a_record_is_still_never_replaced(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    path = store.record_folder / "x"
    assert durable.write_once(path, b"first")
    assert not durable.write_once(path, b"second")
    assert path.read_bytes() == b"first"
    (store.record_folder / "y").write_bytes(b"copied from elsewhere, without its claim")
    assert not durable.write_once(store.record_folder / "y", b"mine")
    assert store.write(evaluation(cell("a", 0), 0.25)).attempt == 1
    assert store.write(evaluation(cell("a", 0), 0.75)).attempt == 2
    assert len(list(store.records())) == 2


def test_what_is_not_plain_data_is_refused_and_nan_becomes_null(store: Store) -> None:
    with pytest.raises(TypeError, match=r"result\.curve\[0\] is not plain data but complex"):
        store.write(dataclasses.replace(RECORD, result={"curve": [1j]}))
    with pytest.raises(ValueError, match="could read"):
        store.write(dataclasses.replace(RECORD, seconds=float("nan")))
    with pytest.raises(ValueError, match="not a name"):
        store.write(dataclasses.replace(RECORD, fingerprint="a-b"))
    assert store.write(dataclasses.replace(RECORD, result={"loss": float("nan")})).attempt == 1
    assert [record.result for record in store.records()] == [{"loss": None}]


WRITER = """
import sys
from pathlib import Path
from harness.record import Record
from harness.store import Store
store = Store.open(Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    number += 1
    store.write(Record(kind="evaluation", fingerprint=f"{number:016x}", status="ok", suite="s", cell="c", label="l",
        method=None, dataset="d", seed=0, control=None, identity={}, started="", seconds=0.0,
        result={"long": ["x" * 1000] * 500}))
"""


def _python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def test_a_record_torn_by_sigkill_is_never_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Writers of half-megabyte records are killed at random moments; every record that is there is whole."""
    store, chance = Store.open(tmp_path), random.Random(0)
    for _ in range(3):
        writers = [(_python(WRITER, str(tmp_path)), chance.uniform(0.01, 0.1)) for _ in range(4)]
        for writer, delay in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            killer = threading.Timer(delay, writer.send_signal, [signal.SIGKILL])
            killer.start()
        for writer, _ in writers:
            writer.communicate()
            assert writer.returncode == -signal.SIGKILL
    read = list(store.records())
    torn = len(list(store.record_folder.glob(f"{durable.TEMPORARY}*")))
    assert torn > 0, "no writer was killed in the middle: the test shows nothing"
    assert not caplog.records
    assert len(read) == len(store.record_names()) > 0
    assert all(record.result == {"long": ["x" * 1000] * 500} for record in read)


def _write_many(root: Path, writer: int, shared: bool) -> None:
    store = Store.open(root)
    for seed in range(50):
        store.write(evaluation(cell("shared" if shared else f"writer{writer}", seed), value=writer / 10))


@pytest.mark.parametrize("shared", [False, True])
def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path, shared: bool) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(tmp_path, writer, shared)) for writer in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    store = Store.open(tmp_path)
    assert len(list(store.records())) == 100
    assert len(store.finished()) == (50 if shared else 100)
    if shared:
        assert {store.attempts(fingerprint) for fingerprint in store.finished()} == {2}


def test_leftovers_are_ignored_and_removed_once_old(store: Store) -> None:
    old, young = (store.record_folder / f"{durable.TEMPORARY}{age}" for age in ("old", "young"))
    for path in (old, young):
        path.write_bytes(recordfile.encode(RECORD)[:100])
    os.utime(old, (1.0, 1.0))
    assert not list(store.records())
    assert not store.finished()
    Store.open(store.root)
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (recordfile.encode(RECORD)[:-30], "not whole JSON"),
        (b"[]", "not a record"),
        (b'{"schema": 1}', "lacks cell"),
        (recordfile.encode(RECORD).replace(b'"seed":0', b'"seed":"0"'), "seed is '0'"),
        (recordfile.encode(dataclasses.replace(RECORD, attempt=2)), "belongs in"),
        (
            recordfile.encode(RECORD).replace(b'"schema":1', b'"schema":999,"new":1'),
            "newer harness.*schema 999.*upgrade",
        ),
    ],
)
def test_alien_files_are_named_and_skipped(
    store: Store, content: bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = store.write(evaluation(cell("b", 0)))
    name = recordfile.name_of(RECORD)
    (store.record_folder / name).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert list(store.records()) == [good]
    assert name in caplog.text
    assert re.search(message, caplog.text)


def test_unknown_fields_of_the_same_schema_are_left_alone(store: Store) -> None:
    fields = {**json.loads(recordfile.encode(RECORD)), "mood": "good"}
    (store.record_folder / recordfile.name_of(RECORD)).write_text(json.dumps(fields))
    assert list(store.records()) == [RECORD]


def test_records_of_the_first_schema_are_still_read() -> None:
    found = [recordfile.read(path) for path in sorted(V1.glob("*.json"))]
    assert [(record.kind, record.status, record.attempt) for record in found] == [
        ("evaluation", "ok", 1),
        ("evaluation", "ok", 1),
        ("evaluation", "failed", 1),
        ("evaluation", "ok", 2),
        ("pretraining", "ok", 1),
    ]
    assert found[-1].result["proof"]["held_out_final"] == 61.5
    assert found[2].failure == {"class": "lost", "message": "the worker died", "traceback": ""}


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(StoreError, match=r"runs is a file, not a folder; name another with --store"):
        Store.open(tmp_path / "runs")
    with pytest.raises(StoreError, match="is a file, not a folder"):
        Store.open(tmp_path / "runs" / "deeper")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system where nobody can create a folder")
def test_a_store_where_nothing_can_be_created() -> None:
    with pytest.raises(StoreError, match=r"/proc/runs.*name another with --store"):
        Store.open(Path("/proc/runs"))


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EROFS, "is read-only .*mount it writable"),
        (errno.EACCES, "no permission .*change its permissions"),
        (errno.ENOSPC, "the disk is full.*make room"),
        (errno.EIO, "cannot be used: .*name another"),
    ],
)
def test_a_store_that_cannot_be_written_says_why(
    store: Store, number: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number), str(path))
        return really(path, flags, *rest, **more)

    really = os.open
    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(StoreError, match=message):
        store.write(RECORD)
    with pytest.raises(StoreError, match=message):
        store.put_json(store.progress("ab"), {})


def test_a_store_that_cannot_be_read_says_why(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(StoreError, match="no permission to use the store"):
        Store.open(store.root)


def _mounted(folder: Path, options: str) -> bool:
    folder.mkdir(exist_ok=True)
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True).returncode
        == 0
    )


def test_a_full_disk_and_a_read_only_one_lose_nothing(tmp_path: Path) -> None:
    if not _mounted(tmp_path / "small", "size=256k"):
        pytest.skip("mounting is not permitted here")
    try:
        store = Store.open(tmp_path / "small" / "runs")
        kept = [store.write(evaluation(cell("a", seed))) for seed in range(5)]
        large = dataclasses.replace(RECORD, fingerprint="f" * 16, result={"x": "x" * 10**6})
        with pytest.raises(StoreError, match=r"the disk is full.*make room, then run the same command again"):
            store.write(large)
        assert sorted(record.seed for record in store.records()) == [record.seed for record in kept]
        assert not list(store.record_folder.glob(".*"))
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "small")], check=True)
        with pytest.raises(StoreError, match="read-only"):
            Store.open(store.root)
        assert len(list(Store.open(store.root, write=False).records())) == 5
    finally:
        subprocess.run(["umount", str(tmp_path / "small")], check=True)


def test_looking_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        Store.open(tmp_path / "runs", write=False)
    assert not (tmp_path / "runs").exists()


def test_json_is_replaced_at_once(store: Store) -> None:
    path = store.progress("ab")
    assert store.get_json(path) is None
    store.put_json(path, {"step": 1})
    store.put_json(path, {"step": 2})
    assert store.get_json(path) == {"step": 2}
    assert list(path.parent.iterdir()) == [path]
    path.write_text('{"step"')
    assert store.get_json(path) is None


def test_paths_stay_inside_the_store(store: Store) -> None:
    assert store.log("sdae.untrained/rectangles/0").name == "sdae.untrained--rectangles--0.log"
    for path in (
        store.artifacts("ab"),
        store.checkpoints("ab"),
        store.progress("ab"),
        store.log("a/b/0"),
        store.plan("q"),
    ):
        assert path.parent.parent == store.root
        assert path.parent.is_dir()


def test_pretraining_and_evaluation_of_one_fingerprint_do_not_meet(store: Store) -> None:
    trained = pretraining(cell("a", 0))
    store.write(trained)
    store.write(dataclasses.replace(RECORD, fingerprint=trained.fingerprint))
    assert len(list(store.records())) == 2
