"""Did training happen? Held-out pretext loss before and after, and how far the weights moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from cluster import Failure, JobError
from harness.feed import to_device
from methods import Keys, Method, Source, Stage

#: Held-out examples at most: the loss is a sign of life, not a score.
EXAMPLES = 1024


@dataclass(frozen=True, kw_only=True)
class StageProof:
    """Of one stage: pretext loss on val at initialisation and at the end, under the same keys, and the relative
    change of its parameters |end - start| / |start| (L2)."""

    held_out_initial: float
    held_out_final: float
    parameter_change: float


def summary(proofs: list[StageProof]) -> dict[str, Any]:
    """JSON: means over stages, and each stage's own."""
    means = {
        name: sum(getattr(proof, name) for proof in proofs) / len(proofs)
        for name in ("held_out_initial", "held_out_final", "parameter_change")
    }
    return {**means, "stages": [asdict(proof) for proof in proofs]}


@torch.no_grad()
def held_out_loss(
    method: Method, stage: Stage, index: int, source: Source, *, seed: int, batch_size: int, device: torch.device
) -> float:
    """Pretext loss of a stage on the first examples of a held-out source, in evaluation mode and float32. The keys
    are a function of seed and stage, so two calls differ only by the weights.

    Raises:
        JobError: none of these examples asks anything of the pretext task.
    """
    method.eval()
    stage.eval()
    sums: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    for ids in torch.split(torch.arange(min(len(source), EXAMPLES)), batch_size):
        keys = Keys.of(seed, f"held_out/{index}", ids)
        batch = to_device(method.sample(source, ids, keys), device)
        drawn = stage.draw(batch, keys.fold("stage.draw").to(device))
        for name, value in stage(drawn).sums.items():
            sums[name] = sums.get(name, 0.0) + value.double()
            weights[name] = weights.get(name, 0.0) + drawn.weights[name].double()
    if not any(float(weight) for weight in weights.values()):
        raise JobError(
            Failure.BAD_DATA,
            f"stage {index}: the pretext task asks nothing of the {min(len(source), EXAMPLES)} held-out examples, "
            f"{batch_size} at a time, so nobody can tell whether it is learnt; give val more or longer examples, or "
            "set a larger `batch_size`",
        )
    return sum(float(sums[name] / weights[name]) for name in sums if float(weights[name]))


def relative_change(start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> float:
    """|end - start| / |start|, L2 over all floating-point tensors."""
    names = [name for name, tensor in start.items() if tensor.is_floating_point()]
    moved = sum(float((end[name].double() - start[name].double()).square().sum()) for name in names)
    size = sum(float(start[name].double().square().sum()) for name in names)
    return math.sqrt(moved) / math.sqrt(size) if size else math.sqrt(moved)


def require_training(proof: StageProof, index: int) -> None:
    """A stage that did not train is a failure, never a result.

    Raises:
        JobError: with what was seen, and what to look at.
    """
    if not (math.isfinite(proof.held_out_final) and math.isfinite(proof.parameter_change)):
        message = f"stage {index} ends with a held-out loss of {proof.held_out_final}; lower `learning_rate`"
        raise JobError(Failure.DIVERGED, message)
    if proof.parameter_change == 0.0:
        message = f"stage {index} did not train: no parameter changed; is `learning_rate` zero, or no gradient reaches?"
        raise JobError(Failure.CODE, message)
    if proof.held_out_final >= proof.held_out_initial:
        rose = f"from {proof.held_out_initial:.4g} to {proof.held_out_final:.4g}"
        message = f"stage {index} did not train: its held-out loss went {rose}; lower `learning_rate`, or train longer"
        raise JobError(Failure.DIVERGED, message)
