"""Fine-tuning against a plain loop; what it leaves alone; and on what it chooses."""

from __future__ import annotations

import copy
import gc
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cluster import Failure, JobError
from harness.baselines.raw import RawInput
from harness.order import Order, positions, steps_per_stage
from harness.protocols import Solution, View, _whole_examples, roster
from harness.protocols._goals import Classes
from harness.protocols._readings import Pooled
from harness.protocols._tuning import Best, Learner, Part, Watch, tune
from harness.protocols._whole_examples import WholeExamples
from harness.protocols.finetune import Finetune, FinetuneConfig
from harness.schedule import learning_rate
from methods import Batch, Features, Keys, Training
from tests.harness.protocols import tunable
from tests.harness.protocols.tunable import TASK, Noted, built, view_of
from tests.toys import Layers, Pairs, ToyConfig, toy_source

KEYS = Keys.of(0, "finetune")
QUICK: dict[str, Any] = {"epochs": 30, "batch_size": 10, "learning_rates": (0.02, 0.3), "momentum": 0.9}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def _solve(view: View, keys: Keys = KEYS, **config: Any) -> Solution:
    return Finetune(FinetuneConfig(**{**QUICK, **config})).solve(view, TASK, keys)


def _tensors(encoder: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in encoder.state_dict().items()}


def test_learns_and_says_how() -> None:
    view, targets = view_of(built())
    solution = _solve(view)
    assert np.mean(solution.predictions == targets.numpy()) > 0.9
    assert solution.predictions.dtype == np.int64
    selection = json.loads(json.dumps(solution.selection, allow_nan=False))
    assert selection["grid"] == [0.02, 0.3]
    assert selection["budget_steps"] == 30 * 120 / 10
    values = [(run["val_accuracy"], -run["val_loss"]) for run in selection["runs"]]
    assert selection["winner"] == selection["grid"][values.index(max(values))]
    for run in selection["runs"]:
        assert len(run["curve"]["step"]) <= 51
        assert run["curve"]["step"][-1] == run["steps"] <= 360


def test_the_frozen_encoder_and_the_global_generators_stay_as_they_were() -> None:
    encoder = built(Noted)
    before, state = _tensors(encoder), torch.get_rng_state()
    view, _ = view_of(encoder)
    _solve(view, epochs=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert not encoder.training
    assert all(parameter.grad is None for parameter in encoder.parameters())
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_nothing_of_it_stays_in_memory() -> None:
    view, _ = view_of(built())
    _solve(view, epochs=1)
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Learner]


def test_repeats_to_the_bit_whatever_the_global_state() -> None:
    view, _ = view_of(built(Noted))
    torch.manual_seed(1)
    first = _solve(view, epochs=5)
    torch.manual_seed(2)
    second = _solve(view, epochs=5)
    assert first.selection == second.selection
    assert np.array_equal(first.predictions, second.predictions)
    other = _solve(view, keys=Keys.of(1, "finetune"), epochs=5)
    assert other.selection != first.selection


def test_equals_a_plain_loop() -> None:
    """SGD with momentum, decay, clipping and a schedule, from torch's own parts; best of all looks at val."""
    encoder = built()
    view, _ = view_of(encoder)
    schedule = {"weight_decay": 0.01, "clip_norm": 0.5, "schedule": "linear", "learning_rates": (0.3,)}
    solution = _solve(view, epochs=4, **schedule)
    train = encoder.examples(view.train.source, view.train.ids)["image"]
    order = Order(KEYS.fold("order").seed(), len(train))
    plain, head = copy.deepcopy(encoder), torch.nn.Linear(16, 4)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    weights = [*plain.parameters(), *head.parameters()]
    groups = [
        {"params": [each for each in weights if each.ndim > 1], "weight_decay": 0.01},
        {"params": [each for each in weights if each.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.3, momentum=0.9)
    losses = []
    for step in range(48):
        ids = order.ids(positions(step, 10, 0, 1))
        logits = head(plain.encode({"image": train[ids]})["layer2"].pooled)
        loss = functional.cross_entropy(logits, view.train_targets[ids])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 0.5)
        for group in optimizer.param_groups:
            group["lr"] = 0.3 * (1 - step / 48)
        optimizer.step()
        losses.append(loss.item())
    curve = solution.selection["runs"][0]["curve"]
    assert curve["step"] == list(range(6, 49, 6))  # as many updates apart as it takes to train on as many as val has
    assert curve["train_loss"] == pytest.approx(np.reshape(losses, (8, 6)).mean(1), rel=1e-5)


def _tuned(encoder: Any, view: View, steps: int, rate: float = 0.3) -> Learner:
    device = torch.device("cpu")
    learner, goal = Learner(encoder, "layer2", 16, 4, bf16=False), Classes(view, TASK, device)
    train = Part(WholeExamples(encoder, view.train, device), Pooled(), goal.train)
    val = Part(WholeExamples(encoder, view.val, device), Pooled(), goal.val)
    training = Training(steps=steps, batch_size=10, optimizer="sgd", learning_rate=rate, weight_decay=0.1)
    tune(learner, train, goal, training, Watch(val, goal, 0, Best()), seed=0, interval=5)
    return learner


def test_weights_that_the_representation_does_not_need_stay() -> None:
    encoder = built(Noted)  # with `norm` and two layers; its stages hold decoders besides
    view, _ = view_of(encoder)
    unused = torch.nn.Linear(3, 3)
    encoder.add_module("decoder", unused)
    learner = _tuned(encoder, view, steps=20)
    changed = {
        name
        for (name, new), old in zip(learner.encoder.named_parameters(), encoder.parameters(), strict=True)
        if not torch.equal(new, old)
    }
    assert changed == {f"layers.{i}.{part}" for i in (0, 1) for part in ("weight", "bias")} | {
        "norm.weight",
        "norm.bias",
    }


def test_modes() -> None:
    """Training mode on training batches, evaluation mode on val and test; statistics move in the former only."""
    encoder = built(Noted)
    assert isinstance(encoder, Noted)
    view, _ = view_of(encoder)
    _solve(view, epochs=4, learning_rates=(0.1,))
    trained = [size for training, size in encoder.modes if training]
    judged = [size for training, size in encoder.modes if not training]
    assert trained == [10] * 48
    assert judged == [1] + [60] * 8 + [60]  # the width; 8 looks at val; test once
    learner = _tuned(encoder, view, steps=20)
    assert isinstance(learner.encoder, Noted)
    assert int(learner.encoder.norm.num_batches_tracked) == 20


def test_each_example_is_decoded_once_where_all_fit() -> None:
    encoder = built(Noted)
    assert isinstance(encoder, Noted)
    view, _ = view_of(encoder)
    _solve(view, epochs=4)
    parts = (view.train, view.val, view.test)
    assert sorted(encoder.decoded) == sorted(int(index) for part in parts for index in part.ids)


def test_what_does_not_fit_is_decoded_each_time_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    view, _ = view_of(built())
    kept = _solve(view, epochs=3)
    monkeypatch.setattr(_whole_examples, "ROOM", 1000)
    assert not WholeExamples(view.encoder, view.train, torch.device("cpu")).kept
    anew = _solve(view, epochs=3)
    assert anew.selection == kept.selection
    assert np.array_equal(anew.predictions, kept.predictions)


class _OwnLength(Pairs):
    """Pads to the longest document of the batch."""

    def examples(self, source: Any, ids: Tensor) -> Batch:
        words = super().examples(source, ids)["words"]
        return {"words": words[:, : int((words > 0).sum(1).max())]}


def test_batches_of_their_own_shape_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_whole_examples, "BATCH", 4)
    source = toy_source("text")
    encoder = _OwnLength(ToyConfig(), source.spec, _OwnLength.fit(ToyConfig(), source, KEYS))
    part = tunable.Part(source, torch.arange(10, 30))
    examples = WholeExamples(encoder, part, torch.device("cpu"))
    assert not examples.kept
    assert [len(batch["words"]) for _, batch in examples.in_order()] == [4] * 5
    assert torch.cat([places for places, _ in examples.in_order()]).tolist() == list(range(20))
    expected = encoder.examples(source, torch.tensor([13, 10]))["words"]
    assert torch.equal(examples.batch(torch.tensor([3, 0]))["words"], expected)


def test_test_changes_nothing_but_its_own_predictions() -> None:
    view, _ = view_of(built(Noted))
    honest = _solve(view, epochs=5)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    mixed = _solve(view._replace(test=tunable.Part(view.test.source, view.test.ids[order])), epochs=5)
    assert mixed.selection == honest.selection
    assert np.array_equal(mixed.predictions, honest.predictions[order.numpy()])
    poison = _solve(view._replace(test=tunable.Part(toy_source("image", seed=9), torch.arange(7))), epochs=5)
    assert (poison.selection, poison.warnings) == (honest.selection, honest.warnings)


def test_the_rate_is_chosen_on_val() -> None:
    """The larger rate learns more; val relabelled to agree with the smaller one makes that win all the same."""
    view, _ = view_of(built())
    assert _solve(view).selection["winner"] == 0.3
    agreeing = torch.from_numpy(_solve(view._replace(test=view.val), learning_rates=(0.02,)).predictions)
    assert not torch.equal(agreeing, view.val_targets)
    moved = _solve(view._replace(val_targets=agreeing))
    assert moved.selection["winner"] == 0.02
    alone = _solve(view._replace(val_targets=agreeing), learning_rates=(0.02,))
    assert np.array_equal(moved.predictions, alone.predictions)


def test_the_weights_of_the_best_look_predict_and_not_the_last() -> None:
    """Val is relabelled so that the look after 20 of 100 updates is the best."""
    view, _ = view_of(built())
    short = {"learning_rates": (0.3,), "epochs": None, "check_every": 10 / 12, "patience": 0}
    early = _solve(view, steps=20, **short)
    as_val = view._replace(test=view.val)
    answers = torch.from_numpy(_solve(as_val, steps=20, **short).predictions)
    late = _solve(view._replace(val_targets=answers), steps=100, **short)
    assert late.selection["runs"][0]["best_step"] == 20
    assert late.selection["runs"][0]["steps"] == 100
    assert np.array_equal(late.predictions, early.predictions)


def test_patience_ends_a_training_that_gets_no_better() -> None:
    view, _ = view_of(built())
    stuck = _solve(view, learning_rates=(1e-12,), patience=3)
    assert stuck.selection["runs"][0]["ended"] == "patience"
    assert stuck.selection["runs"][0]["steps"] < 360
    endless = _solve(view, learning_rates=(1e-12,), patience=0)
    assert (endless.selection["runs"][0]["ended"], endless.selection["runs"][0]["steps"]) == ("budget", 360)


def test_a_best_last_look_is_warned_about() -> None:
    view, _ = view_of(built())
    solution = _solve(view, epochs=2, learning_rates=(1e-4,))
    assert any("best at the last look" in text for text in solution.warnings)


def test_a_rate_that_diverges_is_given_up_and_named() -> None:
    view, _ = view_of(built())
    solution = _solve(view, epochs=10, learning_rates=(0.3, 1e38))
    assert solution.selection["winner"] == 0.3
    assert solution.selection["runs"][1]["ended"] == "diverged"
    assert "fine-tuning diverged at learning rate 1e+38" in solution.warnings
    json.dumps(solution.selection, allow_nan=False)


def test_divergence_everywhere_is_a_failure_of_its_kind() -> None:
    view, _ = view_of(built())
    with pytest.raises(JobError, match=r"diverged at every learning rate \(1e\+38\)") as caught:
        _solve(view, learning_rates=(1e38,))
    assert caught.value.failure is Failure.DIVERGED


def test_the_edge_of_the_rates_is_warned_about() -> None:
    view, _ = view_of(built())
    assert any("learning rate" in text and "edge" in text for text in _solve(view).warnings)


def test_a_class_that_train_lacks_is_warned_about_and_never_predicted() -> None:
    view, _ = view_of(built())
    kept = view.train_targets != 1
    part = tunable.Part(view.train.source, view.train.ids[kept])
    solution = _solve(view._replace(train=part, train_targets=view.train_targets[kept]))
    assert "1 of 4 classes never occur in train and are never predicted: b" in solution.warnings
    assert set(solution.predictions.tolist()) == {0, 2, 3}
    best = max(run["val_accuracy"] for run in solution.selection["runs"])
    assert best <= float((view.val_targets != 1).double().mean())


class _Detached(Layers):
    """Its features are cut from its weights."""

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return {name: Features(each.pooled.detach()) for name, each in super().encode(batch).items()}


@pytest.mark.parametrize(("encoder", "text"), [(RawInput(), "encoder with weights"), (built(_Detached), "no gradient")])
def test_what_cannot_be_trained_is_refused(encoder: Any, text: str) -> None:
    view, _ = view_of(encoder)
    with pytest.raises(ValueError, match=text):
        _solve(view)


def test_bfloat16_learns_too() -> None:
    view, targets = view_of(built())
    solution = _solve(view, precision="bf16")
    assert np.mean(solution.predictions == targets.numpy()) > 0.9


@pytest.mark.parametrize("budget", [{"steps": 70}, {"epochs": 3.5}])
def test_the_supervised_control_gets_the_updates_of_the_pretraining(budget: dict[str, Any]) -> None:
    training = Training(
        **budget, batch_size=11, optimizer="adamw", learning_rate=0.01, weight_decay=0.1, schedule="cosine"
    )
    config = Finetune.supervised(training)
    shares = [stage.share for stage in built().stages()]
    updates = sum(steps_per_stage(training, shares, 120))
    spent = config.budget(120, len(shares)) * len(config.learning_rates)
    assert updates <= spent < updates + len(shares) * len(config.learning_rates), "all rates together"
    assert config.learning_rates == (0.0025, 0.01, 0.04)
    shared = ("batch_size", "optimizer", "weight_decay", "schedule", "momentum", "betas", "clip_norm")
    for name in shared:
        assert getattr(config, name) == getattr(training, name)
    given = config.training(0.04, updates)
    assert given == replace(training, steps=updates, epochs=None, learning_rate=0.04)


def test_each_rate_of_the_supervised_control_warms_up_in_its_share() -> None:
    training = Training(
        steps=300, batch_size=8, optimizer="sgd", learning_rate=0.1, schedule="linear", warmup_steps=150
    )
    config = Finetune.supervised(training)
    steps = config.budget(120, 1)
    rates = [learning_rate(config.training(0.1, steps), step, steps) for step in range(steps)]
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) == pytest.approx(steps / 2, abs=1), "half of it, as of the pretraining"


def test_looks_at_val_by_default() -> None:
    config = FinetuneConfig(batch_size=20)
    assert config.budget(1000, 3) == 100 * 50
    assert config.interval(1000, 200, 5000) == 50  # an epoch
    assert config.interval(1000, 200, 500) == 25  # ten epochs: twenty looks
    assert config.interval(40, 200, 4000) == 20  # two thousand epochs: two hundred looks
    assert config.interval(1000, 800, 500) == 40  # val is large: it is seen no more than train
    assert config.interval(1000, 8000, 500) == 100  # and larger: five looks all the same
    assert replace(config, check_every=0.5).interval(1000, 8000, 5000) == 25


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 10, "epochs": 1},
        {"steps": 0},
        {"epochs": 0.0},
        {"steps": 10, "per_stage": True},
        {"learning_rates": ()},
        {"learning_rates": (0.1, 0.1)},
        {"batch_size": 0},
        {"patience": -1},
        {"check_every": 0.0},
    ],
)
def test_contradicting_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"steps|epochs|rates|batch_size|patience|check_every"):
        FinetuneConfig(**values)


def test_is_found_by_the_roster_and_asks_for_the_module() -> None:
    assert roster()["finetune"] is Finetune
    assert Finetune.needs == "module"
