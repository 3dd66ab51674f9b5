"""Every method of the roster, and the toys, keep the contract."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cluster import Gang
from harness.engine import Compute
from harness.pretrain import pretrain
from tests.contract import checks
from tests.contract.subjects import Subject, subjects
from tests.contract.two_ranks import curves, uncoupled

SUBJECTS = subjects()
every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=[subject.name for subject in SUBJECTS])
CHECKS = (
    checks.loss_is_finite,
    checks.gradients_reach_what_is_trained,
    checks.draw_is_keyed,
    checks.draw_is_per_example,
    checks.sums_add_up,
    checks.small_batch_is_overfitted,
    checks.encoding_ignores_batch_mates,
)


@every_subject
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Subject], None], subject: Subject) -> None:
    check(subject)


@every_subject
def test_state_round_trips(subject: Subject, tmp_path: Path) -> None:
    checks.state_round_trips(subject, tmp_path)


@every_subject
def test_a_cell_trains(subject: Subject) -> None:
    training = type(subject.training)(
        steps=4 * len(subject.build().stages()), batch_size=8, optimizer="adamw", learning_rate=1e-3
    )
    done = pretrain(
        subject.method,
        subject.config,
        training,
        subject.source,
        subject.source,
        seed=0,
        compute=Compute(engine="torch"),
    )
    assert done.result["proof"]["parameter_change"] > 0
    assert len(done.result["curve"]) == training.steps


@pytest.fixture(scope="module")
def over_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[list[float]]]]:
    """Losses of all uncoupled subjects, trained by a gang of two processes over gloo."""
    output = tmp_path_factory.mktemp("gang") / "losses.json"
    command = [sys.executable, "-m", "tests.contract.two_ranks", str(output)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, list[list[float]]]] = json.loads(output.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("subject", uncoupled(), ids=[subject.name for subject in uncoupled()])
def test_two_ranks_lose_as_one(subject: Subject, over_two_ranks: dict[str, dict[str, list[list[float]]]]) -> None:
    alone = torch.tensor(curves(subject, Gang()))
    for engine, losses in over_two_ranks[subject.name].items():
        together = torch.tensor(losses)
        apart = ((together - alone[:, : together.shape[1]]) / together).abs().max()
        assert apart <= 1e-5, f"{engine}: relative difference {float(apart):.1e}"
