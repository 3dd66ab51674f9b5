"""Recordings of short tones, and a method that learns from them: what evaluating audio needs, as small as it can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import harness.datasets
import methods
from harness.datasets import Dataset, SplitName, Task, Writer
from methods import (
    Batch,
    Drawn,
    Features,
    Keys,
    LossTerms,
    Method,
    Preset,
    Settings,
    Source,
    Spec,
    Stage,
    State,
    Training,
    audio,
)

RATE, HOP = 8000, 80
PITCHES = (300.0, 500.0, 900.0, 1500.0)
SIZES: Mapping[SplitName, int] = {"train": 24, "val": 8, "test": 12}


@dataclass(frozen=True, kw_only=True)
class TonesConfig(Settings):
    """There is nothing to choose."""


class Tones(Dataset):
    """Tones of 40 ms by clear or rough voices, with noise. The pitch is labelled every 10 ms, the voice and the share
    of the lowest pitch for each recording, of which some are ten times as long as others."""

    name: ClassVar[str] = "tones"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "none"
    Config: ClassVar[type[Settings]] = TonesConfig

    @property
    def spec(self) -> Spec:
        return Spec(modality="audio", shape=(), size=SIZES["train"], groups=True, rate=RATE)

    @property
    def tasks(self) -> Mapping[str, Task]:
        pitches = tuple(f"{pitch:.0f} Hz" for pitch in PITCHES)
        return {
            "pitch": Task(name="pitch", kind="position", metric="position_accuracy", classes=pitches, chance=0.25),
            "voice": Task(name="voice", kind="class", metric="accuracy", classes=("clear", "rough"), chance=0.5),
            "low": Task(name="low", kind="regression", metric="pearson", chance=0.0),
        }

    def write(self, split: SplitName, writer: Writer) -> None:
        rng = np.random.default_rng(list(SIZES).index(split))
        rows, pitches = [], []
        voices = np.arange(SIZES[split]) % 2
        for voice in voices:
            chosen = rng.integers(0, len(PITCHES), rng.choice([2, 5, 20])).repeat(4)
            phase = np.cumsum(2 * np.pi * np.array(PITCHES)[chosen].repeat(HOP) / RATE)
            tone = np.sin(phase) + 0.6 * voice * np.sin(2 * phase)
            rows.append((0.4 * tone + 0.02 * rng.normal(size=len(tone))).clip(-1, 1).astype(np.float32))
            pitches.append(chosen)
        starts = [np.arange(len(chosen)) * HOP for chosen in pitches]
        writer.ragged("audio", rows)
        writer.groups(voices.astype(np.int64))
        writer.labels("voice", voices.astype(np.int64))
        writer.labels("low", np.array([np.mean(chosen == 0) for chosen in pitches]))
        writer.labelled_positions("pitch", [np.stack([begin, begin + HOP], axis=1) for begin in starts], pitches)


@dataclass(frozen=True, kw_only=True)
class HumConfig(Settings):
    width: int = 16


class HumStage(Stage):
    """Each 10 ms are to be restored from a few numbers."""

    def __init__(self, trunk: nn.Module, width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(width, HOP)

    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        frames = batch["audio"].unflatten(1, (-1, HOP))
        return Drawn({"frames": frames}, {"error": torch.tensor(float(frames.numel()), device=frames.device)})

    def forward(self, drawn: Drawn) -> LossTerms:
        frames = drawn.tensors["frames"]
        return LossTerms({"error": (self.head(self.trunk(frames)) - frames).square().sum()})


class Hum(Method):
    name = "hum"
    paper = "A toy that hears 10 ms at a time"
    version = 1
    Config = HumConfig
    presets: ClassVar = {
        name: Preset(training=Training(steps=20, batch_size=8, optimizer="adam", learning_rate=0.01))
        for name in ("small", "paper")
    }

    def __init__(self, config: HumConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.trunk = nn.Sequential(nn.Linear(HOP, config.width), nn.ReLU())
        self._stages = [HumStage(self.trunk, config.width)]

    @classmethod
    def fits(cls, config: HumConfig, spec: Spec) -> str | None:
        return None if spec.modality == "audio" else "needs audio"

    @classmethod
    def primary(cls, config: HumConfig, spec: Spec) -> Mapping[methods.TaskKind, str]:
        return {"class": "hum", "position": "hum", "regression": "hum"}

    def stages(self) -> Sequence[Stage]:
        return self._stages

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        column, length = source.columns["audio"], 4 * HOP
        starts = keys.fold("start").uniform(1)[:, 0] * (column.lengths(ids) - length)
        return {"audio": column.windows(ids, starts.long(), length)}

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return audio.whole(source, ids)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        local = self.trunk(batch["audio"].unflatten(1, (-1, HOP)))
        places = torch.arange(local.shape[1], device=local.device)
        mask = places < (batch["samples"] // HOP)[:, None]
        pooled = (local * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return {"hum": Features(pooled, local, mask, HOP * places.float())}


@contextmanager
def installed() -> Iterator[None]:
    """As if a package with this method and this dataset were installed."""
    points = {"harness.methods": Hum, "harness.datasets": Tones}

    def entry_points(group: str) -> list[Any]:
        return [SimpleNamespace(load=lambda: points[group])] if group in points else []

    rosters = (methods.roster, harness.datasets.roster)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods._roster.entry_points", entry_points)
        for roster in rosters:
            roster.cache_clear()
        yield
    for roster in rosters:
        roster.cache_clear()
