"""The linear probe on positions, pairs, real values and spans."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from harness.metrics import METRICS
from harness.protocols import Solution, _linear_spans
from harness.protocols.linear import Linear, LinearConfig
from methods import Keys
from tests.harness.protocols import texts
from tests.harness.protocols.texts import Problem

KEYS = Keys.of(0, "linear")
PROBLEMS: dict[str, Callable[[], Problem]] = {
    "position": texts.positions,
    "pair": texts.pairs,
    "similarity": lambda: texts.pairs(numbers=True),
    "regression": texts.values,
    "span": texts.spans,
}
each_kind = pytest.mark.parametrize("kind", PROBLEMS)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def _solve(problem: Problem, **config: Any) -> Solution:
    return Linear(LinearConfig(**config)).solve(problem.view, problem.task, KEYS)


@each_kind
def test_learns_and_says_how(kind: str) -> None:
    problem = PROBLEMS[kind]()
    solution = _solve(problem)
    predictions = np.asarray(solution.predictions)
    assert predictions.shape == problem.truth.shape
    assert predictions.dtype == (np.float64 if kind in ("similarity", "regression") else np.int64)
    if kind == "span":
        assert np.mean((predictions == problem.truth).all(1)) > 0.9
    else:
        assert METRICS[problem.task.metric].compute(predictions, problem.truth) > (
            0.6 if kind == "similarity" else 0.85
        )
    selection = json.loads(json.dumps(solution.selection, allow_nan=False))
    ranks = list(zip(selection[f"val_{problem.task.metric}"], np.negative(selection["val_loss"]), strict=True))
    assert selection["grid"].index(selection["winner"]) in [i for i, rank in enumerate(ranks) if rank == max(ranks)]


@each_kind
def test_the_choice_does_not_depend_on_test(kind: str) -> None:
    problem = PROBLEMS[kind]()
    honest = _solve(problem)
    moved = _solve(replace(problem, view=problem.view._replace(test=problem.view.train)))
    assert moved.selection == honest.selection


@pytest.mark.parametrize("kind", ["regression", "similarity"])
def test_the_penalty_is_chosen_by_the_tasks_metric(kind: str) -> None:
    """A correlation turns round with the signs of val's values; the squared error would choose otherwise."""
    problem = PROBLEMS[kind]()
    honest = _solve(problem).selection
    turned = _solve(replace(problem, view=problem.view._replace(val_targets=-problem.view.val_targets))).selection
    name = f"val_{problem.task.metric}"
    assert turned[name] == pytest.approx([-value for value in honest[name]])
    assert turned["winner"] == turned["grid"][int(np.argmax(turned[name]))] != honest["winner"]


def test_values_that_are_all_the_same_are_refused() -> None:
    problem = texts.values()
    view = problem.view._replace(train_targets=torch.ones_like(problem.view.train_targets))
    with pytest.raises(ValueError, match="values of train are the same"):
        _solve(replace(problem, view=view))


def test_a_class_of_positions_that_train_lacks_is_never_predicted() -> None:
    problem = texts.positions()
    targets = problem.view.train_targets.clone()
    targets[targets == 3] = 0
    solution = _solve(replace(problem, view=problem.view._replace(train_targets=targets)))
    assert set(np.asarray(solution.predictions).tolist()) == {0, 1, 2}
    assert any("never predicted: d" in text for text in solution.warnings)


def test_answers_beyond_what_the_encoder_reads_do_not_teach_and_are_told() -> None:
    problem = texts.spans()
    beyond = [row + (500 if index < 40 else 0) for index, row in enumerate(problem.view.train_targets)]
    solution = _solve(replace(problem, view=problem.view._replace(train_targets=beyond)))
    assert solution.selection["fitted_examples"] == 110
    assert any("40 of 150 answers of train lie beyond" in text for text in solution.warnings)
    assert np.mean((np.asarray(solution.predictions) == problem.truth).all(1)) > 0.8
    for name, match in (("train_targets", "of train"), ("val_targets", "of val")):
        targets = [row + 500 for row in getattr(problem.view, name)]
        with pytest.raises(ValueError, match=f"no answer {match}"):
            _solve(replace(problem, view=problem.view._replace(**{name: targets})))


def test_any_accepted_answer_counts_on_val_the_first_teaches() -> None:
    problem = texts.spans()
    turned = [row[::-1] if index % 2 else row for index, row in enumerate(problem.view.val_targets)]
    told = _solve(replace(problem, view=problem.view._replace(val_targets=turned))).selection
    assert told["val_span_f1"] == _solve(problem).selection["val_span_f1"]
    blank = [row[::-1] for row in problem.view.train_targets]  # "" at byte 0: no token
    with pytest.raises(ValueError, match="no answer of train"):
        _solve(replace(problem, view=problem.view._replace(train_targets=blank)))


def test_a_sample_is_fitted_where_the_tokens_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = texts.spans()
    monkeypatch.setattr(_linear_spans, "ROOM", 150 * 5 * 64 // 2)
    solution = _solve(problem)
    fitted = solution.selection["fitted_examples"]
    assert 50 < fitted < 100
    assert f"fitted on {fitted} of 150 examples of train, whose tokens fit in memory" in solution.warnings
    assert _solve(problem).selection == solution.selection


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_local_features_that_are_not_finite_are_refused(split: str) -> None:
    problem = texts.spans()
    broken = texts.encoder()
    with torch.no_grad():
        broken.words.weight[:] = float("nan")
    part = getattr(texts.spans(broken).view, split)
    with pytest.raises(ValueError, match=f"features of {split} are not finite"):
        _solve(replace(problem, view=problem.view._replace(**{split: part})))
