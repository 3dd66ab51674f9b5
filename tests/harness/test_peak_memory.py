from __future__ import annotations

import sys

import pytest
import torch

from harness import peak_memory

CPU = torch.device("cpu")


def test_what_is_taken_and_given_back_is_seen() -> None:
    peak_memory.reset(CPU)
    before = peak_memory.peak(CPU)
    block = torch.ones(64_000_000, dtype=torch.uint8)
    assert block.sum() == 64_000_000
    del block
    assert peak_memory.peak(CPU) >= before + 60_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process reset its peak")
def test_a_peak_of_earlier_work_does_not_count() -> None:
    block = torch.ones(256_000_000, dtype=torch.uint8)
    high = peak_memory.peak(CPU)
    del block
    peak_memory.reset(CPU)
    assert peak_memory.peak(CPU) < high - 200_000_000
