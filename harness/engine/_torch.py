"""The plain-torch engine: no DeepSpeed, no ZeRO; what a debugger steps through and what DeepSpeed is held against."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, distributed, nn

from harness.engine._engine import Compute, Engine, EngineState
from harness.engine._gang import world_size
from harness.engine._loss import Objective, StepReport, combine, report, total_weights
from harness.engine._optimizer import LossScale, build_optimizer, finish_gradients, to_cpu
from methods import Drawn, Stage, Training


class TorchEngine(Engine):
    """One optimiser over whole parameters; gradients are summed over ranks in one message after the last backward."""

    def __init__(self, stage: Stage, training: Training, compute: Compute, resume: EngineState | None = None) -> None:
        self._world = world_size()
        self._clip_norm = training.clip_norm
        self._stage = copy.deepcopy(stage).to(compute.device).train()
        self._objective = Objective(self._stage, compute.precision, compute.device)
        if resume is not None:
            self._stage.load_state_dict(resume.weights)
        self._parameters = {name: each for name, each in self._stage.named_parameters() if each.requires_grad}
        self._optimizer = build_optimizer(training, self._parameters.values())
        self._scale = LossScale.resume(compute.precision, resume.loss_scale if resume else None)
        if resume is not None:
            for name, tensors in resume.optimizer.items():
                parameter = self._parameters[name]
                self._optimizer.state[parameter] = {key: _like(value, parameter) for key, value in tensors.items()}

    def step(self, micros: Sequence[Drawn], learning_rate: float) -> StepReport:
        totals = total_weights(micros, self._world)
        seen = []
        for drawn in micros:
            terms = self._objective(drawn)
            loss = combine(terms.sums, totals)
            (loss if self._scale is None else loss * self._scale.scale).backward()  # type: ignore[no-untyped-call]
            seen.append(terms)
        parameters = list(self._parameters.values())
        if self._world > 1:
            sum_over_ranks(parameters)
        applied = finish_gradients(parameters, self._clip_norm, self._scale.scale if self._scale else None)
        if applied:
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
            self._optimizer.step()
        self._optimizer.zero_grad()
        if self._scale is not None:
            self._scale.update(applied)
            applied = applied or not self._scale.exhausted
        return report(seen, totals, applied)

    def weights(self) -> dict[str, Tensor]:
        return to_cpu(self._stage.state_dict())

    def snapshot(self) -> EngineState:
        state = self._optimizer.state
        return EngineState(
            self.weights(),
            {name: to_cpu(tensors_of(state[each])) for name, each in self._parameters.items() if each in state},
            self._scale.state() if self._scale else {},
        )

    def close(self) -> None:
        self._parameters.clear()
        self._optimizer.zero_grad()
        self._optimizer.state.clear()


def tensors_of(state: dict[str, object]) -> dict[str, Tensor]:
    """An optimiser's state without what is not there: SGD without momentum keeps a None."""
    return {key: value for key, value in state.items() if isinstance(value, Tensor)}


def _like(value: Tensor, parameter: nn.Parameter) -> Tensor:
    return value.to(parameter.device, copy=True)


def sum_over_ranks(parameters: Sequence[nn.Parameter]) -> None:
    """Adds up gradients; a parameter that this rank did not use counts as zero."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
