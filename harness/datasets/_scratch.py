"""Room for the pixels of a whole split."""

from __future__ import annotations

import math
import tempfile

import numpy as np
from numpy.typing import NDArray

from harness.datasets.cache import default_cache

#: Arrays beyond so many bytes are built in a file, so that the memory stays free.
IN_MEMORY = 1 << 29


def scratch(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An array to be filled; a large one lies in a file that vanishes with it."""
    if math.prod(shape) <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    folder = default_cache()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
