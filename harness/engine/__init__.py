"""What turns drawn batches into trained weights: plain torch, or DeepSpeed with the same mathematics."""

from __future__ import annotations

from harness.engine._engine import Compute, Engine, EngineState
from harness.engine._gang import host, join, leave, rank_zero_says, warm
from harness.engine._loss import StepReport, Values, fetch
from harness.engine._optimizer import build_optimizer
from harness.engine._torch import TorchEngine
from methods import Stage, Training

__all__ = [
    "Compute",
    "Engine",
    "EngineState",
    "StepReport",
    "TorchEngine",
    "Values",
    "build_optimizer",
    "fetch",
    "host",
    "join",
    "leave",
    "open_engine",
    "rank_zero_says",
    "warm",
]


def open_engine(stage: Stage, training: Training, compute: Compute, resume: EngineState | None = None) -> Engine:
    """The engine that `compute` names, over a copy of `stage`. With DeepSpeed, call `join` before."""
    if compute.engine == "torch":
        return TorchEngine(stage, training, compute, resume)
    from harness.engine._deepspeed import DeepSpeedEngine  # only here: `engine: torch` runs without DeepSpeed

    return DeepSpeedEngine(stage, training, compute, resume)
