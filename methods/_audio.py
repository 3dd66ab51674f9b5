"""Reading sound: whole recordings, padded to a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from methods._method import Batch, Source

COLUMN = "audio"


def whole(source: Source, ids: Tensor) -> Batch:
    """Whole recordings, padded at their end with silence: `audio` float32 [N, T], `samples` int64 [N], how many of
    each are real."""
    column = source.columns[COLUMN]
    lengths = column.lengths(ids)
    padded = torch.zeros(len(ids), int(lengths.max()))
    for row, (index, length) in enumerate(zip(ids.tolist(), lengths.tolist(), strict=True)):
        padded[row, :length] = torch.tensor(column.row(index))
    return {"audio": padded, "samples": lengths}
