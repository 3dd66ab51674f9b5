"""Bad input: exit 2, a message that names cause, place and remedy, at once, and nothing is lost."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.endtoend.conftest import Run
from tests.endtoend.running import SUITE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SUITE + "methods: [\n", "s.yaml:"),
        (SUITE.replace("seeds: 2", "seeds: many"), "s.yaml:5: seeds: "),
        (SUITE.replace("steps: 2000", "steps: -1"), "s.yaml:6: pretrain.steps: "),
        (SUITE.replace("name: sdae", "name: sdea"), 'did you mean "sdae"?'),
        (SUITE.replace("[digits]", "[digit]"), 'did you mean "digits"?'),
        (SUITE.replace("width: 32", "wdth: 32"), 'did you mean "width"?'),
        (SUITE.replace("width: 32", "width: wide"), "config.width"),
        (SUITE + "resources: {engine: torch, zero: 1}\n", "ZeRO is DeepSpeed's"),
        ("- a list\n", "expected a mapping"),
        ("", "empty; a suite says at least"),
        ("\x00\x01", "s.yaml"),
    ],
    ids=[
        "broken YAML",
        "a wrong type",
        "a wrong value",
        "an unknown method",
        "an unknown dataset",
        "an unknown key",
        "a wrong type in a config",
        "a contradiction",
        "a list",
        "nothing",
        "not text",
    ],
)
def test_a_bad_suite(text: str, message: str, tmp_path: Path, harness_command: Run) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    ended = harness_command("run", path, "--store", tmp_path / "runs", "--local")
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.startswith("harness: ")
    assert "Traceback" not in ended.err
    assert not (tmp_path / "runs").exists(), "refused before anything was touched"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nowhere.yaml"), "nowhere.yaml"),
        (("run", "{suite}", "--set", "pretrain.step=5"), 'did you mean "steps"?'),
        (("run", "{suite}", "--set", "resources.ranks=64"), "batch_size 16 cannot be split over 64 ranks"),
        (("run", "{suite}", "--set", "pretrain"), "expected a.b=value"),
        (("run", "{suite}", "--only", "sdea/*"), "matches no cell"),
        (("run", "{suite}", "--seeds", "x"), "--seeds x"),
        (("logs", "sdae/digits/0", "--store", "{tmp}/none"), "there is no store at"),
        (("leaderboard", "--store", "{tmp}/none"), "there is no store at"),
        (("status", "--store", "{tmp}/none"), "there is no store at"),
        (("list", "metods"), 'did you mean "methods"?'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_usage(arguments: tuple[str, ...], message: str, suite: str, tmp_path: Path, harness_command: Run) -> None:
    ended = harness_command(*(each.format(suite=suite, tmp=tmp_path) for each in arguments))
    assert ended.code == 2
    assert message in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("resources.ranks=16", "asks for 16 ranks x 1 CPU; the cluster has 2 CPUs and 0 GPUs"),
        ("resources.gpus_per_rank=1", "1 rank x 1 CPU + 1 GPU; the cluster has 2 CPUs and 0 GPUs"),
        ("resources.cpus_per_rank=64", "1 rank x 64 CPUs; the cluster has 2 CPUs and 0 GPUs"),
    ],
)
def test_what_the_cluster_can_never_hold_is_refused_before_anything_runs(
    setting: str, message: str, suite: str, tmp_path: Path, harness_command: Run, shared_ray: None
) -> None:
    store = tmp_path / "runs"
    ended = harness_command("run", suite, "--store", store, "--set", setting)
    assert ended.code == 2, ended
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not list(store.glob("records/*"))


def test_several_ranks_need_ray(suite: str, tmp_path: Path, harness_command: Run) -> None:
    ended = harness_command("run", suite, "--store", tmp_path / "runs", "--local", "--set", "resources.ranks=2")
    assert ended.code == 2
    assert "--local runs one rank" in ended.err


def test_a_store_that_is_a_file(suite: str, tmp_path: Path, harness_command: Run) -> None:
    file = tmp_path / "runs"
    file.write_text("precious")
    for arguments in (("run", suite, "--local"), ("status",), ("leaderboard",), ("report",)):
        ended = harness_command(*arguments, "--store", file)
        assert ended.code == 2
        assert "is a file, not a folder; name another with --store" in ended.err
    assert file.read_text() == "precious"


def test_a_read_only_store_can_be_looked_at_and_says_why_it_cannot_be_written(
    suite: str, reference: Path, tmp_path: Path, harness_command: Run
) -> None:
    store = tmp_path / "runs"
    store.mkdir()
    bound = subprocess.run(["mount", "--bind", str(reference), str(store)], capture_output=True)
    if bound.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(store)], check=True)
        ended = harness_command("run", suite, "--store", store, "--local", "--seeds", "7")
        assert ended.code == 2, ended
        assert "the store is read-only" in ended.err
        assert harness_command("leaderboard", "--store", store).code == 0
        assert harness_command("status", "--store", store).code == 0
    finally:
        subprocess.run(["umount", str(store)], check=True)


def test_a_torn_record_is_named_and_left_out(reference: Path, tmp_path: Path, harness_command: Run) -> None:
    torn = tmp_path / "runs" / "records"
    torn.mkdir(parents=True)
    whole = sorted(reference.glob("records/evaluation-*.ok.json"))
    for path in whole:
        (torn / path.name).write_bytes(path.read_bytes())
    (torn / whole[0].name).write_bytes(whole[0].read_bytes()[:100])
    ended = harness_command("leaderboard", "--store", tmp_path / "runs", "--format", "json")
    assert ended.code == 0, ended
