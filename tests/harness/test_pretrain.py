from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cluster import Failure, JobError
from harness.checkpoint import save_checkpoint
from harness.engine import Compute, leave, warm
from harness.pretrain import Pretrained, build, pretrain
from methods import Batch, Coupling, Drawn, Keys, LossTerms, Method, Settings, Spec, State, Training
from tests.toys import TOYS, Frames, Layers, Terms, TermsStage, ToyConfig, toy_source

TRAINING = Training(steps=12, batch_size=11, optimizer="adamw", learning_rate=0.01, schedule="cosine", warmup_steps=2)
TORCH = Compute(engine="torch")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)
    warm()


def modality(method: type[Method]) -> Any:
    return {"toy_frames": "video", "toy_dropout": "video", "toy_pairs": "text"}.get(method.name, "image")


def run(method: type[Method], training: Training = TRAINING, compute: Compute = TORCH, **rest: Any) -> Pretrained:
    source, held_out = toy_source(modality(method)), toy_source(modality(method), size=16, seed=1)
    return pretrain(method, ToyConfig(), training, source, held_out, seed=0, compute=compute, **rest)


class Killed(BaseException):
    """Stands for a SIGKILL: nothing may catch it."""


def killed_after(steps: int, folder: Path, method: type[Method], monkeypatch: pytest.MonkeyPatch, **rest: Any) -> None:
    """Runs with a checkpoint after every step until just after the checkpoint of `steps` steps."""
    count = 0

    def save_then_die(where: Path, checkpoint: Any) -> None:
        nonlocal count
        save_checkpoint(where, checkpoint)
        count += 1
        if count == steps:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("harness.pretrain.save_checkpoint", save_then_die)
        with pytest.raises(Killed):
            run(method, checkpoints=folder, fingerprint="f", checkpoint_seconds=0.0, **rest)


class Dropout(Frames):
    """Its dice are the global generator's, so a resumed run must set it as the uninterrupted one had it."""

    name = "toy_dropout"

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.trunk.append(torch.nn.Dropout(0.5))

    @classmethod
    def coupling(cls, config: Settings) -> frozenset[Coupling]:
        return frozenset({"dropout"})


@pytest.mark.parametrize("compute", [TORCH, Compute(zero=0), Compute(zero=2)], ids=["torch", "zero0", "zero2"])
@pytest.mark.parametrize("steps", [1, 6, 8])
@pytest.mark.parametrize("method", [Layers, Terms], ids=lambda method: method.name)
def test_resumes_to_the_bit(
    method: type[Method], steps: int, compute: Compute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = run(method, compute=compute)
    killed_after(steps, tmp_path, method, monkeypatch, compute=compute)
    resumed = run(method, compute=compute, checkpoints=tmp_path, fingerprint="f")
    assert resumed.result["curve"] == straight.result["curve"]
    assert resumed.result["proof"] == straight.result["proof"]
    for name, tensor in straight.method.state_dict().items():
        assert torch.equal(tensor, resumed.method.state_dict()[name]), name


def test_dropout_resumes_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = run(Dropout)
    killed_after(5, tmp_path, Dropout, monkeypatch)
    resumed = run(Dropout, checkpoints=tmp_path, fingerprint="f")
    assert resumed.result["curve"] == straight.result["curve"]
    points = [point["loss"] for point in straight.result["curve"]]
    assert len(set(points)) == len(points)


@pytest.mark.parametrize("method", TOYS.values(), ids=TOYS)
def test_toys_learn(method: type[Method]) -> None:
    proof = run(method, replace(TRAINING, steps=300)).result["proof"]
    assert proof["held_out_final"] < 0.9 * proof["held_out_initial"]
    assert proof["parameter_change"] > 0.01
    assert len(proof["stages"]) == (2 if method is Layers else 1)


def test_engines_agree() -> None:
    """Padding apart, DeepSpeed computes what torch does; odd sizes only change how sums are vectorised."""
    plain = run(Terms)
    for zero in range(4):
        other = run(Terms, compute=Compute(zero=zero))
        for name, tensor in plain.method.state_dict().items():
            torch.testing.assert_close(other.method.state_dict()[name], tensor, rtol=1e-5, atol=1e-6)
    leave()


def test_micro_batches_change_nothing() -> None:
    whole, cut = run(Terms), run(Terms, replace(TRAINING, accumulate=4))
    losses = [[point["loss"] for point in each.result["curve"]] for each in (whole, cut)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_untrained_twin_has_the_initial_weights() -> None:
    method, _ = build(Terms, ToyConfig(), toy_source("image"), 0)
    again, _ = build(Terms, ToyConfig(), toy_source("image"), 0)
    other, _ = build(Terms, ToyConfig(), toy_source("image"), 1)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in method.state_dict().items())
    assert not all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in method.state_dict().items())


def test_result_is_what_the_record_holds() -> None:
    told: list[Mapping[str, Any]] = []
    result = run(Terms, replace(TRAINING, steps=500), tell=told.append).result
    assert result["steps"] == 500
    assert 150 <= len(result["curve"]) <= 201
    assert [point["step"] for point in result["curve"]][-1] == 499
    assert set(result["curve"][0]) == {"stage", "step", "loss", "terms", "monitors"}
    assert set(result["cost"]) == {
        "seconds", "device_seconds", "examples_per_second", "peak_memory_bytes", "waiting_share",
    }  # fmt: skip
    assert 0 < result["cost"]["waiting_share"] < 1
    assert told[0].keys() == {"phase", "stage", "step", "steps", "loss", "steps_per_second"}


class _NotFinite(TermsStage):
    def forward(self, drawn: Drawn) -> LossTerms:
        return LossTerms({name: value * math.nan for name, value in super().forward(drawn).sums.items()})


class Diverging(Terms):
    name = "toy_diverging"

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self._stages = [_NotFinite(self.trunk, 144, config.width)]


@pytest.mark.parametrize("compute", [TORCH, Compute(zero=1), Compute(zero=3)], ids=["torch", "zero1", "zero3"])
def test_a_loss_that_is_not_finite_is_a_failure(compute: Compute) -> None:
    with pytest.raises(JobError, match=r"not finite at step 0 of stage 0: masked = nan.*lower") as caught:
        run(Diverging, compute=compute)
    assert caught.value.failure == Failure.DIVERGED


def test_divergence_is_found_when_it_happens() -> None:
    with pytest.raises(JobError, match="not finite at step") as caught:
        run(Layers, Training(steps=300, batch_size=11, optimizer="sgd", learning_rate=1e12))
    assert caught.value.failure == Failure.DIVERGED


def test_a_run_that_trains_nothing_is_a_failure() -> None:
    with pytest.raises(JobError, match="no parameter changed"):
        run(Terms, replace(TRAINING, learning_rate=0.0))


class _Silent(TermsStage):
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        tensors, weights = super().draw(batch, keys)
        return Drawn(tensors, {name: torch.zeros_like(weight) for name, weight in weights.items()})


class Silent(Terms):
    name = "toy_silent"

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self._stages = [_Silent(self.trunk, 144, config.width)]


def test_held_out_examples_of_which_nothing_is_asked_are_refused_before_the_first_step() -> None:
    with pytest.raises(JobError, match=r"asks nothing of the .* held-out examples, 11 at a time.*val") as caught:
        run(Silent)
    assert caught.value.failure == Failure.BAD_DATA


def test_a_batch_too_small_to_cut_is_refused() -> None:
    with pytest.raises(JobError, match=r"batch_size: 11 cannot be cut into 1 ranks x 12"):
        run(Terms, replace(TRAINING, accumulate=12))
