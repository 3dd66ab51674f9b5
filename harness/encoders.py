"""From a cell to its frozen encoder: trained weights from the store, an untrained twin, or the raw input."""

from __future__ import annotations

import torch

from harness.checkpoint import load_encoder
from harness.configuration import restore
from harness.controls import RawInput, calibrate
from harness.datasets import Task
from harness.datasets.cache import Materialised, open_dataset
from harness.plan import Cell, Initialisation, Pretraining
from harness.pretrain import build
from harness.protocols import Encoder
from harness.store import Store
from methods import Method, roster


def load(cell: Cell, store: Store, data: Materialised) -> Encoder:
    """The encoder that `cell` is judged on, in evaluation mode, on the device that the cell asks for.

    Args:
        data: what it is judged on; an untrained twin takes its batch statistics from there too.
    """
    if cell.encoder is None:
        return RawInput()
    device = torch.device("cuda" if cell.gpus_per_rank > 0 else "cpu")
    if isinstance(cell.encoder, Pretraining):
        return _trained(cell.encoder, store).to(device).eval()
    method = _untrained(cell.encoder).to(device).eval()
    calibrate(method, data.split("train").source)
    return method


def primary(cell: Cell, task: Task) -> str:
    """The representation that is ranked."""
    start = _initialisation(cell)
    if start is None:
        return "raw"
    method_class = roster()[start.method]
    return method_class.primary(restore(method_class.Config, start.config))[task.kind]


def _initialisation(cell: Cell) -> Initialisation | None:
    return cell.encoder.initialisation if isinstance(cell.encoder, Pretraining) else cell.encoder


def _trained(plan: Pretraining, store: Store) -> Method:
    start = plan.initialisation
    method_class = roster()[start.method]
    saved = load_encoder(store.artifacts(plan.fingerprint))
    source, _ = open_dataset(start.dataset).pretraining()
    method = method_class(restore(method_class.Config, start.config), source.spec, saved.state)
    method.load_state_dict(saved.weights)
    return method


def _untrained(start: Initialisation) -> Method:
    method_class = roster()[start.method]
    source, _ = open_dataset(start.dataset).pretraining()
    method, _ = build(method_class, restore(method_class.Config, start.config), source, start.seed)
    return method
