"""Optimisers, clipping and loss scaling: one implementation for all engines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods import Training


def build_optimizer(training: Training, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """torch's fused optimiser. Weight decay leaves out biases and normalisation: all that has fewer than two axes.

    "adam" adds the decay to the gradient (L2), "adamw" decouples it. They are named apart because DeepSpeed's own
    "Adam" silently is AdamW.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim >= 2]
    exempt = [parameter for parameter in trained if parameter.ndim < 2]
    groups = [
        {"params": members, "weight_decay": decay}
        for members, decay in ((decayed, training.weight_decay), (exempt, 0.0))
        if members
    ]
    if not groups:
        raise ValueError("the stage has no trainable parameter")
    rate = training.learning_rate
    match training.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=training.momentum, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=rate, betas=training.betas, eps=training.epsilon, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, betas=training.betas, eps=training.epsilon, fused=True)


def finish_gradients(parameters: Sequence[nn.Parameter], clip_norm: float, scale: float | None) -> bool:
    """Unscale and clip in place. False: not finite under fp16's loss `scale`, so the step must be skipped.

    Only fp16 (`scale` not None) waits for the device.
    """
    if scale is None:
        if clip_norm > 0:
            nn.utils.clip_grad_norm_(parameters, clip_norm)
        return True
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = float(nn.utils.get_total_norm(gradients)) / scale
    if not math.isfinite(norm):
        return False
    factor = min(1.0, clip_norm / (norm + 1e-6)) if clip_norm > 0 else 1.0
    torch._foreach_mul_(gradients, factor / scale)
    return True


@dataclass
class LossScale:
    """Dynamic loss scaling for fp16: halved at an overflow, doubled after `window` steps without one."""

    scale: float = 2.0**16
    good: int = 0
    window: int = 1000

    def update(self, applied: bool) -> None:
        self.good = self.good + 1 if applied else 0
        if not applied:
            self.scale /= 2
        elif self.good == self.window:
            self.scale *= 2
            self.good = 0

    @property
    def exhausted(self) -> bool:
        """No scale helps: the gradients themselves are not finite."""
        return self.scale < 2.0**-14

    def state(self) -> dict[str, float]:
        return {"scale": self.scale, "good": self.good}

    @classmethod
    def resume(cls, precision: str, state: Mapping[str, float] | None) -> LossScale | None:
        """None unless the precision needs one."""
        if precision != "fp16":
            return None
        return cls(float(state["scale"]), int(state["good"])) if state else cls()


def to_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU that later steps do not change."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
