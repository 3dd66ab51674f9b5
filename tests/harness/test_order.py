from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.order import Order, positions, steps_per_stage
from methods import Training


def training(**values: float) -> Training:
    return Training(batch_size=8, optimizer="sgd", learning_rate=0.1, **values)  # type: ignore[arg-type]


def test_each_epoch_holds_every_example_once_in_its_own_order() -> None:
    order = Order(seed=3, size=10)
    stream = order.ids(range(30)).reshape(3, 10)
    assert (stream.sort(dim=1).values == torch.arange(10)).all()
    assert not torch.equal(stream[0], stream[1])
    assert not torch.equal(stream, Order(seed=4, size=10).ids(range(30)).reshape(3, 10))


@given(start=st.integers(0, 100), length=st.integers(1, 40))
def test_order_has_no_memory(start: int, length: int) -> None:
    whole = Order(seed=0, size=7).ids(range(141))
    assert torch.equal(Order(seed=0, size=7).ids(range(start, start + length)), whole[start : start + length])


@given(step=st.integers(0, 5), batch=st.integers(1, 50), pieces=st.integers(1, 8))
def test_pieces_partition_the_batch_evenly(step: int, batch: int, pieces: int) -> None:
    parts = [positions(step, batch, piece, pieces) for piece in range(pieces)]
    assert [place for part in parts for place in part] == list(range(step * batch, (step + 1) * batch))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_steps_are_shared_out_whole() -> None:
    assert steps_per_stage(training(steps=10), [1 / 3, 1 / 3, 1 / 3], 100) == [3, 4, 3]


def test_epochs_are_of_every_stage() -> None:
    assert steps_per_stage(training(epochs=2), [0.5, 0.5], 21) == [6, 6]


def test_a_stage_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="raise `steps`"):
        steps_per_stage(training(steps=1), [0.5, 0.5], 100)
