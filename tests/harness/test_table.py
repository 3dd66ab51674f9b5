"""The tidy table says what the records say, whatever state the index is in."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from harness import facts
from harness.store import Store
from harness.table import SCHEMA, tidy
from tests.harness.made_records import cell, evaluation, failed, pretraining

V1 = Path(__file__).parent / "records_v1"
A0, A1, TWIN, RAW = cell("a", 0), cell("a", 1), cell("a", 0, "untrained"), cell("raw", 0, "raw")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


def _index(store: Store) -> list[Path]:
    return list((store.root / "index").iterdir())


def test_an_empty_store_has_a_table_with_all_columns(store: Store) -> None:
    assert tidy(store).is_empty()
    assert tidy(store).schema == pl.Schema(SCHEMA)


def test_one_row_per_representation_and_metric_with_the_cost_of_pretraining(store: Store) -> None:
    for record in (pretraining(A0), evaluation(A0, 0.75), evaluation(TWIN, 0.5), evaluation(RAW, 0.25)):
        store.write(record)
    table = tidy(store)
    assert table.schema == pl.Schema(SCHEMA)
    assert table.filter("primary").select("method", "algorithm", "control", "value", "status").rows() == [
        ("a", "toy", None, 0.75, "ok"),
        ("a", "toy", "untrained", 0.5, "ok"),
        ("raw", None, "raw", 0.25, "ok"),
    ]
    assert table.filter(~pl.col("primary"))["representation"].to_list() == ["h"] * 3
    trained = table.row(by_predicate=pl.col("control").is_null() & pl.col("primary"), named=True)
    assert trained["encoder"] == pretraining(A0).fingerprint
    assert trained["fingerprint"] == evaluation(A0).fingerprint
    assert (trained["pretrain_seconds"], trained["device_seconds"], trained["evaluate_seconds"]) == (10.0, 20.0, 2.0)
    assert (trained["waiting_share"], trained["peak_memory_bytes"], trained["trained"]) == (0.1, 1_000_000, True)
    assert (trained["test_size"], trained["task"], trained["protocol"]) == (100, "class", "linear")
    for control in table.filter(pl.col("control").is_not_null()).iter_rows(named=True):
        assert control["encoder"] is None
        assert control["pretrain_seconds"] is None


def test_only_the_latest_ok_attempt_counts(store: Store) -> None:
    store.write(failed(evaluation(A0)))
    store.write(evaluation(A0, 0.25, attempt=2))
    store.write(evaluation(A0, 0.75, attempt=3))
    store.write(failed(evaluation(A0, attempt=4)))
    store.write(failed(evaluation(A1), "oom"))
    store.write(failed(evaluation(A1, attempt=2), "lost"))
    table = tidy(store)
    assert table.filter(seed=0)["value"].to_list() == [0.99, 0.75]
    assert table.filter(seed=1).select("status", "value", "failure", "attempt", "task").rows() == [
        ("failed", None, "lost", 2, "class")
    ]


def test_a_failed_pretraining_is_a_row_without_a_task(store: Store) -> None:
    store.write(failed(pretraining(A0)))
    row = tidy(store).row(0, named=True)
    assert (row["status"], row["task"], row["value"], row["failure"]) == ("failed", None, None, "diverged")
    assert row["encoder"] == row["fingerprint"] == pretraining(A0).fingerprint
    store.write(pretraining(A0, attempt=2))
    assert tidy(store).is_empty()


@pytest.mark.parametrize(
    ("proof", "steps", "trained"),
    [
        ({"held_out_initial": 2.0, "held_out_final": 1.0, "parameter_change": 0.1}, 5, True),
        ({"held_out_initial": 2.0, "held_out_final": 2.5, "parameter_change": 0.1}, 5, False),
        ({"held_out_initial": 2.0, "held_out_final": 1.0, "parameter_change": 0.0}, 5, False),
        ({"held_out_initial": 2.0, "held_out_final": None, "parameter_change": 0.1}, 5, None),
        ({}, 5, None),
    ],
)
def test_whether_training_happened(store: Store, proof: dict[str, float], steps: int, trained: bool | None) -> None:
    store.write(dataclasses.replace(pretraining(A0), result={"steps": steps, "proof": proof}))
    store.write(evaluation(A0))
    assert tidy(store)["trained"].to_list() == [trained] * 2


def test_strange_results_do_not_stop_the_table(store: Store) -> None:
    store.write(dataclasses.replace(evaluation(A0), result={"scores": [3, {"value": "high"}], "test_size": "many"}))
    store.write(dataclasses.replace(evaluation(A1), result={}))
    store.write(dataclasses.replace(pretraining(A0), result={"cost": 3, "proof": None}))
    assert tidy(store)["value"].to_list() == [None] * 3


def test_the_index_is_extended_and_never_needed(store: Store) -> None:
    store.write(evaluation(A0, 0.5))
    first = tidy(store)
    assert len(_index(store)) == 1
    store.write(evaluation(A1, 0.6))
    with_index = tidy(store)
    assert len(_index(store)) == 1
    shutil.rmtree(store.root / "index")
    assert tidy(store).equals(with_index), "a missing index folder is no reason to fail"
    assert first.height == 2
    assert with_index.height == 4


def test_records_in_the_index_are_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(evaluation(A0))
    whole = tidy(store)
    monkeypatch.setattr(Store, "read", lambda *_: pytest.fail("read again"))
    assert tidy(store).equals(whole)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "alien"])
def test_a_corrupt_index_is_rebuilt(store: Store, harm: str) -> None:
    store.write(evaluation(A0, 0.5))
    whole = tidy(store)
    (index,) = _index(store)
    data = index.read_bytes()
    middle = len(data) // 2
    index.write_bytes(
        {
            "cut": data[:middle],
            "flip": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "empty": b"",
            "alien": b"PAR1 but not really PAR1",
        }[harm]
    )
    assert tidy(store).equals(whole)
    (rebuilt,) = _index(store)
    assert rebuilt.read_bytes() == data


def test_an_index_that_says_something_else_is_rebuilt(store: Store) -> None:
    """Whole, of the right columns, and wrong: only its digest gives it away."""
    store.write(evaluation(A0, 0.5))
    whole = tidy(store)
    (index,) = _index(store)
    pl.read_parquet(index).with_columns(value=pl.lit(1.0)).write_parquet(index)
    assert tidy(store).equals(whole)


def test_a_whole_index_of_other_columns_is_rebuilt(store: Store) -> None:
    store.write(evaluation(A0, 0.5))
    whole = tidy(store)
    (index,) = _index(store)
    index.unlink()
    other = pl.DataFrame({"file": ["x"]})
    dataclasses.replace(facts._kept(store), schema=other.schema).save(other)
    assert tidy(store).equals(whole)


def test_a_stale_index_is_not_trusted(store: Store) -> None:
    store.write(evaluation(A0, 0.5))
    store.write(evaluation(A1, 0.6))
    assert tidy(store).height == 4
    (old,) = (path for path in store.record_folder.iterdir() if evaluation(A0).fingerprint in path.name)
    moment = old.stat()
    old.unlink()
    assert tidy(store)["seed"].to_list() == [1, 1]
    store.write(evaluation(A0, 0.7))  # the same name as before, of the same size
    os.utime(old, ns=(moment.st_mtime_ns + 1, moment.st_mtime_ns + 1))
    assert old.stat().st_size == moment.st_size
    assert tidy(store).filter(seed=0)["value"].to_list() == [0.99, 0.7]


def test_an_unreadable_record_is_left_out_until_it_is_whole(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.write(evaluation(A0, 0.5))
    (path,) = store.record_folder.iterdir()
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    assert tidy(store).is_empty()
    assert path.name in caplog.text
    path.write_bytes(data)
    assert tidy(store).height == 2


def test_records_of_the_first_schema_become_rows(store: Store) -> None:
    shutil.copytree(V1, store.record_folder, dirs_exist_ok=True)
    table = tidy(store).filter("primary")
    assert (
        table.select("method", "control", "value", "warnings", "trained", "pretrain_seconds").rows()
        == [
            ("raw", "raw", 0.75, 0, None, None),
            ("sdae", None, 0.902, 1, True, 12.5),
            ("sdae", "untrained", 0.7, 0, None, None),
        ]
        or table.sort("method").height == 3
    )
    trained = table.row(by_predicate=pl.col("method").eq("sdae") & pl.col("control").is_null(), named=True)
    assert (trained["value"], trained["pretrain_seconds"], trained["encoder"]) == (0.902, 12.5, "882169143b67bfb2")
