"""Each contract check catches a method that breaks it: a toy with one bug planted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cluster import Gang
from methods import Batch, Drawn, Features, Keys, LossTerms, Method, Spec, State
from tests.contract import checks
from tests.contract.subjects import Subject, subject
from tests.contract.two_ranks import curves
from tests.toys import Frames, Layers, LayerStage, Terms, TermsStage, ToyConfig


class _Broken(Terms):
    """The toy of two terms, with a stage that has a bug."""

    stage_type: type[TermsStage] = TermsStage

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self._stages = [self.stage_type(self.trunk, spec.shape[-1] ** 2, config.width)]


class _Infinite(TermsStage):
    def forward(self, drawn: Drawn) -> LossTerms:
        terms = super().forward(drawn)
        return LossTerms({name: value.exp().exp().exp() for name, value in terms.sums.items()})


class _Detached(TermsStage):
    def forward(self, drawn: Drawn) -> LossTerms:
        with torch.no_grad():
            code = self.trunk(drawn.tensors["clean"])
        error = (self.kept(code) + self.masked(code) - drawn.tensors["clean"]).square().sum()
        return LossTerms(dict.fromkeys(drawn.weights, error))


class _GlobalDice(TermsStage):
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        return super().draw(batch, Keys.of(int(torch.randint(1000, ())), "dice", torch.arange(len(keys))))


class _Frozen(TermsStage):
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        return super().draw(batch, Keys.of(0, "always", torch.zeros(len(keys), dtype=torch.int64)))


class _ByPlaceInBatch(TermsStage):
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        return super().draw(batch, Keys.of(keys[:1].seed(), "batch", torch.arange(len(keys))))


class _Mean(TermsStage):
    def forward(self, drawn: Drawn) -> LossTerms:
        terms = super().forward(drawn)
        return LossTerms({name: value / len(drawn.tensors["clean"]) for name, value in terms.sums.items()})


class _Unlearnable(TermsStage):
    def forward(self, drawn: Drawn) -> LossTerms:
        terms = super().forward(drawn)
        return LossTerms({name: value + 1e4 for name, value in terms.sums.items()})


class _BatchStatistics(Terms):
    def encode(self, batch: Batch) -> Mapping[str, Features]:
        code = self.trunk(batch["image"].flatten(1))
        return {"trunk": Features(code - code.mean(0))}


class _Forgetful(Terms):
    """Something that `encode` needs is neither a weight nor fitted state."""

    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.secret = torch.rand(config.width)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return {"trunk": Features(self.trunk(batch["image"].flatten(1)) * self.secret)}


class _LeakyStage(LayerStage):
    """Trains the layers below as well."""

    def forward(self, drawn: Drawn) -> LossTerms:
        leak = sum((layer.weight.sum() for layer in self._below if isinstance(layer, nn.Linear)), torch.zeros(()))
        return LossTerms({"reconstruction": super().forward(drawn).sums["reconstruction"] + leak})


class _Leaky(Layers):
    def __init__(self, config: ToyConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        below = list(self.layers)
        self._stages = [_LeakyStage(below[:depth], self._layer(depth)) for depth in range(2)]


class _BadCenters(Frames):
    def encode(self, batch: Batch) -> Mapping[str, Features]:
        features = super().encode(batch)["trunk"]
        assert features.centers is not None
        return {"trunk": features._replace(centers=features.centers[:1])}


def planted(stage: type[TermsStage]) -> type[Method]:
    return type(stage.__name__, (_Broken,), {"stage_type": stage})


@pytest.mark.parametrize(
    ("check", "method"),
    [
        (checks.loss_is_finite, planted(_Infinite)),
        (checks.gradients_reach_what_is_trained, planted(_Detached)),
        (checks.gradients_reach_what_is_trained, _Leaky),
        (checks.draw_is_keyed, planted(_GlobalDice)),
        (checks.draw_is_keyed, planted(_Frozen)),
        (checks.draw_is_per_example, planted(_ByPlaceInBatch)),
        (checks.sums_add_up, planted(_Mean)),
        (checks.small_batch_is_overfitted, planted(_Unlearnable)),
        (checks.encoding_ignores_batch_mates, _BatchStatistics),
        (checks.encoding_ignores_batch_mates, _BadCenters),
    ],
)
def test_bug_is_caught(check: Callable[[Subject], None], method: type[Method]) -> None:
    with pytest.raises(AssertionError):
        check(subject(method))


def test_forgotten_state_is_caught(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="changed on the way"):
        checks.state_round_trips(subject(_Forgetful), tmp_path)


def test_means_of_means_are_caught() -> None:
    """Two unequal halves whose means are averaged do not lose as the whole does: what comparing ranks relies on."""
    whole = torch.tensor(curves(subject(Terms), Gang(), steps=3))
    averaged = torch.tensor(curves(subject(planted(_WeighsNothing)), Gang(), steps=3))
    assert ((averaged - whole) / whole).abs().max() > 1e-5


class _WeighsNothing(TermsStage):
    """Divides each half of the batch by its own weight, as averaging over ranks would."""

    def forward(self, drawn: Drawn) -> LossTerms:
        halves = [
            Drawn({name: tensor[part] for name, tensor in drawn.tensors.items()}, {})
            for part in (slice(None, 4), slice(4, None))
        ]
        sums: dict[str, Tensor] = {}
        for half in halves:
            mask = half.tensors["mask"]
            weights = {"masked": mask.sum(), "kept": (1 - mask).sum()}
            for name, value in super().forward(half._replace(weights=weights)).sums.items():
                part = value / weights[name] / 2 * drawn.weights[name]
                sums[name] = sums[name] + part if name in sums else part
        return LossTerms(sums)
