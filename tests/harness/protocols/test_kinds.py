"""Which protocols are asked about which tasks, and that those solve them which need no test of their own for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from harness.datasets import Task
from harness.metrics import METRICS
from harness.protocols import roster
from harness.resolution import ResolvedProtocol
from methods import Keys
from tests.harness.protocols import texts

TASKS: Mapping[str, Task] = {
    "class": Task(name="t", kind="class", metric="accuracy", classes=("a", "b"), chance=0.5),
    "pair": Task(name="t", kind="pair", metric="accuracy", classes=("a", "b"), chance=0.5),
    "similarity": Task(name="t", kind="pair", metric="spearman", chance=0.0),
    "regression": Task(name="t", kind="regression", metric="spearman", chance=0.0),
    "position": Task(name="t", kind="position", metric="position_accuracy", classes=("a", "b"), chance=0.5),
    "span": Task(name="t", kind="span", metric="span_f1", chance=0.0),
}
ALL = set(TASKS)


@pytest.mark.parametrize(
    ("name", "solved"),
    [
        ("linear", ALL),
        ("finetune", ALL),
        ("knn", {"class", "pair", "position"}),
        ("majority", {"class", "pair", "position"}),
        ("svm_linear", {"class", "pair"}),
        ("svm_rbf", {"class", "pair"}),
    ],
)
def test_what_each_is_asked(name: str, solved: set[str]) -> None:
    kind = roster()[name]
    protocol = ResolvedProtocol.of(kind, kind.Config())
    assert {own for own, task in TASKS.items() if protocol.solves(task, "text")} == solved


@pytest.mark.parametrize("name", ["knn", "svm_linear", "svm_rbf", "majority"])
def test_pairs_are_solved_and_chosen_by_the_tasks_metric(name: str) -> None:
    torch.set_num_threads(1)
    problem = texts.pairs()
    kind = roster()[name]
    solution = kind(kind.Config()).solve(problem.view, problem.task, Keys.of(0, name))
    value = METRICS["f1"].compute(np.asarray(solution.predictions), problem.truth)
    yes = problem.truth.mean()
    assert value == pytest.approx(2 * yes / (1 + yes)) if name == "majority" else value > 2 * yes / (1 + yes)
    if name != "majority":
        assert len(solution.selection["val_f1"]) == len(solution.selection["grid"])


@pytest.mark.parametrize("name", ["knn", "majority"])
def test_positions_are_solved(name: str) -> None:
    problem = texts.positions()
    kind = roster()[name]
    solution = kind(kind.Config()).solve(problem.view, problem.task, Keys.of(0, name))
    accuracy = np.mean(np.asarray(solution.predictions) == problem.truth)
    assert accuracy > 0.95 if name == "knn" else 0.15 < accuracy < 0.35
