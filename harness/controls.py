"""The rows that every board carries unasked: raw input, and the untrained twin of each trained encoder."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import torch
from torch import Tensor, nn

from harness.features import BATCH, chunks, device_of
from harness.feed import to_device
from methods import Batch, Features, Method, Source

#: Batches over which an untrained twin's batch statistics are averaged.
CALIBRATION_BATCHES = 32


class RawInput:
    """The input itself as its representation: every dense column, flattened and scaled to [0, 1] if stored as bytes."""

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {name: column.take(ids) for name, column in source.columns.items()}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        flat = [_scaled(values).flatten(1) for values in batch.values()]
        return {"raw": Features(pooled=torch.cat(flat, dim=1))}


def _scaled(values: Tensor) -> Tensor:
    return values.float() / 255 if values.dtype == torch.uint8 else values.float()


def calibrate(method: Method, source: Source) -> None:
    """Give an untrained twin the batch statistics of its own random features, averaged over the training split.

    Without this an untrained encoder with batch normalisation would be judged under statistics (0, 1) that fit
    nothing, and the trained one would beat it for the wrong reason. No weight changes.
    """
    norms = [module for module in method.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    whole = max(
        len(source) // BATCH, 1
    )  # a last batch of few would count as much as the others; one of one has no variance
    with torch.no_grad():
        for ids in islice(chunks(len(source)), min(whole, CALIBRATION_BATCHES)):
            method.encode(to_device(method.examples(source, ids), device_of(method)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum  # what trains it from here on shall not average over its whole past
        norm.eval()
