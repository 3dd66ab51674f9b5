"""The contract of methods, for the domains of cpc that the roster-wide tests do not reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from methods.cpc import Cpc
from tests.contract import checks
from tests.contract.subjects import Subject, settings
from tests.toys import toy_source, toy_sources


def images() -> Subject:
    preset = Cpc.presets["small"]
    source = next(source for source in toy_sources() if source.spec.shape == (3, 48, 48))
    subject = Subject("cpc", Cpc, settings(Cpc.Config, preset.config), preset.training, source)
    assert Cpc.fits(subject.config, source.spec) is None
    return subject


def texts() -> Subject:
    """With room for three sentences, so that longer documents leave the die a choice."""
    preset = Cpc.presets["small"]
    values = {**preset.config, "text": {**preset.config["text"], "sentences": 3, "ahead": 2}}
    source = toy_source("text")
    subject = Subject("cpc", Cpc, settings(Cpc.Config, values), preset.training, source)
    assert Cpc.fits(subject.config, source.spec) is None
    return subject


domains = pytest.mark.parametrize("domain", [images, texts], ids=lambda domain: domain.__name__)


@domains
@pytest.mark.parametrize(
    "check",
    [
        checks.loss_is_finite,
        checks.gradients_reach_what_is_trained,
        checks.draw_is_keyed,
        checks.draw_is_per_example,
        checks.small_batch_is_overfitted,
        checks.encoding_ignores_batch_mates,
    ],
    ids=lambda check: check.__name__,
)
def test_the_contract(check: Callable[[Subject], None], domain: Callable[[], Subject]) -> None:
    check(domain())


@domains
def test_state_round_trips(domain: Callable[[], Subject], tmp_path: Path) -> None:
    checks.state_round_trips(domain(), tmp_path)
