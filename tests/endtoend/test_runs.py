"""What a run comes to does not depend on where it runs, is not done twice, and is never hidden when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store import Store
from tests.endtoend.conftest import Run
from tests.endtoend.running import SUITE, done_once, fingerprints, numbers, records, scores

#: What makes a run as short as can be, where its numbers do not matter.
SHORT = ("--set", "pretrain.steps=20", "--seeds", "0", "--local")


def curves(store: Path) -> list[float]:
    """Losses of every trained cell, by cell."""
    found = sorted((record for record in records(store) if record.kind == "pretraining"), key=lambda each: each.cell)
    return [point["loss"] for record in found for point in record.result["curve"]]


def test_ray_gives_the_numbers_of_this_process(
    suite: str, reference: Path, tmp_path: Path, harness_command: Run, shared_ray: None
) -> None:
    store = tmp_path / "runs"
    ended = harness_command("run", suite, "--store", store, "--seeds", "0")
    assert ended.code == 0, ended
    expected = numbers(reference)
    found = numbers(store)
    assert len(found) == 6, "raw, majority, untrained twin, supervised, trained, and its pretraining"
    assert found == {name: expected[name] for name in found}


def test_plain_torch_gives_the_scores_of_deepspeed(
    suite: str, reference: Path, tmp_path: Path, harness_command: Run
) -> None:
    store = tmp_path / "runs"
    ended = harness_command(
        "run", suite, "--store", store, "--seeds", "0", "--local", "--set", "resources.engine=torch"
    )
    assert ended.code == 0, ended
    expected = scores(reference)
    assert scores(store) == {cell: expected[cell] for cell in scores(store)}
    assert fingerprints(store, "pretraining").isdisjoint(fingerprints(reference, "pretraining")), "it has trained anew"


@pytest.mark.parametrize("zero", [0, 1])
def test_two_ranks_agree_with_one(
    zero: int, suite: str, reference: Path, tmp_path: Path, harness_command: Run, shared_ray: None
) -> None:
    store = tmp_path / "runs"
    settings = ("--set", "resources.ranks=2", "--set", f"resources.zero={zero}")
    ended = harness_command("run", suite, "--store", store, "--seeds", "0", "--only", "sdae/digits/0", *settings)
    assert ended.code == 0, ended
    expected = scores(reference)
    found = scores(store)
    assert set(found) == {("sdae/digits/0", "layer1"), ("sdae/digits/0", "layer2")}
    assert found == pytest.approx({cell: expected[cell] for cell in found}, abs=0.005)
    assert curves(store) == pytest.approx(curves(reference)[: len(curves(store))], rel=1e-4)
    trained = next(record for record in records(store) if record.kind == "pretraining")
    assert trained.result["cost"]["device_seconds"] == 2 * trained.result["cost"]["seconds"], "two ranks were at it"


def test_what_is_done_is_not_done_again(suite: str, tmp_path: Path, harness_command: Run) -> None:
    store = tmp_path / "runs"
    assert harness_command("run", suite, "--store", store, *SHORT).code == 0
    before = {path: path.stat().st_mtime_ns for path in store.glob("records/*")}
    again = harness_command("run", suite, "--store", store, *SHORT)
    assert again.code == 0
    assert again.out.startswith("tiny: 5 cells, nothing to do\ndigits · digit · linear"), "the board is there at once"
    assert {path: path.stat().st_mtime_ns for path in store.glob("records/*")} == before

    trained = fingerprints(store, "pretraining")
    judged = fingerprints(store, "evaluation")
    grid = ("--set", "evaluate.protocols.0.config.points=3")
    assert harness_command("run", suite, "--store", store, *SHORT, *grid).code == 0
    assert fingerprints(store, "pretraining") == trained, "another grid trains nothing"
    probed = [record for record in records(store) if record.result.get("protocol") == "linear"]
    assert len(fingerprints(store, "evaluation")) == len(judged) + 3, "and probes everything"
    assert len(probed) == 6

    controls = {record.fingerprint for record in records(store) if record.control}
    longer = ("--seeds", "0", "--local", "--set", "pretrain.steps=30")
    assert harness_command("run", suite, "--store", store, *longer).code == 0
    new = [each.control for each in records(store) if each.control and each.fingerprint not in controls]
    assert new == ["supervised"], "an untrained twin is as is, but this control has the budget of the pretraining"
    assert len(fingerprints(store, "pretraining")) == 2 * len(trained)
    assert done_once(store)


def test_a_deterministic_failure_is_told_and_not_repeated_unasked(
    suite: str, tmp_path: Path, harness_command: Run
) -> None:
    store = tmp_path / "runs"
    command = ("run", suite, "--store", store, *SHORT, "--set", "pretrain.learning_rate=1e38")
    first = harness_command(*command)
    assert first.code == 1, first
    assert "FAILED sdae/digits/0 pretrain" in first.out
    assert "diverged: the loss is not finite" in first.out
    failed = [record for record in records(store) if record.status == "failed"]
    assert sorted((each.cell, each.failure and each.failure["class"]) for each in failed) == [
        ("sdae.supervised/digits/0", "diverged"),
        ("sdae/digits/0", "diverged"),
    ]
    went_on = {"raw/digits/0", "majority/digits/0", "sdae.untrained/digits/0"}
    assert {cell for cell, _ in scores(store)} == went_on
    assert "1 of 1 skipped, since pretraining failed (diverged)" in first.board
    log = harness_command("logs", "sdae/digits/0", "--store", store)
    assert (log.code, "Traceback" in log.out, "JobError" in log.out) == (0, True, True)
    status = harness_command("status", "--store", store)
    assert "3 done, 2 failed, of 5 cells" in status.out

    second = harness_command(*command)
    assert second.code == 1
    assert "failed before, left alone: sdae/digits/0" in second.out
    assert len([record for record in records(store) if record.status == "failed"]) == 2

    third = harness_command(*command, "--retry-failed")
    assert third.code == 1
    assert len([record for record in records(store) if record.status == "failed"]) == 4


def test_another_suites_records_stay_off_this_board(
    suite: str, reference: Path, tmp_path: Path, harness_command: Run
) -> None:
    store = tmp_path / "runs"
    other = tmp_path / "other.yaml"
    other.write_text(SUITE.replace("name: sdae,", "name: sdae, as: stranger,").replace("name: tiny", "name: other"))
    assert harness_command("run", other, "--store", store, *SHORT, "--set", "pretrain.batch_size=8").code == 0
    foreign = len(list(Store.open(store).records()))
    ended = harness_command("run", suite, "--store", store, *SHORT)
    assert ended.code == 0
    assert "stranger" not in ended.board
    assert "stranger" not in (store / "report.html").read_text()
    alone = harness_command("run", suite, "--store", tmp_path / "alone", *SHORT)
    assert _scores_shown(ended.board) == _scores_shown(alone.board)
    new = len(records(store)) - foreign
    assert new == 3, (
        "a pretraining, its evaluation, and the supervised control at its budget; other controls are shared"
    )
    whole = harness_command("leaderboard", "--store", store)
    assert "stranger" in whole.out
    assert "sdae" in whole.out


def _scores_shown(board: str) -> list[list[str]]:
    """Rank, label, score and interval of every row: no costs, which differ from run to run."""
    lines = [line.split() for line in board.splitlines()]
    return [words[:5] for words in lines if len(words) > 5 and words[0] in "–123"]
