"""What a suite comes to: which cells, with which settings, in which order."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import suites
from harness.mistakes import SuiteErrors
from harness.plan import Cell, Initialisation, NotApplicable, Plan
from harness.planning import plan_suite
from tests.harness.planning_toys import CONTROLLED, ROSTERS, planned, trained

GOOD = "methods: [coder]\ndatasets: [boxes]\n"


def by_id(plan: Plan) -> dict[str, Cell]:
    cells = {cell.id: cell for cell in plan.cells}
    assert len(cells) == len(plan.cells), "ids are unique"
    return cells


def test_trained_cells_their_untrained_twins_and_one_raw_cell_per_dataset(tmp_path: Path) -> None:
    plan = planned(tmp_path, "methods: [coder, contrast]\ndatasets: [boxes, blobs]\nseeds: [4, 2]\n")
    assert [cell.id for cell in plan.cells] == [
        *("raw/boxes/0", "coder/boxes/4", "coder.untrained/boxes/4", "contrast/boxes/4", "contrast.untrained/boxes/4"),
        *("raw/blobs/0", "coder/blobs/4", "coder.untrained/blobs/4", "contrast/blobs/4", "contrast.untrained/blobs/4"),
        *("coder/boxes/2", "coder.untrained/boxes/2", "contrast/boxes/2", "contrast.untrained/boxes/2"),
        *("coder/blobs/2", "coder.untrained/blobs/2", "contrast/blobs/2", "contrast.untrained/blobs/2"),
    ]
    cells = by_id(plan)
    assert cells["raw/boxes/0"].encoder is None
    twin = cells["coder.untrained/boxes/4"].encoder
    assert isinstance(twin, Initialisation)
    assert twin == trained(cells["coder/boxes/4"]).initialisation
    assert [cell.control for cell in plan.cells[:3]] == ["raw", None, "untrained"]


def test_controls_come_unasked(tmp_path: Path) -> None:
    plan = planned(tmp_path, "methods: [coder]\ndatasets: [boxes, blobs]\nseeds: 2\n", CONTROLLED)
    assert [cell.id for cell in plan.cells] == [
        *("raw/boxes/0", "guess/boxes/0", "coder/boxes/0", "coder.untrained/boxes/0", "coder.supervised/boxes/0"),
        *("raw/blobs/0", "guess/blobs/0", "coder/blobs/0", "coder.untrained/blobs/0", "coder.supervised/blobs/0"),
        *("coder/boxes/1", "coder.untrained/boxes/1", "coder.supervised/boxes/1"),
        *("coder/blobs/1", "coder.untrained/blobs/1", "coder.supervised/blobs/1"),
    ]
    cells = by_id(plan)
    baseline, scratch = cells["guess/blobs/0"], cells["coder.supervised/blobs/1"]
    assert (baseline.label, baseline.control, baseline.encoder) == ("guess", "guess", None)
    assert [(each.task, each.protocol) for each in baseline.evaluations] == [("hull", "guess")]
    assert scratch.encoder == trained(cells["coder/blobs/1"]).initialisation
    (evaluation,) = scratch.evaluations
    assert evaluation.protocol_config == {"steps": 2000}, "the budget of the pretraining"


def test_raw_input_is_not_asked_to_be_trained(tmp_path: Path) -> None:
    plan = planned(tmp_path, GOOD + "evaluate: {protocols: [linear, tune]}", CONTROLLED)
    asked = {cell.id: [each.protocol for each in cell.evaluations] for cell in plan.cells}
    assert asked["raw/boxes/0"] == ["linear"]
    assert asked["coder/boxes/0"] == asked["coder.untrained/boxes/0"] == ["linear", "tune"]
    alone = planned(tmp_path, GOOD + "evaluate: {protocols: [tune]}", CONTROLLED)
    assert "raw/boxes/0" not in by_id(alone)


def test_every_label_has_its_supervised_control(tmp_path: Path) -> None:
    methods = (
        "[coder, {name: coder, as: fast, pretrain: {learning_rate: 1}}, {name: coder, as: long, pretrain: {steps: 9}}]"
    )
    plan = planned(tmp_path, f"methods: {methods}\ndatasets: [boxes]\n", CONTROLLED)
    scratch = {cell.label: cell.evaluations[0].protocol_config for cell in plan.cells if cell.control == "supervised"}
    assert scratch == {"coder": {"steps": 2000}, "fast": {"steps": 2000}, "long": {"steps": 9}}


def test_a_baseline_is_neither_asked_for_nor_a_label(tmp_path: Path) -> None:
    with pytest.raises(SuiteErrors) as wrong:
        planned(
            tmp_path,
            "methods: [{name: coder, as: guess}]\ndatasets: [boxes]\nevaluate: {protocols: [guess]}",
            CONTROLLED,
        )
    assert 'the label "guess" is kept for a control' in str(wrong.value)
    assert '"guess" is a baseline, which comes unasked; leave it out' in str(wrong.value)


def test_the_order_and_the_fingerprints_are_the_same_every_time(tmp_path: Path) -> None:
    text = "methods: all\ndatasets: all\nevaluate: {protocols: all}\nseeds: 2\n"
    assert planned(tmp_path, text) == planned(tmp_path, text)


def test_all_and_names_and_entries_mean_the_same(tmp_path: Path) -> None:
    short = planned(tmp_path, "methods: all\ndatasets: [boxes]\nseeds: 2\nevaluate: {protocols: [linear]}")
    long = "methods: [{name: coder}, {name: contrast, as: contrast}]\ndatasets: [{name: boxes}]\nseeds: [0, 1]\n"
    assert short == planned(tmp_path, long)


def test_config_is_laid_over_the_preset_and_that_over_the_defaults(tmp_path: Path) -> None:
    text = """
preset: {coder: paper, big: small}
methods:
  - coder
  - {name: coder, as: big, config: {corruption: {level: 0.5}}}
  - {name: coder, as: own, preset: paper, config: {width: 7}}
datasets: [boxes]
"""
    cells = by_id(planned(tmp_path, text))
    defaults = {"layers": 3, "corruption": {"kind": "masking", "level": 0.25, "exact": True}, "sizes": [1, 2]}
    configs = {label: trained(cells[f"{label}/boxes/0"]).initialisation.config for label in ("coder", "big", "own")}
    assert configs["coder"] == {**defaults, "width": 1000}
    halved = {"kind": "masking", "level": 0.5, "exact": True}
    assert configs["big"] == {**defaults, "width": 100, "corruption": halved}
    assert configs["own"] == {**defaults, "width": 7}
    assert trained(cells["own/boxes/0"]).training["epochs"] == 60
    assert trained(cells["big/boxes/0"]).training["steps"] == 2000


def test_training_layers_preset_suite_dataset_method(tmp_path: Path) -> None:
    text = """
methods: [coder, {name: contrast, pretrain: {learning_rate: 0.4}}]
datasets: [boxes, {name: blobs, pretrain: {learning_rate: 0.3, batch_size: 30}}]
pretrain: {learning_rate: 0.2, momentum: 0.9}
"""
    cells = by_id(planned(tmp_path, text))
    rates = {cell.id: trained(cell).training["learning_rate"] for cell in cells.values() if cell.control is None}
    assert rates == {"coder/boxes/0": 0.2, "contrast/boxes/0": 0.4, "coder/blobs/0": 0.3, "contrast/blobs/0": 0.4}
    training = trained(cells["contrast/blobs/0"]).training
    assert (training["batch_size"], training["momentum"], training["steps"]) == (30, 0.9, 2000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pretrain: {epochs: 3}", (None, 3)),
        ("preset: paper\npretrain: {steps: 3}", (3, None)),
        ("preset: paper", (None, 60)),
        ("pretrain: {steps: 3, epochs: null}", (3, None)),
    ],
)
def test_steps_and_epochs_replace_each_other(tmp_path: Path, text: str, expected: tuple[Any, Any]) -> None:
    training = trained(planned(tmp_path, GOOD + text).cells[1]).training
    assert (training["steps"], training["epochs"]) == expected


def test_a_later_layers_epochs_replace_an_earlier_ones_steps(tmp_path: Path) -> None:
    text = "methods: [{name: coder, pretrain: {epochs: 2}}]\ndatasets: [boxes]\npretrain: {steps: 3}"
    training = trained(planned(tmp_path, text).cells[1]).training
    assert (training["steps"], training["epochs"]) == (None, 2)


def test_pairs_that_do_not_fit_are_listed_with_the_reason(tmp_path: Path) -> None:
    text = """
methods: [coder, contrast]
datasets: [boxes, words, frames, {name: blobs, pretrain_on: tiles}]
exclude: [{method: con*, dataset: boxes, reason: shown before}]
"""
    plan = planned(tmp_path, text)
    shapes = "examples of tiles are image [3, 64, 64], but those of blobs are image [1, 28, 28]"
    unsolved = "no task of frames can be solved with linear on what {} gives"
    assert plan.not_applicable == (
        NotApplicable(label="contrast", dataset="boxes", reason="excluded: shown before"),
        NotApplicable(label="coder", dataset="words", reason="learns from images, not from text"),
        NotApplicable(label="contrast", dataset="words", reason="learns from images, not from text"),
        NotApplicable(label="coder", dataset="frames", reason=unsolved.format("coder")),
        NotApplicable(label="contrast", dataset="frames", reason=unsolved.format("contrast")),
        NotApplicable(label="coder", dataset="blobs", reason=shapes),
        NotApplicable(label="contrast", dataset="blobs", reason=shapes),
    )
    assert list(by_id(plan)) == ["raw/boxes/0", "coder/boxes/0", "coder.untrained/boxes/0"]


def test_tasks_meet_protocols_of_their_kind(tmp_path: Path) -> None:
    def solved(text: str) -> list[tuple[str, str]]:
        plan = planned(tmp_path, f"methods: [coder]\ndatasets: [blobs]\nevaluate: {text}\n")
        assert all(cell.evaluations == plan.cells[0].evaluations for cell in plan.cells), "controls are judged alike"
        return [(item.task, item.protocol) for item in plan.cells[0].evaluations]

    assert solved("{}") == [("hull", "linear")]
    assert solved("{protocols: all}") == [("area", "ridge"), ("hull", "linear")]
    assert solved("{protocols: [ridge, linear], tasks: [hull]}") == [("hull", "linear")]


def test_one_pretraining_serves_what_it_is_judged_on(tmp_path: Path) -> None:
    text = """
methods: [coder]
datasets:
  - {name: boxes, pretrain: {steps: 7}}
  - {name: blobs, as: transfer, pretrain_on: boxes}
  - {name: blobs, as: other, pretrain_on: {name: boxes, config: {size: 9}}}
"""
    plan = planned(tmp_path, text)
    cells = by_id(plan)
    own, transfer, other = (trained(cells[f"coder/{name}/0"]) for name in ("boxes", "transfer", "other"))
    assert own.fingerprint == transfer.fingerprint, "trained as the entry of boxes says"
    assert own.training["steps"] == 7
    assert other.initialisation.dataset.config["size"] == 9
    assert other.fingerprint != own.fingerprint
    assert cells["coder/transfer/0"].dataset.name == "blobs"
    assert [name for name in cells if name.startswith("raw/")] == ["raw/boxes/0", "raw/transfer/0", "raw/other/0"]
    assert cells["raw/transfer/0"].wanted == cells["raw/other/0"].wanted, "a row of each board, solved once"


def test_every_label_has_its_twin_though_equal_ones_are_solved_once(tmp_path: Path) -> None:
    text = "methods: [coder, {name: coder, as: slow, pretrain: {learning_rate: 0.001}}]\ndatasets: [boxes]\n"
    cells = by_id(planned(tmp_path, text))
    assert list(cells) == [
        *("raw/boxes/0", "coder/boxes/0", "coder.untrained/boxes/0", "slow/boxes/0", "slow.untrained/boxes/0")
    ]
    assert cells["slow.untrained/boxes/0"].wanted == cells["coder.untrained/boxes/0"].wanted


def test_resources_place_the_cells(tmp_path: Path) -> None:
    text = GOOD + "resources: {ranks: 2, gpus_per_rank: 0.5, cpus_per_rank: 3}\n"
    raw, cell, twin = planned(tmp_path, text).cells
    assert [item.ranks for item in (raw, cell, twin)] == [1, 2, 1], "only pretraining needs a gang"
    assert {(item.gpus_per_rank, item.cpus_per_rank) for item in (raw, cell, twin)} == {(0.5, 3.0)}


def test_what_is_not_identity_stands_in_the_settings(tmp_path: Path) -> None:
    plan = planned(tmp_path, GOOD + "retry: {oom: 4}\nwandb: {project: p}\ncheckpoint: {seconds: 5}\n")
    assert plan.settings == {
        "retry": {"lost": 3, "oom": 4, "hung": 1, "diverged": 0, "bad_data": 0},
        "deadline": {"pretrain": 21600.0, "evaluate": 3600.0},
        "checkpoint": {"seconds": 5.0},
        "wandb": {"mode": "offline", "project": "p"},
    }


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (["coder/boxes/1"], ["coder/boxes/1"]),
        (["coder/boxes"], ["coder/boxes/0", "coder.untrained/boxes/0", "coder/boxes/1", "coder.untrained/boxes/1"]),
        (["*.untrained/*/0"], ["coder.untrained/boxes/0", "contrast.untrained/boxes/0"]),
        (["raw", "contrast/*/1"], ["raw/boxes/0", "contrast/boxes/1"]),
    ],
)
def test_only_selects_by_id_label_and_dataset(tmp_path: Path, only: list[str], expected: list[str]) -> None:
    plan = planned(tmp_path, "methods: all\ndatasets: [boxes]\nseeds: 2\n", only=only)
    assert [cell.id for cell in plan.cells] == expected


def test_only_that_selects_nothing(tmp_path: Path) -> None:
    with pytest.raises(SuiteErrors) as caught:
        planned(tmp_path, GOOD, only=["codr", "coder"])
    assert str(caught.value) == '--only codr: matches no cell; did you mean "coder"?'


def test_a_suite_is_named_after_its_file(tmp_path: Path) -> None:
    path = tmp_path / "my first.suite.yaml"
    path.write_text(GOOD)
    assert plan_suite(str(path), rosters=ROSTERS).suite == "my-first-suite"


def test_shipped_suites_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert suites.shipped() == (
        "ablations",
        "audio",
        "davis",
        "full",
        "mnist",
        "photographs",
        "quick",
        "rectangles",
        "text",
    )
    shipped = suites.locate("suites/quick.yaml")
    assert shipped is not None
    assert shipped == suites.locate("quick") == suites.locate("quick.yaml")
    assert suites.locate("other/quick.yaml") is None
    assert suites.locate("nothing") is None
    assert suites.locate("a\0b") is None
    (tmp_path / "suites").mkdir()
    shutil.copy(shipped, tmp_path / "suites" / "quick.yaml")
    assert suites.locate("suites/quick.yaml") == Path("suites/quick.yaml"), "the user's own file comes first"


#: Suites of a user's own files.
USERS = {"audio", "davis", "mnist", "photographs", "text"}


@pytest.mark.parametrize("name", sorted({*suites.shipped()} - USERS))
def test_shipped_suites_are_sound(name: str) -> None:
    plan = plan_suite(name)
    assert plan.suite == name
    fit = (
        "excluded: ",
        "it learns from images",
        "it cuts patches",
        "it colours frames",
        "it reads text",
        "color: ",
        "images of",
        "it predicts",
    )
    assert all(pair.reason.startswith(fit) for pair in plan.not_applicable), "each for what the data are"
    assert len({cell.label for cell in plan.cells}) > 2


@pytest.mark.parametrize("name", ["quick", "full", "rectangles"])
def test_a_plain_autoencoder_stands_beside_the_denoising_one(name: str) -> None:
    plan = plan_suite(name)
    assert any(cell.label == "raw" for cell in plan.cells)
    sae = next(cell for cell in plan.cells if cell.label == "sae" and cell.control is None)
    assert trained(sae).initialisation.config["corruption"]["level"] == 0
