"""The contract of an engine, and the settings that choose one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from harness.engine._loss import StepReport
from methods import Drawn

#: DeepSpeed keys that would change the mathematics behind the suite's back, and the setting to use instead.
RESERVED: Mapping[str, str] = {
    "optimizer": "`optimizer` under `pretrain:`",
    "scheduler": "`schedule` and `warmup_steps` under `pretrain:`",
    "gradient_clipping": "`clip_norm` under `pretrain:`",
    "train_batch_size": "`batch_size` under `pretrain:`",
    "train_micro_batch_size_per_gpu": "`batch_size` and `accumulate` under `pretrain:`",
    "gradient_accumulation_steps": "`accumulate` under `pretrain:`",
    "managed_gradient_accumulation": "`accumulate` under `pretrain:`",
    "fp16": "`precision: fp16` under `resources:`",
    "bf16": "`precision: bf16` under `resources:`",
    "bfloat16": "`precision: bf16` under `resources:`",
    "amp": "`precision` under `resources:`",
    "torch_autocast": "`precision` under `resources:`",
    "zero_optimization.stage": "`zero` under `resources:`",
}


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How a stage is trained, apart from what is learned.

    Attributes:
        engine: "torch" needs no DeepSpeed and knows no ZeRO.
        precision: of matrix products and convolutions (torch.autocast); weights, their gradients, the optimiser and
            sums over ranks are always float32.
        zero: ZeRO stage, 0 to 3.
        deepspeed: further DeepSpeed configuration, merged; see `RESERVED`.
        gpus_per_rank: above zero the rank computes on CUDA, else on the CPU.

    Raises:
        ValueError: settings that contradict each other.
    """

    engine: Literal["deepspeed", "torch"] = "deepspeed"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    zero: int = 0
    deepspeed: Mapping[str, Any] = field(default_factory=dict)
    gpus_per_rank: float = 0.0

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise ValueError("; ".join(problems))

    def _problems(self) -> list[str]:
        problems = []
        if self.zero not in range(4):
            problems.append(f"zero: {self.zero} is not a ZeRO stage; use 0, 1, 2 or 3")
        if self.engine == "torch" and self.zero:
            problems.append(f"zero: {self.zero} needs `engine: deepspeed`; `engine: torch` has no ZeRO")
        if self.engine == "torch" and self.deepspeed:
            problems.append("`deepspeed:` settings need `engine: deepspeed`")
        for key, instead in RESERVED.items():
            outer, _, inner = key.partition(".")
            section = self.deepspeed.get(outer)
            if outer in self.deepspeed and (not inner or (isinstance(section, Mapping) and inner in section)):
                problems.append(f"deepspeed.{key} is set by the harness; use {instead}")
        return problems

    @property
    def device(self) -> torch.device:
        return torch.device("cuda" if self.gpus_per_rank > 0 else "cpu")


@dataclass(frozen=True)
class EngineState:
    """All that a stage's training goes on from, on any number of ranks, engine and ZeRO stage. Tensors on the CPU.

    Attributes:
        weights: state_dict of the stage.
        optimizer: per parameter name, the optimiser's tensors: those of the parameter's shape, and scalars.
        loss_scale: of fp16; see `LossScale.state`.
    """

    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Mapping[str, Tensor]]
    loss_scale: Mapping[str, float]


class Engine(ABC):
    """Trains a copy of one stage; the stage itself stays as it is until `weights` are loaded back into it.

    All ranks call every method, in the same order, with equally many micro-batches.
    """

    @abstractmethod
    def step(self, micros: Sequence[Drawn], learning_rate: float) -> StepReport:
        """One update. The loss is the sum over terms of (sum over all ranks and micro-batches) / (total weight over
        all ranks and micro-batches), exactly: not a mean of means."""

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Consolidated state_dict of the stage on the CPU, parameters in float32."""

    @abstractmethod
    def snapshot(self) -> EngineState:
        """All that `resume` needs to go on to the bit."""

    @abstractmethod
    def close(self) -> None:
        """Free everything; the engine cannot be used again."""
