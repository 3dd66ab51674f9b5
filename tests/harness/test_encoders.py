"""Which encoder a cell is judged on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cluster import Gang
from harness import cell as jobs
from harness import encoders
from harness.baselines.raw import RawInput
from harness.configuration import restore
from harness.datasets.cache import Materialised, open_dataset
from harness.plan import Cell, Initialisation
from harness.pretrain import build
from methods import Method, roster
from tests.harness.tiny import Tiny, tiny


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, dataset_cache: Path) -> Tiny:
    made = tiny(tmp_path_factory.mktemp("encoders"))
    jobs.pretrain(made.payload("pretrain sdae/digits/0"), Gang())
    return made


@pytest.fixture
def data(made: Tiny) -> Materialised:
    return open_dataset(made.raw.dataset)


def method_of(cell: Cell, made: Tiny, data: Materialised) -> Method:
    found = encoders.load(cell, made.store, data)
    assert isinstance(found, Method)
    assert not any(module.training for module in found.modules())
    return found


def test_raw_input_for_the_raw_control(made: Tiny, data: Materialised) -> None:
    assert isinstance(encoders.load(made.raw, made.store, data), RawInput)
    assert encoders.primary(made.raw, data.tasks["digit"], data.spec) == "raw"


def test_the_twin_has_the_weights_from_which_training_starts(made: Tiny, data: Materialised) -> None:
    assert isinstance(made.twin.encoder, Initialisation)
    kind = roster()["sdae"]
    config = restore(kind.Config, made.twin.encoder.config)
    start, _ = build(kind, config, data.split("train").source, seed=0)
    twin = method_of(made.twin, made, data).state_dict()
    assert twin.keys() == start.state_dict().keys()
    assert all(torch.equal(value, twin[name]) for name, value in start.state_dict().items())


def test_the_trained_encoder_has_learned_and_comes_back_the_same(made: Tiny, data: Materialised) -> None:
    first, second = (method_of(made.trained, made, data).state_dict() for _ in range(2))
    twin = method_of(made.twin, made, data).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert any(not torch.equal(value, twin[name]) for name, value in first.items())


def test_twin_and_trained_are_ranked_by_the_same_representation(made: Tiny, data: Materialised) -> None:
    task = data.tasks["digit"]
    named = [encoders.primary(cell, task, data.spec) for cell in (made.trained, made.twin)]
    assert named == ["layer2", "layer2"]
