"""The DAVIS suite end to end on tiny files: the board says what was pretrained on, and nothing leaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import harness
from harness.run import COMPLETE, Where, run_suite
from tests.harness.datasets.video_files import frame, save, save_badja, save_davis

pytestmark = pytest.mark.usefixtures("dataset_cache")


def test_the_shipped_suite_runs_on_two_tiny_sequences(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10, "cat": 12, "libby": 8, "motocross-jump": 8})
    for path in root.glob("JPEGImages/480p/*/*.png"):  # colours that stay: there would be nothing to copy otherwise
        save(path, np.roll(frame(path.parent.name, 0), int(path.stem), axis=1))
    save_badja(root / "BADJA", "cat", {1: {33: (500, 500), 8: (600, 900)}, 4: {33: (500, 600), 8: (600, 960)}})
    sets = [
        *(f"datasets.{label}.config.path={root}" for label in ("davis", "davis_chosen")),
        *(f"datasets.{label}.config.resolution=24" for label in ("davis", "davis_chosen")),
        "datasets.davis.config.joints=BADJA",
        "methods.colorization.config.size=[16, 16]",
        "pretrain.steps=8",
        "resources.engine=torch",
    ]
    store = tmp_path / "store"
    options = {"only": [], "seeds": None, "retry_failed": False, "json_lines": False}
    code = run_suite("davis", store=store, sets=sets, where=Where(local=True), **options)  # type: ignore[arg-type]
    assert code == COMPLETE
    board = harness.records(store).filter(pl.col("primary"))
    assert set(board["dataset"]) == {"davis", "davis_chosen"}
    assert set(board.filter(pl.col("dataset") == "davis")["task"].drop_nulls()) == {"masks", "keypoints"}
    assert board["value"].is_not_null().all()
    seen = dict(board.group_by("control").agg(pl.col("transductive").all()).iter_rows())
    assert seen[None], "pretraining saw the tested frames"
    assert not seen["raw"]
    sizes = dict(board.filter(pl.col("task") == "masks").select("dataset", "test_size").unique().iter_rows())
    assert sizes == {"davis": 4, "davis_chosen": 2}
