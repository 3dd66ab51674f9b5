"""Read W&B's offline files back: LevelDB's log format (blocks of 32 KiB, pieces with CRC, length and kind) around
protobuf records. Written apart from the code that it tests, and stricter: every piece's checksum is verified."""

from __future__ import annotations

import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as messages

BLOCK = 32 * 1024
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class Read:
    """What one .wandb file says."""

    kinds: Counter[str] = field(default_factory=Counter)
    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None

    @property
    def curve(self) -> list[dict[str, Any]]:
        """The history without the clock of the process that wrote it, and without media."""
        return [
            {k: v for k, v in row.items() if k not in ("_timestamp", "_runtime") and "." not in k}
            for row in self.history
        ]


def read_folder(folder: Path) -> Read:
    (file,) = folder.glob("*.wandb")
    return read(file)


def read(file: Path) -> Read:
    found = Read()
    for data in pieces(file.read_bytes()):
        record = messages.Record.FromString(data)
        kind = record.WhichOneof("record_type")
        found.kinds[kind] += 1
        if kind == "run":
            found.run = record.run
            found.config = {item.key: json.loads(item.value_json) for item in record.run.config.update}
            found.config.pop("_wandb", None)
        elif kind == "history":
            found.history.append({_key(item): json.loads(item.value_json) for item in record.history.item})
        elif kind == "summary":
            found.summary |= {_key(item): json.loads(item.value_json) for item in record.summary.update}
        elif kind == "files":
            found.files |= {item.path for item in record.files.files}
        elif kind == "artifact":
            found.artifacts.append(record.artifact)
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def _key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def pieces(data: bytes) -> Iterator[bytes]:
    """The records of a log; raises if one is torn."""
    assert data[:4] == b":W&B", "not a file of W&B"
    at, record = 7, b""
    while at < len(data):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, at)
        piece = data[at + 7 : at + 7 + length]
        assert len(piece) == length, "torn"
        assert checksum == zlib.crc32(bytes([kind]) + piece), "spoilt"
        at += 7 + length
        record = piece if kind in (FULL, FIRST) else record + piece
        if kind in (FULL, LAST):
            yield record
