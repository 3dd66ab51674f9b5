"""Phone labels of 10 ms, as van den Oord et al. published them for LibriSpeech: an utterance a line, its name and then
a number for every 10 ms (also read by Riviere et al., facebookresearch/CPC_audio)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import NAMED, listed
from harness.datasets._dataset import DatasetError

#: Labels a second.
PER_SECOND = 100
#: No alphabet of phones, or of states of them, has so many.
MOST = 10_000
#: Labels that may lie beyond the end of the sound: windows are counted in more than one way.
SPARE = 2


def read_phones(path: Path) -> dict[str, NDArray[np.int64]]:
    """The labels of every utterance by its name: int64 [L].

    Raises:
        DatasetError: names the lines that make no sense.
    """
    if not path.is_file():
        raise DatasetError(f"there is no {path}; `phones` is the name of a file inside `path`")
    found: dict[str, NDArray[np.int64]] = {}
    wrong: list[str] = []
    try:
        with path.open(encoding="ascii") as file:
            for number, line in enumerate(file, 1):
                name, _, rest = " ".join(line.split()).partition(" ")
                if not name:
                    continue
                if rest and not rest.replace(" ", "").isdecimal():
                    odd = next(word for word in rest.split() if not word.isdecimal())
                    wrong.append(f"{path}, line {number}: {odd!r} is no number of a phone")
                    continue
                labels = np.fromstring(rest, np.int64, sep=" ")
                if not len(labels):
                    wrong.append(f"{path}, line {number}: {name} has no labels")
                elif labels.max() >= MOST:
                    wrong.append(f"{path}, line {number}: {labels.max()} is the number of no phone")
                elif name in found:
                    wrong.append(f"{path}, line {number}: {name} has labels in a line above too")
                found[name] = labels
                if len(wrong) > NAMED:
                    break
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as phone labels: {error}") from error
    if wrong:
        raise DatasetError(
            listed("a line has the name of an utterance, and a number of a phone for every 10 ms; not so", wrong)
        )
    if not found:
        raise DatasetError(f"{path}: is empty")
    return found


def intervals(count: int, rate: int) -> NDArray[np.int64]:
    """Where so many labels lie, in samples: int64 [count, 2], (begin, end)."""
    edges = np.round(np.arange(count + 1) * (rate / PER_SECOND)).astype(np.int64)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def frames_of(samples: int, rate: int) -> int:
    """How many whole 10 ms a recording has."""
    return samples * PER_SECOND // rate
