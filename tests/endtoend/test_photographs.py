"""A user's own pictures, seen through: pretrained on some, judged on others, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import harness
from tests.endtoend.conftest import Run

SUITE = """\
name: own
preset: small
methods: [context_prediction]
datasets:
  - {name: images, config: {path: pictures, SETTINGS}}
pretrain: {steps: 1}
"""


def pictures(folder: Path, size: int = 40) -> Path:
    """Two classes of ten pictures of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (20, size, size, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        path = folder / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def no_picture(folder: Path) -> None:
    (folder / "class1" / "7.png").write_bytes(b"no picture")


def half_a_picture(folder: Path) -> None:
    path = folder / "class1" / "7.png"
    path.write_bytes(path.read_bytes()[:1000])


def nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("size", "settings", "damage", "says"),
    [
        (36, "", nothing, ["context_prediction on images", "36 x 36", "two patches of 17 with a gap of 2"]),
        (40, "channels: 1", nothing, ["context_prediction on images", "color: drop needs images of 3 channels"]),
        (40, "", no_picture, ["s.yaml:5: datasets[0]", "pictures/class1/7.png", "mend them, or take them out"]),
        (40, "", half_a_picture, ["pictures/class1/7.png", "truncated", "mend them, or take them out"]),
    ],
    ids=["too small", "gray", "no picture", "half a picture"],
)
def test_pictures_that_cannot_be_used(
    size: int, settings: str, damage: Callable[[Path], None], says: list[str], tmp_path: Path, harness_command: Run
) -> None:
    damage(pictures(tmp_path / "pictures", size))
    suite = tmp_path / "s.yaml"
    suite.write_text(SUITE.replace("SETTINGS", settings))
    ended = harness_command("run", suite, "--store", tmp_path / "runs", "--local")
    assert ended.code == 2, ended
    assert [part for part in says if part not in ended.err] == []
    assert "Traceback" not in ended.err


def test_the_suite_of_photographs_asks_for_folders(tmp_path: Path, harness_command: Run) -> None:
    ended = harness_command("plan", "photographs", "--store", tmp_path / "runs")
    assert ended.code == 2
    assert "datasets[0]: the dataset images cannot be used: there is no " in ended.err
    assert "datasets[0].pretrain_on: the dataset images cannot be used: there is no " in ended.err


def test_pretrained_on_some_photographs_and_judged_on_others(
    real_data: Callable[[str], Path], tmp_path: Path, harness_command: Run
) -> None:
    objects = real_data("caltech101_a") / "caltech101_a"
    judged = (
        f"path: {objects}, images: 101_ObjectCategories, train: train.txt, test: test.txt, limit: 300, size: [48, 48]"
    )
    store = tmp_path / "runs"
    ended = harness_command(
        *("run", "photographs", "--store", store, "--local", "--seeds", "0"),
        *("--set", f"datasets.objects.config={{{judged}}}"),
        *("--set", f"datasets.objects.pretrain_on.config.path={real_data('bsds500_val')}"),
        *("--set", "datasets.objects.pretrain_on.config.size=[48, 48]"),
        *("--set", "pretrain.steps=40", "--set", "evaluate.protocols=[knn]"),
    )
    assert ended.code == 0, ended.err
    rows = harness.records(store).filter(primary=True, protocol="knn").iter_rows(named=True)
    scores = {row["control"]: row["value"] for row in rows}
    assert scores[None] > 2 / 15, "twice chance"
    assert {"raw", "untrained"} <= set(scores)
