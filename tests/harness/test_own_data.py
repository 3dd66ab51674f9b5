"""Suites that name a user's own files: where paths start, what a plan keeps of them, how bad files are told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness import cli
from harness.failures import UserError
from harness.mistakes import SuiteErrors
from harness.plan import Plan, Pretraining, plan_from_json, plan_to_json
from harness.planning import plan_suite
from harness.rosters import Rosters
from harness.run import COMPLETE, Where, run_suite
from harness.store import Store
from tests.harness.datasets.own_files import images as random_images
from tests.harness.datasets.own_files import labels as all_labels
from tests.harness.datasets.own_files import save_classes, save_idx, save_picture

pytestmark = pytest.mark.usefixtures("dataset_cache")

SUITE = """
name: mine
methods: [sdae]
datasets:
  - {name: images, as: pets, config: {path: pets, channels: 1}}
pretrain: {steps: 10}
"""


def suite(folder: Path, text: str = SUITE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s.yaml").write_text(text)
    return folder / "s.yaml"


def choices(plan: Plan) -> set[str]:
    return {cell.dataset.location["path"] for cell in plan.cells}


def test_paths_start_at_the_suite_and_on_the_command_line_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = suite(tmp_path / "suites")
    for place in ("suites/pets", "elsewhere/others"):
        save_classes(tmp_path / place, {"cat": 10, "dog": 10})
    (tmp_path / "elsewhere").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert choices(plan_suite("../suites/s.yaml")) == {str(tmp_path / "suites" / "pets")}
    assert choices(plan_suite(str(path), sets=["datasets.pets.config.path=../elsewhere/others"])) == {
        str(tmp_path / "elsewhere" / "others")
    }
    monkeypatch.setenv("HOME", str(tmp_path / "suites"))
    assert choices(plan_suite(str(path), sets=["datasets.pets.config.path=~/pets"])) == {
        str(tmp_path / "suites" / "pets")
    }


def test_a_folder_that_moves_with_its_suite_changes_no_fingerprint(tmp_path: Path) -> None:
    plans = []
    for place in ("here", "there"):
        path = suite(tmp_path / place)
        save_classes(tmp_path / place / "pets", {"cat": 10, "dog": 10})
        plans.append(plan_suite(str(path)))
    here, there = plans
    assert here.cells == there.cells
    assert [list(cell.wanted) for cell in here.cells] == [list(cell.wanted) for cell in there.cells]
    assert choices(here) != choices(there)


def test_a_plan_on_disk_keeps_where_the_files_lie(tmp_path: Path) -> None:
    path = suite(tmp_path)
    save_classes(tmp_path / "pets", {"cat": 10, "dog": 10})
    plan = plan_suite(str(path))
    again = plan_from_json(plan_to_json(plan))
    assert choices(again) == choices(plan)
    trained = next(cell.encoder for cell in again.cells if isinstance(cell.encoder, Pretraining))
    assert trained.initialisation.dataset.location == {"path": str(tmp_path / "pets")}
    assert "path" not in trained.initialisation.dataset.config


def test_a_corpus_without_labels_is_pretrained_on_and_never_judged(tmp_path: Path) -> None:
    save_classes(tmp_path / "pets", {"cat": 10, "dog": 10})
    save_classes(tmp_path / "all", {"corpus": 30}, "corpus")
    text = """
methods: [sdae]
datasets:
  - {name: images, as: pets, config: {path: pets, channels: 1}, pretrain_on: corpus}
  - {name: images, as: corpus, config: {path: all/corpus, channels: 1}}
pretrain: {steps: 10}
"""
    plan = plan_suite(str(suite(tmp_path, text)))
    assert {cell.dataset_label for cell in plan.cells} == {"pets"}
    (encoder,) = [cell.encoder for cell in plan.cells if isinstance(cell.encoder, Pretraining)]
    assert encoder.initialisation.dataset.location == {"path": str(tmp_path / "all" / "corpus")}
    (refused,) = plan.not_applicable
    assert (refused.dataset, refused.label) == ("corpus", "sdae")
    assert refused.reason == "corpus has no labels: others may be pretrained on it"


#: Where the text suite's datasets lie in the real data of development.
TEXTS = {
    "wikitext": "wikitext-2",
    "sst2": "sentence_classification",
    "cola": "glue/CoLA",
    "mrpc": "glue/MRPC",
    "ud": "UD_English-LinES",
    "xquad": "xquad",
}


def test_the_text_suite_reads_published_tables_and_trains_one_encoder_a_seed(
    real_data: Callable[[str], Path],
) -> None:
    folder = real_data("text_dev") / "text_dev"
    plan = plan_suite("text", sets=[f"datasets.{name}.config.path={folder / path}" for name, path in TEXTS.items()])
    assert {cell.dataset_label for cell in plan.cells} >= {"sst2", "cola"}
    assert "wikitext" not in {cell.dataset_label for cell in plan.cells}
    trained = {cell.encoder.fingerprint for cell in plan.cells if isinstance(cell.encoder, Pretraining)}
    assert len(trained) == len({cell.seed for cell in plan.cells if isinstance(cell.encoder, Pretraining)})


def test_the_audio_suite_asks_new_speakers_and_who_speaks(real_data: Callable[[str], Path]) -> None:
    path = real_data("fsdd") / "recordings"
    plan = plan_suite("audio", sets=[f"datasets.{name}.config.path={path}" for name in ("new_speakers", "fsdd")])
    asked = {(cell.dataset_label, each.task) for cell in plan.cells for each in cell.evaluations}
    assert asked == {("new_speakers", "digit"), ("fsdd", "digit"), ("fsdd", "speaker")}
    assert {"mfcc", "log_mel", "cpc"} <= {cell.label for cell in plan.cells}
    assert not plan.not_applicable


def test_all_leaves_out_what_needs_a_path(tmp_path: Path) -> None:
    plan = plan_suite(str(suite(tmp_path, "methods: [sdae]\ndatasets: all\npretrain: {steps: 10}\n")))
    own = {"arrays", "audio", "conllu", "idx", "images", "librispeech", "parquet", "plain_text", "squad", "text_table"}
    assert own <= set(Rosters.installed().datasets)
    assert not own & {cell.dataset.name for cell in plan.cells}


BAD = """
methods: [sdae]
datasets:
  - digits
  - {name: images, as: gone, config: {path: gone}}
  - name: images
    as: empty
    config:
      path: empty
  - {name: idx, as: short, config: {path: short}}
  - {name: digits, as: other, pretrain_on: {name: images, config: {path: gone}}}
  - {name: images, as: keyless}
  - {name: images, as: misspelt, config: {path: pets, sise: [8, 8]}}
"""


def test_bad_files_are_told_all_at_once_at_the_lines_of_the_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = suite(tmp_path, BAD)
    (tmp_path / "empty").mkdir()
    save_idx(tmp_path / "short" / "images-idx3-ubyte", random_images(20))
    save_idx(tmp_path / "short" / "labels-idx1-ubyte", all_labels(19))
    with pytest.raises(SuiteErrors) as caught:
        plan_suite(str(path))
    told = {str(mistake.place).rpartition(":")[2]: mistake.message for mistake in caught.value.mistakes}
    assert list(told) == ["5", "6", "10", "11", "12", "13"]
    assert f"the dataset images cannot be used: there is no {tmp_path / 'gone'};" in told["5"]
    assert "holds no pictures" in told["6"]
    assert "holds 20 images, but" in told["10"]
    assert f"there is no {tmp_path / 'gone'}" in told["11"]
    assert '"path" is missing' in told["12"]
    assert 'did you mean "size"?' in told["13"]
    monkeypatch.setattr(sys, "argv", ["harness", "plan", str(path), "--store", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 2
    assert f"{path}:10: datasets[3]" in capsys.readouterr().err


def run(path: Path, store: Path) -> int:
    options = {"sets": (), "only": (), "seeds": None, "retry_failed": False, "json_lines": True}
    return run_suite(str(path), store=store, where=Where(local=True), **options)  # type: ignore[arg-type]


RUN = """
name: mine
methods: [{name: sdae, config: {layers: 1, width: 8}}]
datasets:
  - {name: arrays, as: own, config: {path: own.npz}, pretrain_on: corpus}
  - {name: images, as: corpus, config: {path: corpus, channels: 1}}
pretrain: {steps: 20}
resources: {engine: torch}
wandb: {mode: disabled}
"""


def save_own(folder: Path, spoilt: bool) -> Path:
    path = suite(folder, RUN)
    for index, picture in enumerate(random_images(30, "corpus")):
        save_picture(folder / "corpus" / f"{index}.png", picture)
    pixels = random_images(60).astype(np.float32) / 255
    pixels[7, 2, 2] = np.nan if spoilt else 0
    np.savez(folder / "own.npz", images=pixels, labels=all_labels(60))
    return path


def test_a_corpus_of_pictures_and_labelled_arrays_go_through_a_whole_run(tmp_path: Path) -> None:
    assert run(save_own(tmp_path, spoilt=False), tmp_path / "runs") == COMPLETE
    records = Store.open(tmp_path / "runs").records()
    assert {record.dataset for record in records if record.kind == "evaluation"} == {"own"}


def test_values_that_are_not_finite_stop_a_run_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"own.npz, array 'images': .*must be finite(?s:.*)image 7: nan"):
        run(save_own(tmp_path, spoilt=True), tmp_path / "runs")
    assert not list(Store.open(tmp_path / "runs").records())
