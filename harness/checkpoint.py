"""Checkpoints of a training in progress, and finished encoders: safetensors and plain JSON, so loading runs no code."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.engine import EngineState
from methods import State

#: Bump when the layout changes; another version's checkpoint is not resumed.
CHECKPOINT_VERSION = 1
_FILE = "latest.safetensors"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training between two steps.

    Attributes:
        fingerprint: of the pretraining it belongs to.
        stage, step: what comes next: update `step` of stage `stage`.
        method: state_dict of the method, with the stages before this one trained.
        engine: of the current stage.
        progress: curve, proof and cost so far. JSON.
    """

    fingerprint: str
    stage: int
    step: int
    method: Mapping[str, Tensor]
    engine: EngineState
    progress: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replaces the folder's checkpoint; until the new one is whole on disk the old one stays."""
    tensors = {f"method/{name}": tensor for name, tensor in checkpoint.method.items()}
    tensors |= {f"weights/{name}": tensor for name, tensor in checkpoint.engine.weights.items()}
    for name, state in checkpoint.engine.optimizer.items():
        tensors |= {f"optimizer/{name}/{key}": tensor for key, tensor in state.items()}
    meta = {
        "version": CHECKPOINT_VERSION,
        "fingerprint": checkpoint.fingerprint,
        "stage": checkpoint.stage,
        "step": checkpoint.step,
        "loss_scale": checkpoint.engine.loss_scale,
        "progress": checkpoint.progress,
    }
    folder.mkdir(parents=True, exist_ok=True)
    _write_tensors(folder / _FILE, tensors, meta)


def load_checkpoint(folder: Path, fingerprint: str) -> Checkpoint | None:
    """The folder's checkpoint, or None where there is none, or none that this pretraining can go on from."""
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        tensors, meta = _read_tensors(path)
    except (SafetensorError, OSError, ValueError) as error:
        _log.warning("%s cannot be read, so training starts again: %s", path, error)
        return None
    if (meta.get("version"), meta.get("fingerprint")) != (CHECKPOINT_VERSION, fingerprint):
        _log.warning(
            "%s belongs to %s, not to %s, so training starts again", path, meta.get("fingerprint"), fingerprint
        )
        return None
    optimizer: dict[str, dict[str, Tensor]] = {}
    for name, tensor in _under(tensors, "optimizer/").items():
        parameter, _, key = name.rpartition("/")
        optimizer.setdefault(parameter, {})[key] = tensor
    return Checkpoint(
        fingerprint=fingerprint,
        stage=meta["stage"],
        step=meta["step"],
        method=_under(tensors, "method/"),
        engine=EngineState(_under(tensors, "weights/"), optimizer, meta["loss_scale"]),
        progress=meta["progress"],
    )


class SavedEncoder(NamedTuple):
    """What `Method(config, spec, state)` and `load_state_dict(weights)` need."""

    weights: dict[str, Tensor]
    state: State


def save_encoder(folder: Path, method: nn.Module, state: State) -> None:
    """Writes weights.safetensors (with the fitted state's tensors) and state.json (the rest of it), the latter last:
    an encoder without state.json is not whole.

    Raises:
        TypeError: the fitted state holds something that is neither a tensor nor plain JSON.
    """
    fitted = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    plain = {key: value for key, value in state.items() if key not in fitted}
    try:
        text = json.dumps(plain, sort_keys=True)
    except TypeError as error:
        raise TypeError(f"fitted state must be tensors and plain JSON values, at its top level: {error}") from error
    tensors = {f"weights/{name}": tensor for name, tensor in method.state_dict().items()}
    tensors |= {f"state/{name}": tensor for name, tensor in fitted.items()}
    folder.mkdir(parents=True, exist_ok=True)
    _write_tensors(folder / "weights.safetensors", tensors, {})
    _replace(folder / "state.json", lambda partial: partial.write_text(text, encoding="utf-8"))


def load_encoder(folder: Path) -> SavedEncoder:
    """The encoder in this folder, on the CPU.

    Raises:
        FileNotFoundError: there is none, or it was never finished.
    """
    plain = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    tensors, _ = _read_tensors(folder / "weights.safetensors")
    return SavedEncoder(_under(tensors, "weights/"), {**plain, **_under(tensors, "state/")})


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    owned = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}  # tied ones apart
    _replace(path, lambda partial: save_file(owned, partial, {"json": json.dumps(meta)}))


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        meta: dict[str, Any] = json.loads((file.metadata() or {}).get("json", "{}"))
    return tensors, meta


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
