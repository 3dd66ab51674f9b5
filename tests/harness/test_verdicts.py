"""Who is compared with whom, on which noise a verdict rests, and what stands on the board of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from harness.board_formats import render
from harness.comparison import Question
from harness.leaderboard import SCHEMA, Board, leaderboard
from harness.outcomes import gather
from harness.plan import NotApplicable, Plan
from harness.results import board_of
from harness.statistics import crossed, rank_intervals
from harness.store import Store
from harness.table import tidy
from harness.verdicts import Key, OutcomesOf, verdicts
from tests.harness.made_records import LINEAR, cell, evaluation, plan, pretraining

EXAMPLES = 400


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


def fill(
    store: Store, label: str, shares: Iterable[float], control: str | None = None, on: str = "rectangles"
) -> NDArray[Any]:
    """Evaluations that answer about so much of the test set rightly, with their outcomes: [seeds, examples]."""
    difficulty = np.random.default_rng(7).random(EXAMPLES)
    found = []
    for seed, share in enumerate(shares):
        right = difficulty < share
        one = cell(label, seed, control, on=on)
        record = store.write(evaluation(one, float(right.mean())))
        if control is None:
            store.write(pretraining(one))
        folder = store.artifacts(record.fingerprint)
        folder.mkdir(parents=True)
        save_file({"z": right.astype(np.uint8)}, folder / "outcomes.safetensors")
        found.append(right)
    return np.array(found)


def row(board: Board, method: str, control: str | None = None) -> dict[str, Any]:
    return board.rows.filter(pl.col("method") == method, pl.col("control").eq_missing(pl.lit(control))).row(
        0, named=True
    )


def test_verdicts_rest_on_seeds_and_examples_where_there_are_outcomes(store: Store) -> None:
    good = fill(store, "good", [0.9, 0.92, 0.91])
    weak = fill(store, "weak", [0.7, 0.71, 0.68])
    found = row(board_of(store, None), "weak")
    truth = crossed(good, weak).both
    assert (found["behind"], found["behind_low"], found["behind_high"]) == pytest.approx(truth)
    assert (found["basis"], found["verdict"]) == ("both", "beats")
    assert found["words"].startswith("good beats weak on rectangles by ")
    assert found["words"].endswith(", 3 seeds")
    without = row(leaderboard(tidy(store)), "weak")
    assert without["basis"] == "seeds"
    assert without["behind_high"] - without["behind_low"] < found["behind_high"] - found["behind_low"]


def test_a_control_is_beaten_only_if_the_best_was_not_merely_the_luckiest() -> None:
    dice = np.random.default_rng(3)
    claims, boards = 0, 200
    for _ in range(boards):
        scores = dice.normal(size=(8, 5))
        runs: dict[Key, list[dict[str, Any]]] = {
            (f"m{number}", None): [run_of(seed, value) for seed, value in enumerate(mine)]
            for number, mine in enumerate(scores)
        }
        runs["raw", "raw"] = [run_of(0, 0.0)]
        found = verdicts(
            runs, Question(where="x", metric="m", higher_is_better=True, proportion=False), no_outcomes, 0.95
        )
        claims += found.behind["raw", "raw"].verdict == "beats"
    assert claims / boards <= 0.05, "no method is better than raw here"


def run_of(seed: int, value: float) -> dict[str, Any]:
    return {"seed": seed, "value": value, "fingerprint": "f", "representation": "z"}


def no_outcomes(fingerprint: str, representation: str) -> None:
    return None


def test_both_kinds_of_noise_stand_on_the_board_apart(store: Store) -> None:
    good = fill(store, "good", [0.9, 0.92, 0.91])
    found = row(board_of(store, None), "good")
    assert found["seed_error"] == pytest.approx(good.mean(axis=1).std(ddof=1) / 3**0.5)
    assert found["example_error"] == pytest.approx(good.mean(axis=0).std(ddof=1) / EXAMPLES**0.5)


def test_the_best_is_compared_with_methods_input_baselines_and_its_own_supervised_control(store: Store) -> None:
    fill(store, "good", [0.9, 0.92])
    fill(store, "good", [0.95, 0.96], "supervised")
    fill(store, "good", [0.5, 0.51], "untrained")
    fill(store, "weak", [0.7, 0.71])
    fill(store, "weak", [0.9, 0.9], "supervised")
    fill(store, "raw", [0.6], "raw")
    fill(store, "guess", [0.5], "guess")
    rows = board_of(store, None).rows
    verdicts = {(one["method"], one["control"]): one["verdict"] for one in rows.iter_rows(named=True)}
    assert {key for key, verdict in verdicts.items() if verdict} == {
        ("weak", None),
        ("raw", "raw"),
        ("guess", "guess"),
        ("good", "supervised"),
    }
    assert verdicts["good", "supervised"] != "beats"
    assert row(board_of(store, None), "good")["delta"] == pytest.approx(
        row(board_of(store, None), "good")["value"] - row(board_of(store, None), "good", "untrained")["value"]
    )


def test_controls_solved_their_own_way_stand_beside_every_protocol(store: Store) -> None:
    knn = {"evaluation": {**LINEAR.__dict__, "protocol": "knn"}}
    for seed in range(2):
        for protocol in ("linear", "knn"):
            record = evaluation(cell("good", seed), 0.9)
            result = {**record.result, "protocol": protocol}
            name = f"{protocol:0<12}{seed:04}"
            store.write(type(record)(**{**record.__dict__, "result": result, "fingerprint": name, "identity": knn}))
    store.write(evaluation(cell("guess", 0, "guess"), 0.5))
    rows = leaderboard(tidy(store)).rows
    assert rows.filter(pl.col("method") == "guess")["protocol"].to_list() == ["knn", "linear"]
    assert set(rows["protocol"]) == {"knn", "linear"}


def test_datasets_stand_under_the_names_that_the_plan_gives_them(store: Store) -> None:
    one = cell("good", 0)
    store.write(evaluation(one, 0.9))
    named = type(one)(**{**one.__dict__, "dataset_as": "boxes"})
    other = Plan(suite="made", cells=(named,), not_applicable=(), settings={})
    assert leaderboard(tidy(store), other).rows["dataset"].to_list() == ["boxes"]


def test_ranks_have_intervals(store: Store) -> None:
    close = {"a": [0.90, 0.80, 0.86], "b": [0.84, 0.88, 0.82], "c": [0.2, 0.21, 0.19]}
    outcomes = np.array([fill(store, label, shares) for label, shares in close.items()])
    truth = rank_intervals(outcomes.mean(axis=2), np.random.default_rng(0), outcomes=outcomes)
    board = board_of(store, None)
    found = [(row(board, label)["rank_low"], row(board, label)["rank_high"]) for label in close]
    assert found == [(one.low, one.high) for one in truth]
    assert found[2] == (3, 3)
    text = render(board, "table").decode()
    assert any(line.lstrip().startswith("1–2") for line in text.splitlines())


def test_methods_are_compared_across_datasets_or_said_to_have_too_few(store: Store) -> None:
    for index in range(3):
        fill(store, "a", [0.9, 0.91], on=f"set{index}")
        fill(store, "b", [0.7, 0.71], on=f"set{index}")
    table = tidy(store).with_columns(chance=0.5, ceiling=1.0)
    (line,) = leaderboard(table).across
    assert line.startswith("linear, accuracy: underpowered: a is ahead of b on 3 of 3 datasets, and it would take 6")


FORMS = ("table", "markdown", "latex", "json", "csv", "parquet")


@pytest.mark.parametrize("form", FORMS)
def test_verdicts_proof_marks_and_what_does_not_apply_are_in_every_format(store: Store, form: Any) -> None:
    one, other = cell("good", 0), cell("weak", 0)
    for each, value in ((one, 0.9), (other, 0.7)):
        trained = pretraining(each)
        result = {**trained.result, "coupling": ["batch_statistics"], "groups_used": True}
        store.write(type(trained)(**{**trained.__dict__, "result": result}))
        store.write(evaluation(each, value))
    refused = NotApplicable(label="bert", dataset="rectangles", reason="needs text")
    board = leaderboard(tidy(store), plan(one, other, not_applicable=(refused,)))
    data = render(board, form)
    if form == "parquet":
        frame = pl.read_parquet(io.BytesIO(data))
    elif form == "csv":
        frame = pl.read_csv(data)
    elif form == "json":
        whole = json.loads(data)
        frame = pl.DataFrame(whole["rows"], schema=SCHEMA)
        assert whole["not_applicable"][0]["reason"] == "needs text"
    else:
        text = data.decode().replace("\\", "")
        for said in ("good scores 20.0 points above weak", "batch statistics", "opaque groups", "needs text"):
            assert said in text
        assert "2 → 1" in text or "2 $rightarrow$ 1" in text
        return
    assert frame["held_out_initial"][0] == 2.0
    assert frame["coupling"][0] == "batch_statistics"
    assert frame["groups_used"][0]
    assert "good scores 20.0 points above weak" in frame["words"][1]
    if form != "json":
        assert "not applicable: needs text" in str(frame["flags"].to_list()[-1])


def test_without_outcomes_of_one_seed_there_is_no_pairing_by_example(store: Store) -> None:
    fill(store, "good", [0.9, 0.92])
    fill(store, "weak", [0.7, 0.71])
    everything = gather(store, [(name.split("-")[1], "z") for name in store.record_names() if "evaluation" in name])
    lost = evaluation(cell("weak", 1)).fingerprint

    def partly(wanted: Iterable[tuple[str, str]]) -> OutcomesOf:
        return lambda name, representation: None if name == lost else everything.of(name, representation)

    assert row(leaderboard(tidy(store), outcomes=partly), "weak")["basis"] == "seeds"
