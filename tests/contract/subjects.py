"""Who the contract is checked on: every method of the roster at preset "small", and the toys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from harness.pretrain import build
from methods import Batch, Drawn, Keys, Method, Settings, Source, Stage, Training, roster
from tests.toys import TOYS, toy_sources


@dataclass(frozen=True)
class Subject:
    """A method with a toy source that it fits."""

    name: str
    method: type[Method]
    config: Settings
    training: Training
    source: Source

    def build(self, seed: int = 0) -> Method:
        return build(self.method, self.config, self.source, seed)[0]

    def batch(self, method: Method, ids: torch.Tensor, seed: int = 0) -> tuple[Batch, Keys]:
        keys = Keys.of(seed, "contract", ids)
        return method.sample(self.source, ids, keys), keys.fold("stage.draw")

    def draw(self, method: Method, stage: Stage, ids: torch.Tensor, seed: int = 0) -> Drawn:
        with torch.no_grad():
            return stage.draw(*self.batch(method, ids, seed))


def subject(method: type[Method]) -> Subject:
    """Preset "small" on the first toy source that the method's `fits` accepts."""
    preset = method.presets["small"]
    config = settings(method.Config, preset.config)
    reasons = []
    for source in toy_sources():
        reason = method.fits(config, source.spec)
        if reason is None:
            return Subject(method.name, method, config, preset.training, source)
        reasons.append(f"{source.spec.modality} {list(source.spec.shape)}: {reason}")
    raise AssertionError(f"{method.name} fits no toy source: {reasons}; give tests/toys.py one that it does")


def settings(config: type[Settings], values: Mapping[str, object]) -> Settings:
    """A config from a preset's plain values, nested ones included, as suites build it."""
    from pydantic import TypeAdapter

    return TypeAdapter(config).validate_python(dict(values))


def subjects() -> Sequence[Subject]:
    return [subject(method) for method in (*roster().values(), *TOYS.values())]


def stages(method: Method) -> Iterator[tuple[int, Stage]]:
    yield from enumerate(method.stages())
