"""What a rank is fed, step by step: its pieces of the global batch, sampled on the CPU and moved to the device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import torch

from harness.order import Order, positions
from methods import Batch, Drawn, Keys, Method, Source, Stage

Piece: TypeAlias = tuple[Batch, Keys]


#: Positions of the stream whose keys are made together.
BLOCK = 4096


class Feed:
    """Micro-batches of one stage, drawn and ready for the engine.

    On CUDA a thread samples the next step while this one computes. Numbers do not depend on it: every draw is keyed
    by its position in the stream.

    Attributes:
        waiting: seconds spent waiting for examples so far.
    """

    def __init__(
        self,
        method: Method,
        stage: Stage,
        index: int,
        source: Source,
        order: Order,
        *,
        seed: int,
        batch_size: int,
        rank: int,
        world: int,
        accumulate: int,
        device: torch.device,
    ) -> None:
        self.waiting = 0.0
        self._method, self._stage, self._index = method, stage, index
        self._source, self._order = source, order
        self._seed, self._batch_size, self._device = seed, batch_size, device
        self._block = range(0)
        self._block_keys: tuple[Keys, Keys]
        self._pieces = range(rank * accumulate, (rank + 1) * accumulate)
        self._of = world * accumulate
        self._ahead = ThreadPoolExecutor(1) if device.type == "cuda" else None

    def steps(self, first: int, last: int) -> Iterator[tuple[int, list[Drawn]]]:
        """Each step from `first` to before `last`, with this rank's micro-batches."""
        future: Future[list[Piece]] | None = None
        for step in range(first, last):
            asked = time.perf_counter()
            pieces = future.result() if future else self._sample(step)
            if self._ahead and step + 1 < last:
                future = self._ahead.submit(self._sample, step + 1)
            moved = [(to_device(batch, self._device), keys.to(self._device)) for batch, keys in pieces]
            self.waiting += time.perf_counter() - asked
            with torch.no_grad():
                drawn = [self._stage.draw(batch, keys) for batch, keys in moved]
            yield step, drawn

    def close(self) -> None:
        if self._ahead:
            self._ahead.shutdown(cancel_futures=True)

    def _sample(self, step: int) -> list[Piece]:
        pieces = []
        for piece in self._pieces:
            where = positions(step, self._batch_size, piece, self._of)
            for_sampling, for_drawing = self._keys(where)
            batch = self._method.sample(self._source, self._order.ids(where), for_sampling)
            pieces.append((pinned(batch) if self._ahead else batch, for_drawing))
        return pieces

    def _keys(self, where: range) -> tuple[Keys, Keys]:
        """Keys to sample and to draw the examples at these positions of one step.

        Each is a function of its position alone; making those of many steps at once spares small tensor operations at
        every step.
        """
        if where.start not in self._block:
            span = max(BLOCK // self._batch_size, 1) * self._batch_size
            start = where.start // span * span
            self._block = range(start, start + span)
            keys = Keys.of(self._seed, f"pretrain/{self._index}", torch.arange(start, start + span))
            self._block_keys = keys, keys.fold("stage.draw")
        mine = slice(where.start - self._block.start, where.stop - self._block.start)
        return self._block_keys[0][mine], self._block_keys[1][mine]


def to_device(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cpu":
        return batch
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
    }


def pinned(batch: Batch) -> Batch:
    """From page-locked memory, copies to the device do not wait."""
    return {name: value.pin_memory() if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
