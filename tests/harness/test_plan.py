"""Plans as JSON: exact both ways, and no larger than what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.plan import cell_from_json, cell_to_json, plan_from_json, plan_to_json
from tests.harness.planning_toys import planned

TEXT = """
methods: [coder, contrast]
datasets: [boxes, words, {name: blobs, as: transfer, pretrain_on: boxes}]
seeds: 3
evaluate: {protocols: all}
resources: {deepspeed: {zero_optimization: {overlap_comm: true}}}
"""


def test_a_plan_survives_json(tmp_path: Path) -> None:
    plan = planned(tmp_path, TEXT)
    again = plan_from_json(json.loads(json.dumps(plan_to_json(plan))))
    assert again == plan
    assert [cell.wanted for cell in again.cells] == [cell.wanted for cell in plan.cells]


def test_every_cell_survives_json_alone(tmp_path: Path) -> None:
    for cell in planned(tmp_path, TEXT).cells:
        again = cell_from_json(json.loads(json.dumps(cell_to_json(cell))))
        assert again == cell
        assert list(again.wanted) == list(cell.wanted)


def test_what_cells_share_stands_once(tmp_path: Path) -> None:
    few, many = (plan_to_json(planned(tmp_path, TEXT, seeds=seeds)) for seeds in ("0", "0-99"))
    assert len(many["shared"]) == len(few["shared"])


def test_a_plan_of_another_version_is_not_guessed_at(tmp_path: Path) -> None:
    frozen = {**plan_to_json(planned(tmp_path, TEXT)), "version": 0}
    with pytest.raises(ValueError, match="a plan of version 0, but this harness reads 1; plan again"):
        plan_from_json(frozen)


def test_a_cell_names_its_method_and_dataset(tmp_path: Path) -> None:
    cells = {cell.id: cell for cell in planned(tmp_path, TEXT).cells}
    assert [cells[name].method for name in ("raw/boxes/0", "coder/boxes/0", "coder.untrained/boxes/0")] == [
        *(None, "coder", "coder")
    ]
    assert (cells["coder/transfer/0"].dataset.name, cells["coder/transfer/0"].dataset_label) == ("blobs", "transfer")
