"""Candidates of all ranks make two ranks lose as one; by default each rank has its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cluster import Gang
from harness.engine import Compute
from tests.methods.cpc.two_ranks import POOLS, trained

Found = dict[str, dict[str, list[float]]]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Found:
    output = tmp_path_factory.mktemp("gang") / "found.json"
    command = [sys.executable, "-m", "tests.methods.cpc.two_ranks", str(output)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    found: Found = json.loads(output.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("case", [*POOLS, "deepspeed"])
def test_two_ranks_lose_as_one(case: str, together: Found) -> None:
    """Every step, which takes the gradients too, and held out, where every rank has all examples."""
    alone = trained("mixed" if case == "deepspeed" else case, Gang(), Compute(engine="torch"))  # type: ignore[arg-type]
    for name, values in alone.items():
        torch.testing.assert_close(torch.tensor(together[case][name]), torch.tensor(values), rtol=2e-5, atol=0)


def test_a_rank_has_its_own_candidates_unless_told_otherwise(together: Found) -> None:
    assert all(fewer < more for fewer, more in zip(together["own"]["log_n"], together["mixed"]["log_n"], strict=True))
