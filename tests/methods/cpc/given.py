"""A tower that is told latents and contexts, so that tests know both."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from methods import Batch, Drawn, Features, Keys, Source, Spec, TaskKind
from methods.cpc import CpcConfig
from methods.cpc._stage import PRESENT, Predicting
from methods.cpc._tower import Observed, Tower

WIDTH, CONTEXT, AHEAD = 5, 4, 3


class Given(Tower):
    """Latents are `z` of the batch, contexts `c`."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.width, self.context, self.ahead = WIDTH, CONTEXT, AHEAD

    @classmethod
    def fits(cls, config: CpcConfig, spec: Spec) -> str | None:
        return None

    @classmethod
    def primary(cls, config: CpcConfig) -> Mapping[TaskKind, str]:
        return {}

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        raise AssertionError

    def draw(self, batch: Batch, keys: Keys) -> Mapping[str, Tensor]:
        return {name: batch[name] for name in ("z", "c", "valid")}

    def observe(self, tensors: Mapping[str, Tensor]) -> Observed:
        return Observed(tensors["z"], tensors["c"])

    def examples(self, source: Source, ids: Tensor) -> Batch:
        raise AssertionError

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        raise AssertionError


def stage(config: CpcConfig, seed: int = 0) -> Predicting:
    torch.manual_seed(seed)
    return Predicting(config, Given()).double()


def batch(sequences: int, together: int = 1, steps: int = 7, lanes: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """So many examples with their companions, of which some steps are not real, and some companions not there."""
    generator = torch.Generator().manual_seed(seed)
    rows = sequences * together
    present = torch.rand(sequences, together, generator=generator) < 0.8
    present[:, 0] = True
    return {
        "z": torch.randn(rows, steps, lanes, WIDTH, generator=generator, dtype=torch.float64),
        "c": torch.randn(rows, steps, lanes, CONTEXT, generator=generator, dtype=torch.float64),
        "valid": torch.rand(rows, steps, lanes, generator=generator) < 0.85,
        PRESENT: present,
    }


def draw(made: Predicting, given: Batch) -> Drawn:
    return made.draw(given, Keys.of(0, "test", torch.arange(len(given[PRESENT]))))
