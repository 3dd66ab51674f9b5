"""Whether a sound file ends where its own structure says: decoders take one that was cut off for a shorter one.

Measured with libsndfile 1.2.2 (libav does the same): half of a WAV, of an AIFF, or of an Ogg that is cut behind a page
is read without an error. FLAC needs no look here: its decoder tells.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

#: What a head says that was written before the length was known, as to a pipe.
_UNKNOWN = 0x7FFFF000
#: No page of Ogg is larger (RFC 3533, section 6).
_PAGE = 65_307
_LAST = 4  #: the flag of the last page


def lacking(path: Path) -> str | None:
    """What is missing at the end of a WAV, AIFF or Ogg file; None where nothing is, or where it cannot be told.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
        size = path.stat().st_size
        if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:] == b"WAVE":
            return _lacking_samples(file, size, b"data", ">" if head[:4] == b"RIFX" else "<")
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return _lacking_samples(file, size, b"SSND", ">")
        if head[:4] == b"OggS":
            return _lacking_pages(file, size)
    return None


def tells_its_length(path: Path) -> bool:
    """Whether an MP3 begins with a frame that counts the others (Xing, Info or VBRI).

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            high, upper, lower, low = head[6:]
            file.seek(10 + (high << 21 | upper << 14 | lower << 7 | low))
        else:
            file.seek(0)
        first = file.read(512)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))


def _lacking_samples(file: BinaryIO, size: int, wanted: bytes, order: str) -> str | None:
    """Walk over the chunks up to the one of the samples."""
    long: int | None = None
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack(f"{order}4sI", head)
        at = file.tell()
        if name == b"ds64":  # RF64: lengths of 64 bits
            long = struct.unpack(f"{order}QQ", file.read(16))[1]
        if name == wanted:
            length = long if long is not None and length == 0xFFFFFFFF else length
            known = length > 0 and (length < _UNKNOWN or long is not None)
            if known and length - (size - at) > 1:  # 1: a byte that makes it even, which some leave out
                return f"cut off: it says that it holds {length:,} bytes of samples, and has {size - at:,}"
            return None
        file.seek(at + length + length % 2)
    return None


def _lacking_pages(file: BinaryIO, size: int) -> str | None:
    file.seek(max(size - 2 * _PAGE, 0))
    tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    head = 27 + page[26] if len(page) > 26 else 27
    if len(page) < head or len(page) < head + sum(page[27:head]):
        return "cut off: its last page is not whole"
    return None if page[5] & _LAST else "cut off: its last page is not marked as the last"
