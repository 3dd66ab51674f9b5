"""The board's numbers against independent ones, and its four kinds of nothing."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.stats
from rich.console import Console

from harness.board_formats import FORMATS, render, show
from harness.leaderboard import MIXED, NOT_BETTER, SCHEMA, WITHIN_NOISE, Board, leaderboard
from harness.plan import NotApplicable
from harness.record import Record
from harness.store import Store
from harness.table import tidy
from tests.harness.made_records import cell, evaluation, failed, plan, pretraining

GOOD, WEAK = [0.90, 0.92, 0.97], [0.70, 0.60, 0.65]
UNTRAINED = [0.71, 0.72, 0.70]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


def _write(store: Store, *records: Record) -> None:
    for record in records:
        store.write(record)


def _fill(store: Store, label: str, values: list[float], control: str | None = None, metric: str = "accuracy") -> None:
    for seed, value in enumerate(values):
        one = cell(label, seed, control)  # type: ignore[arg-type]
        _write(store, evaluation(one, value, metric=metric))
        if control is None:
            _write(store, pretraining(one))


@pytest.fixture
def full(store: Store) -> Store:
    _fill(store, "good", GOOD)
    _fill(store, "good", UNTRAINED, "untrained")
    _fill(store, "weak", WEAK)
    _fill(store, "weak", UNTRAINED, "untrained")
    _fill(store, "raw", [0.8], "raw")
    return store


def _row(board: Board, method: str, control: str | None = None) -> dict[str, object]:
    rows = board.rows.filter(pl.col("method") == method, pl.col("control").eq_missing(pl.lit(control)))
    assert rows.height == 1
    return rows.row(0, named=True)


def test_means_intervals_and_ranks(full: Store) -> None:
    board = leaderboard(tidy(full))
    assert board.rows.schema == pl.Schema(SCHEMA)
    assert board.rows.select("rank", "method", "control").rows() == [
        (1, "good", None),
        (None, "raw", "raw"),
        (None, "good", "untrained"),
        (None, "weak", "untrained"),
        (2, "weak", None),
    ]
    good = _row(board, "good")
    low, high = scipy.stats.t.interval(0.95, 2, np.mean(GOOD), scipy.stats.sem(GOOD))
    assert (good["value"], good["low"], good["high"]) == pytest.approx((np.mean(GOOD), low, high))
    assert (good["interval"], good["seeds"], good["representation"]) == ("seeds", 3, "z")
    narrow = leaderboard(tidy(full), confidence=0.5)
    low, high = scipy.stats.t.interval(0.5, 2, np.mean(GOOD), scipy.stats.sem(GOOD))
    assert (_row(narrow, "good")["low"], _row(narrow, "good")["high"]) == pytest.approx((low, high))


def test_a_deterministic_row_carries_the_interval_of_its_test_sample(full: Store) -> None:
    raw = _row(leaderboard(tidy(full)), "raw", "raw")
    assert raw["interval"] == "test sample"
    assert 0.70 < raw["low"] < 0.75 < 0.8 < 0.85 < raw["high"] < 0.90  # type: ignore[operator]


def test_a_metric_that_is_no_proportion_gets_no_binomial_interval(store: Store) -> None:
    _fill(store, "a", [0.5], metric="f1")
    row = _row(leaderboard(tidy(store)), "a")
    assert (row["value"], row["low"], row["interval"]) == (0.5, None, "none")


def test_a_mean_over_examples_has_an_interval_from_their_outcomes(store: Store) -> None:
    _fill(store, "raw", [0.5], metric="J", control="raw")
    outcomes = np.random.default_rng(0).uniform(size=100).astype(np.float32)
    board = leaderboard(tidy(store), outcomes=lambda wanted: lambda fingerprint, representation: outcomes)
    row = _row(board, "raw", "raw")
    low, high = scipy.stats.t.interval(0.95, 99, 0.5, scipy.stats.sem(outcomes.astype(float)))
    assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-5)
    assert row["interval"] == "test sample"


def test_the_advantage_over_the_untrained_twin_is_paired_by_seed(full: Store) -> None:
    board = leaderboard(tidy(full))
    differences = np.subtract(GOOD, UNTRAINED)
    low, high = scipy.stats.t.interval(0.95, 2, differences.mean(), scipy.stats.sem(differences))
    good, weak = _row(board, "good"), _row(board, "weak")
    assert (good["delta"], good["delta_low"], good["delta_high"]) == pytest.approx((differences.mean(), low, high))
    assert good["flags"] == []
    assert weak["flags"] == [NOT_BETTER]
    assert _row(board, "raw", "raw")["delta"] is None
    assert _row(board, "good", "untrained")["delta"] is None


def test_an_advantage_within_the_noise_is_said_to_be_so(store: Store) -> None:
    _fill(store, "a", [0.9, 0.5, 0.7])
    _fill(store, "a", [0.6, 0.6, 0.6], "untrained")
    assert _row(leaderboard(tidy(store)), "a")["flags"] == [WITHIN_NOISE]


def test_where_lower_is_better_all_turns_round(store: Store) -> None:
    _fill(store, "good", [0.1, 0.12], metric="loss")
    _fill(store, "weak", [0.9, 0.92], metric="loss")
    for label in ("good", "weak"):
        _fill(store, label, [0.5, 0.51], "untrained", metric="loss")
    board = leaderboard(tidy(store))
    assert board.rows.filter(pl.col("control").is_null()).select("method", "rank").rows() == [("good", 1), ("weak", 2)]
    assert _row(board, "good")["flags"] == []
    assert _row(board, "weak")["flags"] == [NOT_BETTER]


def test_equal_values_share_a_rank(store: Store) -> None:
    for label, value in (("a", 0.5), ("b", 0.5), ("c", 0.4)):
        _fill(store, label, [value, value])
    assert leaderboard(tidy(store)).rows.select("method", "rank").rows() == [("a", 1), ("b", 1), ("c", 3)]


def test_only_the_ranked_representation_is_on_the_board(full: Store) -> None:
    assert leaderboard(tidy(full)).rows["representation"].unique().to_list() == ["z"]


def test_what_fails_is_skipped_is_missing_or_does_not_apply_are_four_things(store: Store) -> None:
    cells = [cell("a", seed) for seed in range(5)] + [cell("b", 0), cell("c", 0, on="digits")]
    ok, broken, unencoded, missing, untrained, *_ = cells
    _write(store, pretraining(ok), evaluation(ok, 0.6))
    _write(store, pretraining(broken), failed(evaluation(broken), "bad_data"))
    _write(store, failed(pretraining(unencoded), "diverged"))
    _write(store, pretraining(missing))
    still = {"steps": 9, "proof": {"held_out_initial": 1.0, "held_out_final": 1.5, "parameter_change": 0.1}}
    _write(store, dataclasses.replace(pretraining(untrained), result=still), evaluation(untrained, 0.99))
    refused = NotApplicable(label="bert", dataset="digits", reason="needs text")
    board = leaderboard(tidy(store), plan(*cells, not_applicable=(refused,)))
    a = _row(board, "a")
    assert {name: a[name] for name in ("planned", "seeds", "failed", "skipped", "missing")} == {
        "planned": 5,
        "seeds": 1,
        "failed": 2,
        "skipped": 1,
        "missing": 1,
    }
    assert a["flags"] == [
        "did not train",
        "2 of 5 failed (bad data, did not train)",
        "1 of 5 skipped, since pretraining failed (diverged)",
        "1 of 5 missing",
    ]
    assert (a["value"], a["rank"], a["metric"]) == (0.6, 1, "accuracy")
    b = _row(board, "b")
    assert (b["value"], b["rank"], b["missing"], b["metric"]) == (None, None, 1, "accuracy")
    c = _row(board, "c")
    assert (c["dataset"], c["metric"], c["missing"]) == ("digits", None, 1)
    assert board.not_applicable == (refused,)


def test_an_encoder_that_did_not_train_is_never_ranked(store: Store) -> None:
    still = {"steps": 9, "proof": {"held_out_initial": 1.0, "held_out_final": 1.0, "parameter_change": 0.0}}
    _write(store, dataclasses.replace(pretraining(cell("a", 0)), result=still), evaluation(cell("a", 0), 0.99))
    _fill(store, "b", [0.5])
    board = leaderboard(tidy(store))
    assert board.rows.select("method", "rank", "value").rows() == [("b", 1, 0.5), ("a", None, None)]
    assert "did not train" in _row(board, "a")["flags"]  # type: ignore[operator]


def test_without_a_plan_failed_pretrainings_are_still_on_the_board(store: Store) -> None:
    _fill(store, "a", [0.5, 0.6])
    _write(store, failed(pretraining(cell("b", 0)), "oom"))
    b = _row(leaderboard(tidy(store)), "b")
    assert (b["skipped"], b["seeds"], b["metric"]) == (1, 0, "accuracy")
    assert b["flags"] == ["1 of 1 skipped, since pretraining failed (oom)"]


def test_controls_that_are_solved_in_their_own_way_have_a_board_when_alone(store: Store) -> None:
    guess = cell("majority", 0, "majority")
    store.write(evaluation(guess, 0.5))
    for which in (plan(guess), None):
        assert _row(leaderboard(tidy(store), which), "majority", "majority")["value"] == 0.5


def test_a_plan_keeps_records_of_other_settings_out(store: Store) -> None:
    now, before = cell("a", 0), cell("a", 0, steps=99)
    _write(store, pretraining(before), evaluation(before, 0.9, started="2026-11-24T00:00:00+00:00"))
    _write(store, pretraining(now), evaluation(now, 0.6))
    _fill(store, "other suite", [0.99])
    assert leaderboard(tidy(store), plan(now)).rows.select("method", "value").rows() == [("a", 0.6)]
    everything = leaderboard(tidy(store))
    assert _row(everything, "a")["value"] == 0.9, "one value per seed, the latest"
    assert _row(everything, "a")["planned"] == 1


def test_the_plan_names_the_rows(store: Store) -> None:
    _fill(store, "a", [0.5])
    renamed = dataclasses.replace(cell("a", 0), label="z")
    assert leaderboard(tidy(store), plan(renamed)).rows["method"].to_list() == ["z"]


def test_normalised_by_the_task_s_constants(store: Store) -> None:
    record = evaluation(cell("a", 0), 0.6)
    _write(store, dataclasses.replace(record, result={**record.result, "chance": 0.5, "ceiling": 0.7}))
    assert _row(leaderboard(tidy(store)), "a")["normalised"] == pytest.approx(0.5)


def test_costs_are_means_over_seeds_and_device_time_a_sum(full: Store) -> None:
    good = _row(leaderboard(tidy(full)), "good")
    assert (good["pretrain_seconds"], good["device_seconds"], good["peak_memory_bytes"]) == (10.0, 60.0, 1_000_000)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_shows_every_row(full: Store, form: str) -> None:
    board = leaderboard(tidy(full))
    data = render(board, form)  # type: ignore[arg-type]
    if form == "parquet":
        assert pl.read_parquet(io.BytesIO(data)).equals(board.rows)
    elif form == "csv":
        assert pl.read_csv(data)["value"].to_list() == board.rows["value"].to_list()
    elif form == "json":
        assert pl.DataFrame(json.loads(data)["rows"], schema=SCHEMA).equals(board.rows)
    else:
        text = data.decode()
        for value in board.rows["value"]:
            assert f"{value:.3f}" in text
        assert NOT_BETTER in text
        assert "over the test examples" in text


@pytest.mark.parametrize(("width", "costs"), [(80, False), (100, False), (160, True)])
def test_the_table_fits_the_terminal_and_leaves_costs_out_first(store: Store, width: int, costs: bool) -> None:
    label = "stacked-denoising-autoencoder-with-much-corruption"
    _fill(store, label, GOOD)
    _fill(store, label, UNTRAINED, "untrained")
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(show(leaderboard(tidy(store)), width))
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "0.930" in text
    assert ("memory" in text) is costs


def test_the_table_as_a_file_leaves_nothing_out_and_cuts_nothing(store: Store) -> None:
    label = "stacked-denoising-autoencoder-with-much-corruption"
    _fill(store, label, GOOD)
    text = render(leaderboard(tidy(store)), "table").decode()
    (row,) = (line for line in text.splitlines() if label in line)
    assert "0.930" in row
    assert "memory" in text
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_latex_and_markdown_escape_what_they_must(store: Store) -> None:
    _fill(store, "a_b|50%", [0.5])
    board = leaderboard(tidy(store))
    assert r"a\_b|50\%" in render(board, "latex").decode()
    assert r"a_b\|50%" in render(board, "markdown").decode()


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_store_has_a_board_too(store: Store, form: str) -> None:
    board = leaderboard(tidy(store))
    assert board.rows.is_empty()
    data = render(board, form)  # type: ignore[arg-type]
    if form in ("table", "markdown"):
        assert b"run a suite first" in data
    assert show(board, 80) is not None


def test_seeds_of_different_settings_are_told_apart_where_no_plan_does(store: Store) -> None:
    _fill(store, "a", [0.5, 0.6])
    longer = cell("a", 0, steps=99)
    _write(store, pretraining(longer), evaluation(longer, 0.9, started="2026-11-24T00:00:00+00:00"))
    assert MIXED in _row(leaderboard(tidy(store)), "a")["flags"]  # type: ignore[operator]
    same = plan(cell("a", 0), cell("a", 1))
    assert _row(leaderboard(tidy(store), same), "a")["flags"] == []
