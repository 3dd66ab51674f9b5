"""The README keeps its word: its commands run, its suite plans, its method trains, its paths exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import methods
from harness import preview
from harness.store import Store
from tests.harness.command_line import harness
from tests.harness.datasets import own_texts
from tests.harness.datasets.audio_files import save_digits, save_librispeech, save_phones, save_spoken
from tests.harness.datasets.own_files import WRITTEN, images, labels, save_classes, save_idx, save_parquet

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

#: Verbs that the tests below run as the README writes them, on a store and a suite of their own, and what they print.
RUN = {
    "doctor": "ray",
    "list": "sdae",
    "plan": "sdae/rectangles/0",
    "run": "report.html",
    "status": "8 done, of 8 cells",
    "logs": "pretrained in",
    "leaderboard": "| method |",
    "report": "report.html",
    "wandb": "would push",
}
#: Tried by hand, with the reason why no test runs them.
BY_HAND = {
    "make run": "installs an environment and runs for minutes",
    "make run SUITE=suites/full.yaml": "runs for most of an hour",
    "make test": "is what runs this test",
}
TINY = """
name: tiny
preset: small
methods: [sdae, {name: sdae, as: sae, config: {corruption: {level: 0.0}}}]
datasets: [{name: rectangles, config: {train: 60, val: 40, test: 40}}]
seeds: 1
pretrain: {steps: 6}
resources: {engine: torch}
evaluate: {protocols: [linear]}
"""


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    return [body for name, body in fenced if name == language]


def commands() -> list[str]:
    lines = (line.partition(" #")[0].strip() for block in blocks("sh") for line in block.splitlines())
    return [line for line in lines if line]


OURS = [command for command in commands() if command.startswith(".venv/bin/harness ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("readme")
    (folder / "tiny.yaml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_STORE", str(folder / "runs"))
        patch.setattr(preview, "_start_ray", lambda: "started")  # tests/cluster starts it
        patch.chdir(ROOT)
        assert harness("run", str(folder / "tiny.yaml"), "--local").code == 0
        yield folder


def test_every_command_is_run_by_a_test_or_was_tried_by_hand() -> None:
    others = [command for command in commands() if command not in OURS]
    assert set(others) == BY_HAND.keys()
    assert {shlex.split(command)[1] for command in OURS} == RUN.keys()


@pytest.mark.parametrize("command", OURS)
def test_the_command_does_what_the_readme_says(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)  # disabled in tests, whose runs are not mirrored
    words = shlex.split(command)[1:]
    if words[0] == "run":
        words.append("--local")
    answer = harness(*(word.replace("suites/quick.yaml", str(folder / "tiny.yaml")) for word in words))
    assert (answer.code, answer.err) == (0, "")
    assert RUN[words[0]] in answer.out


def test_the_suite_can_be_planned(tmp_path: Path) -> None:
    suite, *_ = blocks("yaml")
    (tmp_path / "mine.yaml").write_text(suite)
    answer = harness("plan", str(tmp_path / "mine.yaml"), "--store", str(tmp_path / "runs"))
    assert (answer.code, answer.err) == (0, "")


def test_the_suite_of_own_images_can_be_planned(tmp_path: Path) -> None:
    _, suite, _ = blocks("yaml")
    (tmp_path / "own.yaml").write_text(suite)
    data = tmp_path / "data"
    save_idx(data / "mnist" / "train-images-idx3-ubyte.gz", images())
    save_idx(data / "mnist" / "train-labels-idx1-ubyte.gz", labels())
    save_classes(data / "pets", {"cat": 30, "dog": 30})
    np.savez(data / "scans.npz", images=images(), labels=labels())
    save_parquet(data / "birds.parquet", list(images()), species=labels())
    answer = harness("plan", str(tmp_path / "own.yaml"), "--store", str(tmp_path / "runs"))
    assert (answer.code, answer.err) == (0, "")
    for name in ("mnist", "pets", "scans", "birds"):
        assert f"sdae/{name}/2" in answer.out


def test_the_suite_of_own_videos_recordings_and_texts_can_be_planned(tmp_path: Path) -> None:
    _, _, suite = blocks("yaml")
    (tmp_path / "own.yaml").write_text(suite)
    data = tmp_path / "data"
    places = {"davis": "DAVIS", "videos": "clips", "plain_text": "corpus", "conllu": "UD", "squad": "squad"}
    for name, place in places.items():
        (data / place).mkdir(parents=True)
        WRITTEN[name](data / place)
    save_spoken(data / "spoken", {"yes": 30, "no": 30})
    save_digits(data / "digits", ("ann", "bob", "cyd", "dan", "eve"))
    spoken = save_librispeech(data / "LibriSpeech")
    utterances = sorted(path.stem for path in spoken.rglob("*.flac"))
    save_phones(spoken / "phones.txt", {name: [number % 3] * 10 for number, name in enumerate(utterances)})
    reviews = "".join(f'"{text} {number}",{number % 5}\n' for number, (text, _) in enumerate(own_texts.reviews()))
    (data / "reviews.csv").write_text(f"body,stars\n{reviews}", encoding="utf-8")
    answer = harness("plan", str(tmp_path / "own.yaml"), "--store", str(tmp_path / "runs"))
    assert (answer.code, answer.err) == (0, "")
    for cell in (
        "colorization/davis",
        "colorization/videos",
        "bert/reviews",
        "bert/treebank",
        "bert/squad",
        "cpc/sounds",
        "cpc/digits",
        "cpc/librispeech",
    ):
        assert f"{cell}/0" in answer.out


def test_a_method_is_one_file_more(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = blocks("python")
    (tmp_path / "halves.py").write_text(source)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    methods.roster.cache_clear()
    try:
        suite = tmp_path / "own.yaml"
        suite.write_text("methods: [halves]\ndatasets: [digits]\nseeds: 1\nresources: {engine: torch}\npreset: small\n")
        answer = harness("run", str(suite), "--local", "--set", "pretrain.steps=200", "--only", "halves/*")
        assert (answer.code, answer.err) == (0, "")
        (pretraining,) = [
            record
            for record in Store.open(folder / "runs").records()
            if record.label == "halves" and record.kind == "pretraining"
        ]
        proof = pretraining.result["proof"]
        assert proof["held_out_final"] < 0.5 * proof["held_out_initial"]
    finally:
        methods.roster.cache_clear()


def test_what_the_house_names_exists() -> None:
    (house,) = (block for block in blocks("") if block.startswith("methods/"))
    top = ""
    for line in house.splitlines():
        names = re.findall(r"[\w/]+(?:\.py|/)(?=\s|,|$)", line)
        top = names[0] if not line.startswith(" ") else top
        for name in names:
            assert (ROOT / name).exists() or (ROOT / top / name).exists(), name
