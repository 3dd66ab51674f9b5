"""Random choices, keyed by a purpose: integer arithmetic alone, so that every platform chooses alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from harness.datasets._procedural import words

_BLOCK = 256
T = TypeVar("T")


class Dice:
    """An endless stream of choices, a function of its purpose."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._rest: list[int] = []
        self._blocks = 0

    def below(self, high: int) -> int:
        """Uniform over 0..high - 1."""
        if not self._rest:
            self._rest = words(f"{self._purpose}/{self._blocks}", _BLOCK, 1)[:, 0].tolist()
            self._blocks += 1
        return (self._rest.pop() * high) >> 32

    def percent(self, chance: int) -> bool:
        """True in `chance` of 100 cases."""
        return self.below(100) < chance

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each equally likely."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[tuple[T, int]]) -> T:
        """One of the items, given with integer weights."""
        left = self.below(sum(weight for _, weight in items))
        for item, weight in items:
            left -= weight
            if left < 0:
                return item
        raise AssertionError("the weights add up")
