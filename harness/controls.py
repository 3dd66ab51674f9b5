"""The untrained twin of each trained encoder, which every board carries unasked."""

from __future__ import annotations

import torch
from torch import nn

from harness.features import BATCH, batches, device_of
from harness.feed import to_device
from methods import Method, Source

#: Batches over which an untrained twin's batch statistics are averaged.
CALIBRATION_BATCHES = 32


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
    # A last batch of few would count as much as the others, and one of one example has no variance.
    whole = max(len(source) // BATCH, 1) * BATCH if len(source) > BATCH else len(source)
    ids = torch.arange(min(whole, CALIBRATION_BATCHES * BATCH))
    with torch.no_grad():
        for part in batches(source, ids):
            method.encode(to_device(method.examples(source, part), device_of(method)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum  # what trains it from here on shall not average over its whole past
        norm.eval()
