"""Counter-based randomness: every draw is a function of (seed, purpose, example), whatever the rank or the batch.

A sequential generator makes example 7 depend on examples 0 to 6, and so on how a batch was cut over ranks. Here
each example owns a stream: a 64-bit key, hashed together with a counter by pcg4d (Jarzynski and Olano, "Hash
Functions for GPU Rendering", JCGT 9(3), 2020), which needs only 32-bit integer operations and gives the same
bits on every device.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

_MASK32 = 0xFFFFFFFF
_MULTIPLIER, _INCREMENT = 1664525, 1013904223  # Numerical Recipes' linear congruential constants, as in pcg4d


@dataclass(frozen=True)
class Keys:
    """N independent streams of random numbers, one per example.

    Attributes:
        high, low: int32 [N]; the two halves of each example's key.

    The same keys give the same numbers: derive new ones with `fold` for every purpose.
    """

    high: Tensor
    low: Tensor

    @classmethod
    def of(cls, seed: int, purpose: str, examples: Tensor | None = None) -> Keys:
        """Keys of (seed, purpose) for each of `examples` (int64 [N]); for a single stream, leave them out."""
        if examples is None:
            examples = torch.zeros(1, dtype=torch.int64)
        root = _digest(f"{seed}\x1f{purpose}")
        words = _pcg4d(
            _to_int32(examples & _MASK32),
            _to_int32((examples >> 32) & _MASK32),
            torch.full_like(examples, _signed(root >> 32), dtype=torch.int32),
            torch.full_like(examples, _signed(root & _MASK32), dtype=torch.int32),
        )
        return cls(words[0], words[1])

    def __len__(self) -> int:
        return self.high.shape[0]

    def fold(self, purpose: str) -> Keys:
        """The streams for another purpose of the same examples."""
        root = _digest(purpose)
        words = _pcg4d(
            self.high,
            self.low,
            torch.full_like(self.high, _signed(root >> 32)),
            torch.full_like(self.low, _signed(root & _MASK32)),
        )
        return Keys(words[0], words[1])

    def to(self, device: torch.device | str) -> Keys:
        return Keys(self.high.to(device), self.low.to(device))

    def __getitem__(self, index: slice | Tensor) -> Keys:
        return Keys(self.high[index], self.low[index])

    def bits(self, *shape: int) -> Tensor:
        """Uniform 32-bit words: int32 [N, *shape]."""
        count = math.prod(shape)
        groups = -(-count // 4)
        counter = torch.arange(groups, dtype=torch.int32, device=self.high.device)
        lane = counter.expand(len(self), groups)
        high, low = self.high[:, None].expand_as(lane), self.low[:, None].expand_as(lane)
        words = torch.stack(_pcg4d(lane, high, low, high ^ low), dim=-1)
        return words.reshape(len(self), 4 * groups)[:, :count].reshape(len(self), *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1) with 24 bits: float32 [N, *shape]."""
        return ((self.bits(*shape) >> 8) & 0xFFFFFF).float() * 2.0**-24

    def normal(self, *shape: int) -> Tensor:
        """Standard normal by Box and Muller: float32 [N, *shape]."""
        first, second = self.uniform(2, *shape).unbind(1)
        return torch.sqrt(-2.0 * torch.log1p(-first)) * torch.cos(2.0 * math.pi * second)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform integers in [0, high), bias below high / 2^32: int64 [N, *shape]."""
        return ((self.bits(*shape).long() & _MASK32) * high) >> 32

    def choose(self, count: int, population: int) -> Tensor:
        """`count` distinct indices below `population`, all subsets equally likely: int64 [N, count], in no order."""
        return self.bits(population).topk(count, dim=1, sorted=False).indices

    def seed(self) -> int:
        """A 63-bit seed for a library's own generator, from the first stream."""
        return ((int(self.high[0]) & 0x7FFFFFFF) << 32) | (int(self.low[0]) & _MASK32)

    def generator(self) -> torch.Generator:
        """A sequential CPU generator, for what is drawn once per run (initial weights, fitted state)."""
        return torch.Generator().manual_seed(self.seed())


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _signed(word: int) -> int:
    return word - (1 << 32) if word & 0x80000000 else word


def _to_int32(words: Tensor) -> Tensor:
    return torch.where(words > 0x7FFFFFFF, words - (1 << 32), words).to(torch.int32)


def _pcg4d(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a, b, c, d = (word * _MULTIPLIER + _INCREMENT for word in (a, b, c, d))
    a, b, c, d = _mix(a, b, c, d)
    a, b, c, d = (word ^ ((word >> 16) & 0xFFFF) for word in (a, b, c, d))
    return _mix(a, b, c, d)


def _mix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a = a + b * d
    b = b + c * a
    c = c + a * b
    d = d + b * c
    return a, b, c, d
