"""What each test example got: the outcomes that evaluations leave in `artifacts/<fingerprint>/outcomes.safetensors`.

One tensor per representation, [N], the task's metric on each test example alone: uint8 of 0 and 1, or float32. Paired
comparisons need those of every seed of every row, which in a large store are ten thousand small files; so they are
kept in one file besides, right and wrong answers as single bits. Like the index of records that is a cache, and never
trusted: each entry carries the size and time of change of the file it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from harness.kept_frame import KeptFrame
from harness.store import Store

FILE = "outcomes.safetensors"

_SCHEMA: Mapping[str, pl.DataType] = {
    "fingerprint": pl.String(),
    "representation": pl.String(),
    "stamp": pl.String(),  #: "<size> <time of change>" of the file
    "kind": pl.String(),  #: "bits", "float32", or null where the file has nothing usable under that representation
    "length": pl.Int64(),
    "data": pl.Binary(),
}

Key = tuple[str, str]  #: fingerprint of an evaluation, representation


class _Entry(NamedTuple):
    stamp: str
    kind: str | None
    length: int
    data: bytes

    def unpacked(self) -> NDArray[Any] | None:
        if self.kind is None:
            return None
        if self.kind == "bits":
            return np.unpackbits(np.frombuffer(self.data, np.uint8), count=self.length)
        return np.frombuffer(self.data, "<f4")


class Outcomes:
    """Outcomes of many evaluations, packed until they are asked for."""

    def __init__(self, entries: Mapping[Key, _Entry]) -> None:
        self._entries = entries

    def of(self, fingerprint: str, representation: str) -> NDArray[Any] | None:
        """uint8 (0 or 1) or float32 [N]; None where the evaluation left none, or nothing readable."""
        entry = self._entries.get((fingerprint, representation))
        return None if entry is None else entry.unpacked()


def gather(store: Store, wanted: Iterable[Key]) -> Outcomes:
    """The outcomes of these evaluations and representations, from the kept file as far as it agrees with theirs."""
    kept = KeptFrame(folder=store.root / "index", name="outcomes", version="v1", schema=_SCHEMA)
    known = _entries(kept.load())
    asked: dict[str, set[str]] = {}
    for fingerprint, representation in wanted:
        asked.setdefault(fingerprint, set()).add(representation)
    found: dict[Key, _Entry] = {}
    new: dict[Key, _Entry] = {}
    for fingerprint, names in asked.items():
        path = store.artifacts(fingerprint) / FILE
        stamp = _stamp(path)
        if stamp is None:
            continue
        current = {name for name in names if (entry := known.get((fingerprint, name))) and entry.stamp == stamp}
        found |= {(fingerprint, name): known[fingerprint, name] for name in current}
        if lacking := names - current:
            new |= {(fingerprint, name): _packed(values, stamp) for name, values in _read(path, lacking).items()}
    if new:
        kept.save(_frame({**known, **new}))
    return Outcomes({**found, **new})


def read(store: Store, fingerprint: str, representation: str) -> NDArray[Any] | None:
    """The outcomes of one evaluation, from its own file: uint8 (0 or 1) or float32 [N]; None as in `Outcomes.of`."""
    return _read(store.artifacts(fingerprint) / FILE, [representation])[representation]


def _read(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any] | None]:
    from safetensors import SafetensorError, safe_open

    found: dict[str, NDArray[Any] | None] = dict.fromkeys(names)
    try:
        with safe_open(path, framework="np") as file:
            for name in set(found) & set(file.keys()):
                values = file.get_tensor(name)
                found[name] = values if _usable(values) else None
    except (OSError, SafetensorError):
        return dict.fromkeys(found)
    return found


def _usable(values: NDArray[Any]) -> bool:
    if values.ndim != 1 or not values.size:
        return False
    if values.dtype == np.uint8:
        return bool(values.max() <= 1)
    return values.dtype == np.float32 and bool(np.all(np.isfinite(values)))


def _packed(values: NDArray[Any] | None, stamp: str) -> _Entry:
    if values is None:
        return _Entry(stamp, None, 0, b"")
    if values.dtype == np.uint8:
        return _Entry(stamp, "bits", len(values), np.packbits(values).tobytes())
    return _Entry(stamp, "float32", len(values), values.astype("<f4").tobytes())


def _stamp(path: Path) -> str | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{status.st_size} {status.st_mtime_ns}"


def _entries(frame: pl.DataFrame | None) -> dict[Key, _Entry]:
    if frame is None:
        return {}
    return {(row[0], row[1]): _Entry(*row[2:]) for row in frame.iter_rows()}


def _frame(entries: Mapping[Key, _Entry]) -> pl.DataFrame:
    rows = [(*key, *entry) for key, entry in entries.items()]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
