"""Whole examples of one part, decoded once where they fit in memory: fine-tuning sees each of them many times."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from harness.features import batches
from harness.feed import to_device
from harness.protocols._protocol import EncodedSplit, Encoder
from methods import Batch

#: Examples decoded or judged at a time, at most.
BATCH = 256
#: Bytes that the decoded examples of a part may take on the device.
ROOM = 1 << 30


class WholeExamples:
    """The examples of `split` as `encoder.encode` takes them, on `device`, by their place in the part.

    They are kept if every named input is a tensor whose rows have one shape throughout (text padded to its own batch
    has not) and all of them take at most `ROOM`; otherwise each batch is decoded anew. The numbers are the same. To
    tokenise a text anew takes 3 to 5 % of an update of a small BERT, measured on one core.
    """

    def __init__(self, encoder: Encoder, split: EncodedSplit, device: torch.device, *, keep: bool = True) -> None:
        self._encoder, self._split, self._device = encoder, split, device
        self._kept = self._decoded() if keep else None

    def __len__(self) -> int:
        return len(self._split.ids)

    @property
    def kept(self) -> bool:
        """Whether they are held decoded."""
        return self._kept is not None

    def batch(self, places: Tensor) -> Batch:
        """These of them, in this order: int64 [B] on the CPU."""
        if self._kept is None:
            return to_device(self._encoder.examples(self._split.source, self._split.ids[places]), self._device)
        places = places.to(self._device, non_blocking=True)
        return {name: values.index_select(0, places) for name, values in self._kept.items()}

    def in_order(self) -> Iterator[tuple[Tensor, Batch]]:
        """All of them with their places, a batch at a time."""
        for places in self._batches():
            if self._kept is None:
                yield places, self.batch(places)
            else:
                whole = slice(int(places[0]), int(places[-1]) + 1)
                yield places, {name: values[whole] for name, values in self._kept.items()}

    def _batches(self) -> Iterator[Tensor]:
        first = 0
        for ids in batches(self._split.source, self._split.ids, BATCH):
            yield torch.arange(first, first + len(ids))
            first += len(ids)

    def _decoded(self) -> dict[str, Tensor] | None:
        parts: dict[str, list[Tensor]] = {}
        for ids in batches(self._split.source, self._split.ids, BATCH):
            batch = self._encoder.examples(self._split.source, ids)
            if not parts and _bytes(batch) * len(self) > ROOM * len(ids):
                return None
            for name, values in batch.items():
                known = parts.setdefault(name, [])
                if not isinstance(values, Tensor) or (known and values.shape[1:] != known[0].shape[1:]):
                    return None
                known.append(values)
        return {name: torch.cat(values).to(self._device) for name, values in parts.items()}


def _bytes(batch: Batch) -> int:
    return sum(values.nbytes for values in batch.values() if isinstance(values, Tensor))
