"""Fine-tuning on positions, pairs, real values and spans."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness.metrics import METRICS
from harness.order import Order, positions
from harness.pairing import JoinedModule
from harness.protocols import Solution
from harness.protocols.finetune import Finetune, FinetuneConfig
from harness.protocols.linear import Linear, LinearConfig
from methods import Features, Keys, Training
from tests.harness.protocols import texts
from tests.harness.protocols.texts import Problem, Words

KEYS = Keys.of(0, "finetune")
QUICK: dict[str, Any] = {"epochs": 8, "batch_size": 10, "learning_rates": (0.01, 0.03), "optimizer": "adam"}
PROBLEMS: dict[str, Callable[..., Problem]] = {
    "position": texts.positions,
    "pair": texts.pairs,
    "similarity": lambda method=None: texts.pairs(method, numbers=True),
    "regression": texts.values,
    "span": texts.spans,
}
each_kind = pytest.mark.parametrize("kind", PROBLEMS)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def _solve(problem: Problem, **config: Any) -> Solution:
    return Finetune(FinetuneConfig(**{**QUICK, **config})).solve(problem.view, problem.task, KEYS)


@each_kind
def test_learns_and_says_how(kind: str) -> None:
    problem = PROBLEMS[kind]()
    solution = _solve(problem)
    predictions = np.asarray(solution.predictions)
    assert predictions.shape == problem.truth.shape
    assert predictions.dtype == (np.float64 if kind in ("similarity", "regression") else np.int64)
    if kind == "span":
        assert np.mean((predictions == problem.truth).all(1)) > 0.85
    else:
        assert METRICS[problem.task.metric].compute(predictions, problem.truth) > 0.85
    selection = json.loads(json.dumps(solution.selection, allow_nan=False))
    name = f"val_{problem.task.metric}"
    values = [(run[name], -run["val_loss"]) for run in selection["runs"]]
    assert selection["winner"] == selection["grid"][values.index(max(values))]
    for run in selection["runs"]:
        assert run[name] == max(run["curve"][name]), "a curve of few looks holds the best"


@each_kind
def test_the_choice_does_not_depend_on_test(kind: str) -> None:
    problem = PROBLEMS[kind]()
    honest = _solve(problem, epochs=2)
    moved = _solve(replace(problem, view=problem.view._replace(test=problem.view.train)), epochs=2)
    assert moved.selection == honest.selection
    again = _solve(problem, epochs=2)
    assert np.array_equal(np.asarray(again.predictions), np.asarray(honest.predictions))


@pytest.mark.parametrize("kind", ["position", "span"])
def test_the_supervised_control_solves_it(kind: str) -> None:
    """The budget of a pretraining, in its own words; from the untrained state."""
    training = Training(steps=600, batch_size=10, optimizer="adam", learning_rate=0.02)
    config = Finetune.supervised(training)
    problem = PROBLEMS[kind]()
    solution = Finetune(config).solve(problem.view, problem.task, KEYS)
    predictions = np.asarray(solution.predictions)
    if kind == "span":
        assert np.mean((predictions == problem.truth).all(1)) > 0.85
    else:
        assert METRICS[problem.task.metric].compute(predictions, problem.truth) > 0.85
    assert isinstance(problem.view.encoder, Words if kind == "position" else JoinedModule)


def _assert_equal_losses(
    problem: Problem, loss: Callable[[Mapping[str, Features], torch.nn.Linear, Tensor], Tensor]
) -> None:
    """The first looks at the training loss against a plain loop, whose loss is told for the examples at `ids`."""
    view = problem.view
    solution = _solve(problem, steps=6, epochs=None, check_every=1e-9, learning_rates=(0.1,), optimizer="sgd")
    encoder: Any = copy.deepcopy(view.encoder)
    outputs = {"position": 4, "regression": 1, "span": 2}[problem.task.kind]
    width = 64 if problem.task.kind == "span" else 16
    head = torch.nn.Linear(width, outputs)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    weights = [*encoder.parameters(), *head.parameters()]
    order = Order(KEYS.fold("order").seed(), len(view.train.ids))
    losses = []
    for step in range(6):
        ids = order.ids(positions(step, 10, 0, 1))
        value = loss(encoder.encode(encoder.examples(view.train.source, ids)), head, ids)
        found = torch.autograd.grad(value, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, found, strict=True):
                weight -= 0.1 * gradient
        losses.append(float(value.detach()))
    assert losses[0] != pytest.approx(losses[-1], rel=1e-3)
    assert solution.selection["runs"][0]["curve"]["train_loss"] == pytest.approx(losses, rel=1e-4)


def test_positions_equal_a_plain_loop() -> None:
    problem = texts.positions()
    lengths = [len(row) for row in problem.view.train.positions or []]
    targets = torch.split(problem.view.train_targets, lengths)

    def loss(found: Mapping[str, Features], head: torch.nn.Linear, ids: Tensor) -> Tensor:
        local = found["bag"].local
        assert local is not None
        rows = [local[place, : lengths[index]] for place, index in enumerate(ids.tolist())]  # every word has a label
        return functional.cross_entropy(head(torch.cat(rows)), torch.cat([targets[index] for index in ids.tolist()]))

    _assert_equal_losses(problem, loss)


def test_values_equal_a_plain_loop() -> None:
    problem = texts.values()
    targets = problem.view.train_targets
    scaled = ((targets - targets.mean()) / targets.std(correction=0)).float()

    def loss(found: Mapping[str, Features], head: torch.nn.Linear, ids: Tensor) -> Tensor:
        return (head(found["bag"].pooled)[:, 0] - scaled[ids]).square().mean()

    _assert_equal_losses(problem, loss)


def test_spans_equal_a_plain_loop() -> None:
    problem = texts.spans()

    def loss(found: Mapping[str, Features], head: torch.nn.Linear, ids: Tensor) -> Tensor:
        features = found["bag"]
        assert features.local is not None
        assert features.mask is not None
        assert features.centers is not None
        total = torch.zeros(())
        for place, index in enumerate(ids.tolist()):
            own = features.mask[place]
            scores = head(features.local[place][own])
            token = (features.centers[place][own] == int(problem.view.train_targets[index][0, 0])).nonzero()[0, 0]
            total = total - functional.log_softmax(scores, 0)[token].sum()  # of one token: it begins and ends there
        return total / len(ids)

    _assert_equal_losses(problem, loss)


def test_a_batch_without_labelled_positions_does_no_harm() -> None:
    problem = texts.positions()
    solution = _solve(problem, batch_size=1, epochs=1)  # the fourth text of train has none
    assert all(run["ended"] != "diverged" for run in solution.selection["runs"])


def test_weights_are_trained_and_not_only_the_layer_on_top() -> None:
    """Of words that are all alike nothing can be told, until fine-tuning tells them apart."""
    method = texts.encoder()
    torch.nn.init.constant_(method.words.weight, 0.1)
    problem = texts.positions(method)
    frozen = Linear(LinearConfig()).solve(problem.view, problem.task, KEYS)
    assert np.mean(np.asarray(frozen.predictions) == problem.truth) < 0.4
    assert np.mean(np.asarray(_solve(problem, learning_rates=(0.03,)).predictions) == problem.truth) > 0.9


def test_a_class_that_train_lacks_is_never_predicted() -> None:
    problem = texts.positions()
    targets = problem.view.train_targets.clone()
    targets[targets == 3] = 0
    solution = _solve(replace(problem, view=problem.view._replace(train_targets=targets)), epochs=4)
    assert set(np.asarray(solution.predictions).tolist()) == {0, 1, 2}
    assert any("never predicted: d" in text for text in solution.warnings)


def test_answers_beyond_what_the_encoder_reads_do_not_teach_and_are_told() -> None:
    problem = texts.spans()
    beyond = [row + (500 if index < 40 else 0) for index, row in enumerate(problem.view.train_targets)]
    solution = _solve(replace(problem, view=problem.view._replace(train_targets=beyond)), epochs=5)
    assert any("40 of 150 answers of train lie beyond" in text for text in solution.warnings)
    assert np.mean((np.asarray(solution.predictions) == problem.truth).all(1)) > 0.6
    unread = [row + 500 for row in problem.view.train_targets]
    with pytest.raises(ValueError, match="no answer of train"):
        _solve(replace(problem, view=problem.view._replace(train_targets=unread)))


def test_values_that_are_all_the_same_are_refused() -> None:
    problem = texts.values()
    view = problem.view._replace(train_targets=torch.ones_like(problem.view.train_targets))
    with pytest.raises(ValueError, match="values of train are the same"):
        _solve(replace(problem, view=view))
