"""Raw input is the input; an untrained twin is judged under the statistics of its own features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.baselines.raw import RawInput
from harness.controls import calibrate
from harness.features import BATCH, Encodings
from methods import Batch, Features, Source, State
from tests.harness.feature_sources import rows
from tests.toys import Layers, ToyConfig, ToySource, toy_source


class Normed(Layers):
    """Has batch normalisation over its rows."""

    def __init__(self, config: Any, spec: Any, state: State) -> None:
        super().__init__(config, spec, state)
        self.norm = nn.BatchNorm1d(3)

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {"row": source.columns["row"].take(ids)}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return {"z": Features(self.norm(batch["row"]))}


def normed(source: Source) -> Normed:
    return Normed(ToyConfig(), source.spec, {}).eval()


def test_raw_input_is_the_input_scaled_if_stored_as_bytes() -> None:
    pixels = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 2, 2)
    assert torch.equal(Encodings(RawInput(), rows(pixels)).pooled["raw"], pixels.flatten(1).float() / 255)
    numbers = torch.randn(4, 5)
    assert torch.equal(Encodings(RawInput(), rows(numbers)).pooled["raw"], numbers)


def test_raw_input_has_every_column() -> None:
    source = rows(torch.ones(4, 2))
    assert isinstance(source, ToySource)
    both = replace(source, columns={"a": source.columns["row"], "b": source.columns["row"]})
    assert Encodings(RawInput(), both).pooled["raw"].shape == (4, 4)


def test_calibration_gives_the_statistics_of_the_data() -> None:
    torch.manual_seed(0)
    table = torch.randn(2 * BATCH, 3) * torch.tensor([1.0, 5.0, 0.1]) + torch.tensor([0.0, 7.0, -3.0])
    method = normed(rows(table))
    before = {name: value.clone() for name, value in method.named_parameters()}
    calibrate(method, rows(table))
    assert method.norm.running_mean is not None
    assert torch.allclose(method.norm.running_mean, table.mean(0), atol=1e-4)
    batches = torch.stack([part.var(0) for part in table.split(BATCH)]).mean(0)
    assert method.norm.running_var is not None
    assert torch.allclose(method.norm.running_var, batches, rtol=1e-4)
    encoded = Encodings(method, rows(table)).pooled["z"]
    assert torch.allclose(encoded.mean(0), torch.zeros(3), atol=1e-3)
    assert torch.allclose(encoded.std(0), torch.ones(3), atol=0.05)
    assert all(torch.equal(value, before[name]) for name, value in method.named_parameters()), "no weight changes"
    assert not any(module.training for module in method.modules())
    assert method.norm.momentum == 0.1, "fine-tuning starts from it"


def test_calibration_is_the_same_each_time() -> None:
    table = torch.randn(BATCH + 1, 3)  # a last batch of one, which has no variance
    method = normed(rows(table))
    found = []
    for _ in range(2):
        calibrate(method, rows(table))
        assert method.norm.running_mean is not None
        found.append(method.norm.running_mean.clone())
    assert torch.equal(*found)


def test_without_batch_normalisation_nothing_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("encoded for nothing")

    source = toy_source("image")
    method = Layers(ToyConfig(), source.spec, {}).eval()
    monkeypatch.setattr(method, "encode", never)
    calibrate(method, source)
