"""Room for videos or sounds whose length is known only when they are decoded, and which may be more than the memory."""

from __future__ import annotations

import tempfile
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.datasets.cache import default_cache


class Reel:
    """Rows one behind the other, [T, *frame] each, in a file of the cache that vanishes with its last view."""

    def __init__(self, frame: tuple[int, ...], dtype: DTypeLike = np.uint8) -> None:
        folder = default_cache()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._frame = frame
        self._dtype = np.dtype(dtype)
        self._lengths: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, row: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(row, self._dtype).data)
        self._lengths.append(len(row))

    def rows(self) -> list[NDArray[Any]]:
        """Views of what was added, in order."""
        total = sum(self._lengths)
        if not total:
            return []
        self._file.flush()
        whole = np.memmap(self._file, self._dtype, "r", shape=(total, *self._frame))
        ends = np.cumsum(self._lengths).tolist()
        return [whole[end - length : end] for end, length in zip(ends, self._lengths, strict=True)]
