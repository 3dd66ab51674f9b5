"""Digests of the user's files: changed files are other data, wherever they lie; a second look costs no reading."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.datasets._dataset import DatasetError
from harness.datasets.cache import default_cache

#: A file that was changed so recently may change again within the same tick of its clock: it is not remembered.
SETTLED_NS = 2_000_000_000

#: [size, mtime_ns, sha256] by name inside the folder.
_Known = dict[str, list[int | str]]


def file_digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """sha256 of files by their names inside a folder. What was read before and has kept its size and time is not read
    again.

    Raises:
        DatasetError: names the files that cannot be read.
    """
    memory = _memory(folder)
    known = _recall(memory)
    stats: dict[str, os.stat_result] = {}
    found: dict[str, str] = {}
    failures: list[str] = []
    for name in names:
        try:
            stats[name] = os.stat(f"{folder}/{name}")  # noqa: PTH116 - a Path each takes longer than the look
        except OSError as error:
            failures.append(f"{folder / name}: {error.strerror}")
            continue
        entry = known.get(name)
        if entry and entry[:2] == [stats[name].st_size, stats[name].st_mtime_ns]:
            found[name] = str(entry[2])
    missing = [name for name in stats if name not in found]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, digest in zip(missing, pool.map(lambda name: _digest(folder / name), missing), strict=True):
            if isinstance(digest, OSError):
                failures.append(f"{folder / name}: {digest.strerror}")
            else:
                found[name] = digest
    if failures:
        raise DatasetError("cannot read\n    " + "\n    ".join(failures[:10]))
    if missing:
        settled = time.time_ns() - SETTLED_NS
        for name in missing:
            if stats[name].st_mtime_ns < settled:
                known[name] = [stats[name].st_size, stats[name].st_mtime_ns, found[name]]
        _remember(memory, known)
    return {name: found[name] for name in names}


def digest_of_files(digests: Mapping[str, str]) -> str:
    """One sha256 for all, by name."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def _digest(path: Path) -> str | OSError:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return error


def _memory(folder: Path) -> Path:
    """Where the digests of a folder's files are kept in the cache."""
    return default_cache() / "digests" / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}.json"


def _recall(memory: Path) -> _Known:
    try:
        known: _Known = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(memory: Path, known: _Known) -> None:
    """Whole or not at all. A cache that cannot be written costs time, nothing else: it is no error here."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memory.parent, suffix=".tmp", delete=False) as draft:
            json.dump(known, draft)
        Path(draft.name).replace(memory)
    except OSError:
        pass
