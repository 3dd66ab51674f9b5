"""A record as a file: its name says what `harness run` must know, its JSON says the rest."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from harness.record import SCHEMA_VERSION, Kind, Record

_FIELDS = {field.name: field for field in dataclasses.fields(Record)}
_REQUIRED = frozenset(
    name
    for name, field in _FIELDS.items()
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
)
_NUMBER = (int, float)
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("kind", "fingerprint", "status", "suite", "cell", "label", "dataset", "started"), str),
    **dict.fromkeys(("attempt", "seed", "schema"), int),
    **dict.fromkeys(("identity", "hardware", "versions", "git", "result"), dict),
    **dict.fromkeys(("method", "control"), (str, type(None))),
    "seconds": _NUMBER,
    "failure": (dict, type(None)),
}


class AlienFileError(Exception):
    """A file that is not a record this version can read; the text says why."""


class Name(NamedTuple):
    """What a record's file name says: `<kind>-<fingerprint>-<attempt>.<status>.json`."""

    kind: str
    fingerprint: str
    attempt: int
    status: str


def name_of(record: Record) -> str:
    return f"{record.kind}-{record.fingerprint}-{record.attempt}.{record.status}.json"


def parse_name(name: str) -> Name | None:
    """The parts of a record's file name; None for any other file."""
    stem, dot, extension = name.partition(".")
    parts = stem.split("-")
    if not dot or len(parts) != 3 or extension not in ("ok.json", "failed.json") or not parts[2].isdecimal():
        return None
    kind, fingerprint, attempt = parts
    return Name(kind, fingerprint, int(attempt), extension.removesuffix(".json"))


def encode(record: Record) -> bytes:
    """Strict JSON, one line. A number that is not finite, which JSON does not know, becomes null.

    Raises:
        TypeError: names the field that is not plain data.
    """
    fields = {name: _plain(getattr(record, name), name) for name in _FIELDS}
    return json.dumps(fields, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def decode(data: bytes, name: str) -> Record:
    """The record in a file of this name.

    Raises:
        AlienFileError: torn, not a record, of another name, or from a newer version of harness.
    """
    try:
        fields = json.loads(data)
    except ValueError as error:
        raise AlienFileError(f"not whole JSON ({error})") from None
    if not isinstance(fields, dict):
        raise AlienFileError("not a record")
    schema = fields.get("schema", 1)
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise AlienFileError(
            f"written by a newer harness (record schema {schema}, this version reads up to {SCHEMA_VERSION}); "
            "upgrade harness to read it"
        )
    if missing := sorted(_REQUIRED - fields.keys()):
        raise AlienFileError(f"not a record: lacks {', '.join(missing)}")
    known = {key: value for key, value in fields.items() if key in _FIELDS}
    for key, value in known.items():
        if not isinstance(value, _TYPES[key]) or (isinstance(value, bool)):
            raise AlienFileError(f"not a record: {key} is {value!r:.40}")
    if known["kind"] not in get_args(Kind) or known["status"] not in ("ok", "failed"):
        raise AlienFileError(f"not a record: kind {known['kind']!r}, status {known['status']!r}")
    record = Record(**known)
    if name_of(record) != name:
        raise AlienFileError(f"its content belongs in {name_of(record)}")
    return record


def read(path: Path) -> Record:
    """The record in `path`.

    Raises:
        AlienFileError: see `decode`; also when the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AlienFileError(f"cannot be read: {error.strerror or error}") from None
    return decode(data, path.name)


def _plain(value: Any, place: str) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"record field {place}: key {key!r} is not text")
        return {key: _plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"record field {place} is not plain data but {type(value).__name__}; records hold JSON")
