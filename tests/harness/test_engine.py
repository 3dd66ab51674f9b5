"""Both engines against a hand-written loop, and against each other, on one rank. Two ranks: tests/contract."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cluster import Gang
from harness.engine import Compute, EngineState, _gang, fetch, join, leave, open_engine, warm
from methods import Batch, Drawn, Keys, LossTerms, Stage, Training

ADAMW = Training(steps=1, batch_size=12, optimizer="adamw", learning_rate=0.01, weight_decay=0.1)
SGD = replace(ADAMW, optimizer="sgd", momentum=0.9)
ADAM = replace(ADAMW, optimizer="adam")
ENGINES = [Compute(engine="torch"), *(Compute(zero=zero) for zero in range(4))]
Precision = Literal["fp32", "bf16", "fp16"]
every_engine = pytest.mark.parametrize("compute", ENGINES, ids=["torch", "zero0", "zero1", "zero2", "zero3"])


@pytest.fixture(autouse=True, scope="module")
def group() -> Iterator[None]:
    torch.set_num_threads(1)
    warm()
    join(Gang(), "cpu", deepspeed=True)
    yield
    leave()


class Tied(Stage):
    """Two layers, the first used twice (tied), and two loss terms."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 8)
        self.second = nn.Linear(8, 8)

    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        raise AssertionError("engines never draw")

    def forward(self, drawn: Drawn) -> LossTerms:
        inputs = drawn.tensors["inputs"]
        code = torch.tanh(self.second(torch.tanh(self.first(inputs))))
        error = functional.linear(code, self.first.weight.t()).float() - inputs
        sums = {"error": error.square().sum(), "size": code.float().abs().sum()}
        return LossTerms(sums, {"mean": (code.detach().float().sum(), drawn.weights["size"])})


def stage() -> Tied:
    torch.manual_seed(0)
    return Tied()


def batch(step: int) -> Tensor:
    return torch.randn(12, 16, generator=torch.Generator().manual_seed(step))


def micros(step: int, cuts: list[int]) -> list[Drawn]:
    """Pieces of different sizes; the weights of the two terms are not proportional to each other."""
    drawn = []
    for inputs in batch(step).tensor_split(cuts):
        weights = {"error": torch.tensor(float(inputs.numel())), "size": inputs.gt(0).sum().float()}
        drawn.append(Drawn({"inputs": inputs}, weights))
    return drawn


def train(
    training: Training,
    compute: Compute,
    steps: range = range(10),
    cuts: tuple[int, ...] = (),
    resume: EngineState | None = None,
) -> tuple[EngineState, list[float]]:
    engine = open_engine(stage(), training, compute, resume)
    losses = [fetch(engine.step(micros(step, list(cuts)), training.learning_rate), 1).loss for step in steps]
    state = engine.snapshot()
    engine.close()
    return state, losses


def by_hand(training: Training, steps: int = 10) -> dict[str, Tensor]:
    """The plain loop: whole batch, mean losses, the textbook optimiser."""
    module = stage()
    weights = [module.first.weight, module.second.weight]
    biases = [module.first.bias, module.second.bias]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
    optimizer: torch.optim.Optimizer
    if training.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9, weight_decay=0.1, fused=True)
    else:
        kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(groups, lr=0.01, weight_decay=0.1, fused=True)
    for step in range(steps):
        (drawn,) = micros(step, [])
        sums = module(drawn).sums
        optimizer.zero_grad()
        torch.autograd.backward(sums["error"] / drawn.weights["error"] + sums["size"] / drawn.weights["size"])
        if training.clip_norm:
            nn.utils.clip_grad_norm_(module.parameters(), training.clip_norm)
        optimizer.step()
    return {name: tensor.detach() for name, tensor in module.state_dict().items()}


def apart(first: EngineState | dict[str, Tensor], second: EngineState | dict[str, Tensor]) -> float:
    a = first.weights if isinstance(first, EngineState) else first
    b = second.weights if isinstance(second, EngineState) else second
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@every_engine
@pytest.mark.parametrize("training", [SGD, ADAM, ADAMW], ids=lambda training: training.optimizer)
def test_engine_is_the_plain_loop(training: Training, compute: Compute) -> None:
    """To the bit: DeepSpeed adds no mathematics of its own (its gradient clipping would be on by default)."""
    assert apart(train(training, compute)[0], by_hand(training)) == 0.0


@every_engine
def test_clipping_is_of_the_global_norm(compute: Compute) -> None:
    clipped = replace(SGD, clip_norm=0.05)
    assert apart(by_hand(clipped), by_hand(SGD)) > 1e-3
    assert apart(train(clipped, compute)[0], by_hand(clipped)) < 1e-6


@every_engine
def test_unequal_micro_batches_are_one_batch(compute: Compute) -> None:
    whole, losses = train(SGD, compute)
    cut, same_losses = train(SGD, compute, cuts=(1, 4, 9))
    assert losses == pytest.approx(same_losses, rel=1e-6)
    assert apart(whole, cut) < 1e-6


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@every_engine
def test_half_precision_keeps_float32_weights_and_trains(compute: Compute, precision: Precision) -> None:
    compute = replace(compute, precision=precision)
    state, losses = train(replace(ADAMW, clip_norm=1.0), compute, range(40))
    assert all(tensor.dtype == torch.float32 for tensor in state.weights.values())
    assert losses[-1] < losses[0]
    assert 0 < apart(state, train(replace(ADAMW, clip_norm=1.0), Compute(engine="torch"), range(40))[0]) < 0.05
    assert bool(state.loss_scale) == (precision == "fp16")


@every_engine
def test_fp16_overflow_skips_the_step_and_halves_the_scale(compute: Compute) -> None:
    engine = open_engine(stage(), ADAMW, replace(compute, precision="fp16"))
    before = engine.weights()
    huge = [Drawn({"inputs": batch(0) * 1e30}, micros(0, [])[0].weights)]
    for _ in range(3):
        assert engine.step(huge, 0.01).finite
    state = engine.snapshot()
    assert apart(state, before) == 0.0
    assert state.loss_scale["scale"] == 2.0**13
    engine.step(micros(0, []), 0.01)
    assert apart(engine.snapshot(), before) > 0
    engine.close()


@every_engine
def test_gradients_that_no_scale_saves_are_reported(compute: Compute) -> None:
    engine = open_engine(stage(), ADAMW, replace(compute, precision="fp16"))
    bad = [Drawn({"inputs": batch(0) * float("nan")}, micros(0, [])[0].weights)]
    found = [engine.step(bad, 0.01).finite for _ in range(40)]
    engine.close()
    assert found[0]
    assert not found[-1]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@every_engine
def test_resumes_to_the_bit(compute: Compute, precision: Precision) -> None:
    compute = replace(compute, precision=precision)
    straight, losses = train(ADAMW, compute)
    half, first = train(ADAMW, compute, range(5))
    resumed, second = train(ADAMW, compute, range(5, 10), resume=half)
    assert first + second == losses
    assert apart(straight, resumed) == 0.0
    assert straight.loss_scale == resumed.loss_scale


@pytest.mark.parametrize("training", [SGD, ADAMW], ids=lambda training: training.optimizer)
def test_state_moves_between_engines_and_zero_stages(training: Training) -> None:
    straight, _ = train(training, ENGINES[0])
    halves = [train(training, compute, range(5))[0] for compute in ENGINES]
    for here, there in itertools.permutations(range(len(ENGINES)), 2):
        resumed, _ = train(training, ENGINES[there], range(5, 10), resume=halves[here])
        assert apart(straight, resumed) == 0.0, f"{ENGINES[here]} -> {ENGINES[there]}"


def test_report_gives_global_means() -> None:
    engine = open_engine(stage(), ADAMW, Compute(engine="torch"))
    values = fetch(engine.step(micros(0, [5]), 0.01), 1)
    (drawn,) = micros(0, [])
    sums = stage()(drawn).sums
    assert values.terms == pytest.approx({name: sums[name].item() / drawn.weights[name].item() for name in sums})
    assert values.loss == pytest.approx(sum(values.terms.values()))
    assert set(values.monitors) == {"mean"}


def test_a_term_without_weight_costs_nothing() -> None:
    """No position was masked in any micro-batch: 0, not 0 / 0."""
    (drawn,) = micros(0, [])
    nothing = Drawn(drawn.tensors, {**drawn.weights, "none": torch.tensor(0.0)})

    class Nothing(Tied):
        def forward(self, drawn: Drawn) -> LossTerms:
            terms = super().forward(drawn)
            return LossTerms({**terms.sums, "none": terms.sums["size"] * 0})

    engine = open_engine(Nothing(), ADAMW, Compute(engine="torch"))
    assert fetch(engine.step([nothing], 0.01), 1).terms["none"] == 0.0
    assert all(tensor.isfinite().all() for tensor in engine.weights().values())


def test_engine_leaves_the_stage_alone_until_weights_are_loaded() -> None:
    module = stage()
    engine = open_engine(module, ADAMW, Compute(zero=3))
    engine.step(micros(0, []), 0.01)
    engine.close()
    assert apart(dict(module.state_dict()), dict(stage().state_dict())) == 0.0


def test_terms_that_differ_from_the_drawn_weights_are_named() -> None:
    engine = open_engine(stage(), ADAMW, Compute(engine="torch"))
    with pytest.raises(ValueError, match=r"Tied: forward returned terms \['error', 'size'\], draw weighed \['size'\]"):
        engine.step([Drawn({"inputs": batch(0)}, {"size": torch.tensor(1.0)})], 0.01)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"deepspeed": {"gradient_clipping": 1.0}}, "use `clip_norm`"),
        ({"deepspeed": {"optimizer": {"type": "Adam"}}}, "use `optimizer` under `pretrain:`"),
        ({"deepspeed": {"fp16": {"enabled": True}}}, "use `precision: fp16`"),
        ({"deepspeed": {"zero_optimization": {"stage": 2}}}, "use `zero` under `resources:`"),
        ({"zero": 4}, "use 0, 1, 2 or 3"),
        ({"engine": "torch", "zero": 1}, "needs `engine: deepspeed`"),
        ({"engine": "torch", "deepspeed": {"wall_clock_breakdown": True}}, "need `engine: deepspeed`"),
    ],
)
def test_settings_that_would_change_the_mathematics_are_refused(settings: dict[str, object], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        Compute(**settings)  # type: ignore[arg-type]


def test_further_deepspeed_settings_are_merged() -> None:
    compute = Compute(
        zero=2, deepspeed={"zero_optimization": {"reduce_bucket_size": 64}, "wall_clock_breakdown": False}
    )
    assert apart(train(SGD, compute)[0], by_hand(SGD)) == 0.0


@pytest.mark.parametrize(("said", "threads"), [("", 1), ("2", 2), ("4,2", 4), ("0", 1), ("many", 1)])
def test_threads_are_as_openmp_takes_them(said: str, threads: int) -> None:
    assert _gang._threads(said) == threads
