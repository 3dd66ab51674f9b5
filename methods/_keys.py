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
        low, high = _to_int32(examples & _MASK32), _to_int32((examples >> 32) & _MASK32)
        return cls._of(low, high, root)

    @classmethod
    def _of(cls, first: Tensor, second: Tensor, root: int) -> Keys:
        upper = torch.full((1, 1), _signed(root >> 32), dtype=torch.int32, device=first.device)
        lower = torch.full((1, 1), _signed(root & _MASK32), dtype=torch.int32, device=first.device)
        words = _pcg4d(first[None], second[None], upper, lower, 1, len(first))
        return cls(words[0, 0], words[0, 1])

    def __len__(self) -> int:
        return self.high.shape[0]

    def fold(self, purpose: str) -> Keys:
        """The streams for another purpose of the same examples."""
        return self._of(self.high, self.low, _digest(purpose))

    def to(self, device: torch.device | str) -> Keys:
        return Keys(self.high.to(device), self.low.to(device))

    def __getitem__(self, index: slice | Tensor) -> Keys:
        return Keys(self.high[index], self.low[index])

    def bits(self, *shape: int) -> Tensor:
        """Uniform 32-bit words: int32 [N, *shape]."""
        count = math.prod(shape)
        groups = -(-count // 4)
        counter = torch.arange(groups, dtype=torch.int32, device=self.high.device)[None]
        high, low = self.high[:, None], self.low[:, None]
        words = _pcg4d(counter, high, low, high ^ low, len(self), groups)
        return words.view(len(self), 4 * groups)[:, :count].reshape(len(self), *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1) with 24 bits: float32 [N, *shape]."""
        return self.bits(*shape).bitwise_right_shift_(8).bitwise_and_(0xFFFFFF).float().mul_(2.0**-24)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal by Box and Muller, below 5.8 in size: float32 [N, *shape].

        The bits behind it are the same everywhere, the logarithm and the cosine only up to rounding.
        """
        count = math.prod(shape)
        first, second = self.uniform(2, -(-count // 2)).unbind(1)
        radius, angle = torch.log1p(-first).mul_(-2.0).sqrt_(), second * (2.0 * math.pi)
        pairs = torch.cat((radius * torch.cos(angle), radius * torch.sin(angle)), dim=1)
        return pairs[:, :count].reshape(len(self), *shape)

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


def _advance(word: Tensor) -> Tensor:
    return word * _MULTIPLIER + _INCREMENT


def _pcg4d(a: Tensor, b: Tensor, c: Tensor, d: Tensor, rows: int, groups: int) -> Tensor:
    """Four words per counter: int32 [rows, 4, groups] from inputs that broadcast to [rows, groups].

    Small batches pay per operation, large ones per byte: hence the constants per example are mixed before they meet
    the counter, and all four words share one buffer.
    """
    a, b, c, d = _advance(a), _advance(b), _advance(c), _advance(d)
    words = torch.empty(rows, 4, groups, dtype=torch.int32, device=a.device)
    x, y, z, w = words.unbind(1)
    torch.add(a, b * d, out=x)
    torch.addcmul(b, c, x, out=y)
    torch.addcmul(c, x, y, out=z)
    torch.addcmul(d, y, z, out=w)
    words ^= (words >> 16).bitwise_and_(0xFFFF)
    x.addcmul_(y, w)
    y.addcmul_(z, x)
    z.addcmul_(x, y)
    w.addcmul_(y, z)
    return words
