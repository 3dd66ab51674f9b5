"""Learning-rate schedules: pure functions of the step, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

from methods import Training


def learning_rate(training: Training, step: int, steps: int) -> float:
    """The rate of update `step` (from 0) of a stage of `steps` updates.

    Warm-up rises linearly from zero: update 0 of `warmup_steps` = 4 uses a quarter of the peak. After it, "linear"
    and "cosine" fall from the peak and would reach zero one update after the last.
    """
    if step < training.warmup_steps:
        return training.learning_rate * (step + 1) / training.warmup_steps
    done = (step - training.warmup_steps) / max(steps - training.warmup_steps, 1)
    match training.schedule:
        case "constant":
            return training.learning_rate
        case "linear":
            return training.learning_rate * (1.0 - done)
        case "cosine":
            return training.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
