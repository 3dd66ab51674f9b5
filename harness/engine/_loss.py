"""The exact loss over ranks and micro-batches, and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn

from methods import Drawn, LossTerms, Stage

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Objective(nn.Module):
    """A stage whose forward runs in the given precision. What engines wrap, so that all of them cast alike:
    DeepSpeed's own casting would need half-precision inputs, and sums over a batch overflow in half precision."""

    def __init__(self, stage: Stage, precision: str, device: torch.device) -> None:
        super().__init__()
        self.stage = stage
        self._dtype = _AUTOCAST.get(precision)
        self._device_type = device.type

    def forward(self, drawn: Drawn) -> LossTerms:
        with nullcontext() if self._dtype is None else torch.autocast(self._device_type, dtype=self._dtype):
            terms: LossTerms = self.stage(drawn)
        if terms.sums.keys() != drawn.weights.keys():
            got, drew = sorted(terms.sums), sorted(drawn.weights)
            raise ValueError(f"{type(self.stage).__name__}: forward returned terms {got}, draw weighed {drew}")
        return terms


def total_weights(micros: Sequence[Drawn], world: int) -> dict[str, Tensor]:
    """Weight of each term over all ranks and micro-batches; the one message that a step needs before its backward."""
    names = tuple(micros[0].weights)
    if world == 1 and len(micros) == 1:
        return {name: _nonzero(micros[0].weights[name]) for name in names}
    total = torch.stack([torch.stack([drawn.weights[name].float() for name in names]) for drawn in micros]).sum(0)
    if world > 1:
        distributed.all_reduce(total)
    return dict(zip(names, _nonzero(total).unbind(), strict=True))


def _nonzero(weight: Tensor) -> Tensor:
    """A term without any weight (no position was masked) has a sum of 0: let its loss be 0, not 0 / 0."""
    return torch.where(weight == 0, 1.0, weight.float())


def combine(sums: Mapping[str, Tensor], totals: Mapping[str, Tensor]) -> Tensor:
    """This micro-batch's part of the global loss."""
    loss: Tensor | None = None
    for name, total in totals.items():
        part = sums[name].float() / total
        loss = part if loss is None else loss + part
    if loss is None:
        raise ValueError("a stage must have at least one loss term")
    return loss


class Values(NamedTuple):
    """A report's numbers on the host."""

    loss: float
    terms: dict[str, float]
    monitors: dict[str, float]


@dataclass(frozen=True)
class StepReport:
    """What one step saw on this rank; nothing is synchronised until `fetch`.

    Attributes:
        totals: global weight per term.
        sums: this rank's detached sum per term.
        monitors: this rank's (sum, weight) pairs.
        finite: False where gradients are not finite, and no smaller fp16 loss scale would help.
    """

    totals: Mapping[str, Tensor]
    sums: Mapping[str, Tensor]
    monitors: Mapping[str, tuple[Tensor, Tensor]]
    finite: bool


def report(seen: Sequence[LossTerms], totals: Mapping[str, Tensor], finite: bool) -> StepReport:
    """Adds up the micro-batches of a step."""
    if len(seen) == 1:
        terms = seen[0]
        return StepReport(totals, {name: value.detach() for name, value in terms.sums.items()}, terms.monitors, finite)
    sums = {name: torch.stack([terms.sums[name].detach().float() for terms in seen]).sum() for name in totals}
    monitors = {
        name: (
            torch.stack([terms.monitors[name][0].float() for terms in seen]).sum(),
            torch.stack([terms.monitors[name][1].float() for terms in seen]).sum(),
        )
        for name in seen[0].monitors
    }
    return StepReport(totals, sums, monitors, finite)


def fetch(step: StepReport, world: int) -> Values:
    """The global values of a step, by one message and one synchronisation; all ranks call it together."""
    pairs = [tensor for pair in step.monitors.values() for tensor in pair]
    local = torch.stack([tensor.detach().float() for tensor in (*step.sums.values(), *pairs)])
    if world > 1:
        distributed.all_reduce(local)
    numbers: list[float] = local.tolist()
    weights: list[float] = torch.stack([step.totals[name] for name in step.sums]).tolist()
    terms = {name: numbers[index] / weights[index] for index, name in enumerate(step.sums)}
    rest = numbers[len(terms) :]
    monitors = {
        name: rest[2 * index] / rest[2 * index + 1] if rest[2 * index + 1] else 0.0
        for index, name in enumerate(step.monitors)
    }
    return Values(sum(terms.values()), terms, monitors)
