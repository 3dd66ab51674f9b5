"""A frame kept as one Parquet file, for what can be made again from its sources at any time: a cache.

Never trusted: the file's name carries the digest of its content, so that what was cut off or changed is not read. Many
processes may load and save at once; one that finds nothing does the work again.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True, kw_only=True)
class KeptFrame:
    """Where a frame is kept, and what it must look like.

    Attributes:
        folder: holds one file of it, and may hold other frames; need not exist.
        name: of this frame among others in the folder, without "-".
        version: a file of another version is not read, and is removed by the next `save`.
    """

    folder: Path
    name: str
    version: str
    schema: Mapping[str, pl.DataType]

    def load(self) -> pl.DataFrame | None:
        """The frame that was saved last; None if there is none that can be trusted."""
        for path in sorted(self._files()):
            try:
                data = path.read_bytes()
                if path.name != self._named(data):
                    continue
                frame = pl.read_parquet(io.BytesIO(data))
            except (OSError, pl.exceptions.PolarsError):
                continue
            if frame.schema == pl.Schema(self.schema):
                return frame
        return None

    def save(self, frame: pl.DataFrame) -> None:
        """Keep the frame for the next reader; where the folder cannot be written, that reader will do the work
        again."""
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", statistics=False)
        data = buffer.getvalue()
        path = self.folder / self._named(data)
        try:
            self.folder.mkdir(exist_ok=True)
            old = [other for other in self._files() if other != path]
            temporary = self.folder / f".{self.name}-{secrets.token_hex(6)}"
            temporary.write_bytes(data)
            temporary.replace(path)
            for other in old:
                other.unlink(missing_ok=True)
        except OSError:
            return

    def _files(self) -> Iterator[Path]:
        """This frame's files, temporary ones of killed writers included."""
        yield from self.folder.glob(f"{self.name}-*")
        yield from self.folder.glob(f".{self.name}-*")

    def _named(self, data: bytes) -> str:
        return f"{self.name}-{self.version}-{hashlib.blake2b(data, digest_size=8).hexdigest()}.parquet"
