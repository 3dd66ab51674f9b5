"""Text in files: read whole, decoded strictly, and told by byte and line where that fails."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Literal

from harness.datasets._dataset import DatasetError

_log = logging.getLogger(__name__)

#: utf-8-twice: somebody took UTF-8 for Latin-1 and encoded it once more, so that é reads Ã©.
Encoding = Literal["utf-8", "utf-8-twice", "latin-1", "cp1252"]

_WIDE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_MARK = "\ufeff"
#: The same mark, encoded twice.
_MARK_TWICE = _MARK.encode().decode("latin-1")


def read_text(path: Path, encoding: Encoding = "utf-8") -> str:
    """What a file says: without a byte order mark, and lines end with "\\n".

    Raises:
        DatasetError: it cannot be read, holds nothing, or is not in this encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    if content[:2] in _WIDE:
        raise DatasetError(f"{path}: is {_WIDE[content[:2]]} by its byte order mark; store it as UTF-8")
    text = _decoded(content, path, encoding).removeprefix(_MARK).replace("\r\n", "\n")
    if not text.strip():
        raise DatasetError(f"{path}: holds no text" if content else f"{path}: is empty")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DatasetError(f"{path}, line {line}: holds a zero byte, as no text does; is it another kind of file?")
    return text


def _decoded(content: bytes, path: Path, encoding: Encoding) -> str:
    try:
        text = content.decode("utf-8" if encoding == "utf-8-twice" else encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(content, error, path, encoding) from error
    if encoding == "utf-8-twice":
        return _decoded_again(text, path)
    if encoding == "utf-8" and text.startswith(_MARK_TWICE):
        raise DatasetError(
            f"{path}: begins with a byte order mark that was encoded twice, and so was all else (é reads Ã©); "
            "say `encoding: utf-8-twice`"
        )
    controls = len(re.findall("[\x80-\x9f]", text)) if encoding == "latin-1" else 0
    if controls:
        _log.warning(
            "%s: %d bytes are control characters in latin-1, but letters in cp1252; say `encoding: cp1252`",
            path,
            controls,
        )
    return text


def _undecodable(content: bytes, error: UnicodeDecodeError, path: Path, encoding: Encoding) -> DatasetError:
    line = content.count(b"\n", 0, error.start) + 1
    hint = "mend it, or say `encoding: cp1252` (or latin-1)" if encoding.startswith("utf-8") else "mend it"
    wanted = "UTF-8" if encoding.startswith("utf-8") else encoding
    found = f"0x{content[error.start]:02x}, which is not {wanted}"
    return DatasetError(f"{path}, line {line}: byte {error.start} is {found} here ({error.reason}); {hint}")


def _decoded_again(text: str, path: Path) -> str:
    try:
        return text.encode("latin-1").decode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
    raise DatasetError(f"{path}, line {line}: was not encoded twice; say `encoding: utf-8`")
