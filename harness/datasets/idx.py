"""IDX, the format of MNIST and its kin (EMNIST, Fashion-MNIST, KMNIST)."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError
from harness.datasets._own import OwnConfig
from harness.datasets._shelf import ArrayImages, NamedArray
from methods import Settings

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, kw_only=True)
class IdxConfig(OwnConfig):
    """Nothing beyond what all have; `train`, `val` and `test` are patterns of file names, as in "*-t10k-*"."""


class Idx(ArrayImages):
    """One's own: IDX files in a folder, plain or gzipped, such as MNIST's.

    A file whose name holds "idx" or "ubyte" counts. Its split is in its name (train; val, valid, dev; test, t10k),
    its axes say whether it holds images or labels.
    """

    name: ClassVar[str] = "idx"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = IdxConfig
    config: IdxConfig

    def shelf(self) -> list[NamedArray]:
        folder = self.root
        if not folder.is_dir():
            raise DatasetError(f"{folder} is a file; `path` is the folder of the IDX files")
        names = {file.name: file for file in sorted(folder.iterdir()) if file.is_file()}
        files = {name: file for name, file in names.items() if "idx" in name.lower() or "ubyte" in name.lower()}
        # A folder often holds a file both packed and unpacked.
        files = {name: file for name, file in files.items() if name.removesuffix(".gz") not in files.keys() - {name}}
        if not files:
            raise DatasetError(listed(f"{folder} has no file with idx or ubyte in its name; there is", [*names]))
        shelf, failures = [], []
        for name, file in files.items():
            try:
                dtype, shape = _head(file)
                shelf.append(
                    NamedArray(name=name, file=file, shape=shape, dtype=dtype, read=partial(_read, file, dtype, shape))
                )
            except DatasetError as error:
                failures.append(str(error))
        if failures:
            raise DatasetError(listed("damaged IDX files", failures) + "\n  get them again")
        return shelf


def _head(file: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape, from the first bytes; for a plain file its length is checked too."""
    try:
        with _opened(file) as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= 4:
                shown = magic.hex() or "nothing"
                raise DatasetError(f"{file}: begins with {shown}, not with the magic number of an IDX file (0000..)")
            sizes = stream.read(4 * magic[3])
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{file}: cannot be read ({error})") from error
    if len(sizes) < 4 * magic[3]:
        raise DatasetError(f"{file}: ends within its head")
    dtype, shape = np.dtype(_TYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())
    expected, found = 4 + len(sizes) + math.prod(shape) * dtype.itemsize, file.stat().st_size
    if not _is_packed(file) and found != expected:
        raise DatasetError(f"{file}: has {found:,} bytes, where its head, {list(shape)}, asks for {expected:,}")
    return dtype, shape


def _read(file: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Raises:
    EOFError, OSError, zlib.error, ValueError: the file is damaged.
    """
    with _opened(file) as stream:
        stream.seek(4 + 4 * len(shape))
        content = stream.read()
    expected = math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(f"{len(content):,} bytes of values, where its head, {list(shape)}, asks for {expected:,}")
    return np.frombuffer(content, dtype).reshape(shape)


def _is_packed(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) == _GZIP


def _opened(file: Path) -> gzip.GzipFile:
    """The unpacked content. By the first bytes, not by the name: browsers unpack .gz and leave the name."""
    return cast(gzip.GzipFile, gzip.open(file) if _is_packed(file) else file.open("rb"))
