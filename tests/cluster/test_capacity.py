from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import Job, SlotSize
from cluster.capacity import ImpossibleRequest, Node, check, slots_that_fit


def job(ranks: int) -> Job:
    return Job(id="x", target="", payload={}, ranks=ranks)


def test_the_refusal_has_the_numbers_and_the_remedy() -> None:
    with pytest.raises(ImpossibleRequest) as refusal:
        check(job(4), SlotSize(cpus=1, gpus=1), [Node(2, 0)], None)
    assert str(refusal.value) == (
        "x asks for 4 ranks x 1 CPU + 1 GPU; the cluster has 2 CPUs and 0 GPUs, where 0 such ranks fit: "
        "lower ranks or cpus_per_rank or gpus_per_rank, or add nodes"
    )


def test_a_slot_lies_on_one_node() -> None:
    halves = [Node(2, 0), Node(2, 0)]
    assert slots_that_fit(SlotSize(cpus=3), halves) == 0
    assert slots_that_fit(SlotSize(cpus=2), halves) == 2
    assert slots_that_fit(SlotSize(cpus=1, gpus=1), [Node(8, 0), Node(0, 8), Node(4, 2)]) == 2
    with pytest.raises(ImpossibleRequest, match="4 CPUs and 0 GPUs on 2 nodes, where 0 such ranks fit"):
        check(job(1), SlotSize(cpus=3), halves, None)


def test_shares_of_a_gpu() -> None:
    assert slots_that_fit(SlotSize(cpus=0, gpus=0.1), [Node(1, 0.3)]) == 3


def test_a_limit_of_our_own_is_named_as_such() -> None:
    with pytest.raises(ImpossibleRequest, match="limited to 1 slot"):
        check(job(2), SlotSize(), [Node(8, 0)], 1)


def test_a_slot_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="some share"):
        slots_that_fit(SlotSize(cpus=0), [Node(1, 0)])


@given(st.lists(st.tuples(st.integers(0, 64), st.integers(0, 8)), max_size=5), st.integers(1, 4), st.integers(0, 2))
def test_what_fits_is_never_more_than_there_is(nodes: list[tuple[int, int]], cpus: int, gpus: int) -> None:
    fit = slots_that_fit(SlotSize(cpus=cpus, gpus=gpus), [Node(*node) for node in nodes])
    assert fit * cpus <= sum(node[0] for node in nodes)
    assert fit * gpus <= sum(node[1] for node in nodes)
