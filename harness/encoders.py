"""From a cell to its frozen encoder: trained weights from the store, an untrained twin, or a baseline's features."""

from __future__ import annotations

import torch

from harness import baselines
from harness.checkpoint import load_encoder
from harness.configuration import restore
from harness.controls import calibrate
from harness.datasets import Task
from harness.datasets.cache import Materialised, open_dataset
from harness.plan import RAW, Baseline, Cell, Initialisation, Pretraining
from harness.pretrain import build
from harness.protocols import Encoder
from harness.store import Store
from methods import Method, Spec, roster


def load(cell: Cell, store: Store, data: Materialised) -> Encoder:
    """The encoder that `cell` is judged on, in evaluation mode, on the device that the cell asks for.

    Args:
        data: what it is judged on; an untrained twin takes its batch statistics from there too.
    """
    if cell.encoder is None or isinstance(cell.encoder, Baseline):
        return baselines.roster()[_baseline(cell)](data.split("train").source)
    device = torch.device("cuda" if cell.gpus_per_rank > 0 else "cpu")
    if isinstance(cell.encoder, Pretraining):
        return _trained(cell.encoder, store).to(device).eval()
    method = _untrained(cell.encoder).to(device).eval()
    calibrate(method, data.split("train").source)
    return method


def primary(cell: Cell, task: Task, spec: Spec) -> str:
    """The representation that is ranked, on a dataset of this spec."""
    if cell.start is None:
        return _baseline(cell)
    method_class = roster()[cell.start.method]
    return method_class.primary(restore(method_class.Config, cell.start.config), spec)[task.kind]


def _baseline(cell: Cell) -> str:
    return cell.encoder.baseline if isinstance(cell.encoder, Baseline) else RAW


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
