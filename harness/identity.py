"""Fingerprints: equal settings, equal name; anything that can change a number changes the name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

#: Bump when the canonical form changes: every fingerprint changes with it.
IDENTITY_VERSION = 1

#: Below this every whole number has a float of its own, so that 1.0 and 1 can be told to be the same.
_EXACT = 2.0**53

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical(value: Any) -> Any:
    """Plain JSON, one form per meaning: tuples as lists, sets sorted, 1.0 and 1 alike. `canonical_text` sorts keys too.

    Raises:
        TypeError: a value has no canonical form.
        ValueError: a float is not finite.
    """
    kind = type(value)  # exact types first: a plan of 10,000 cells comes through here half a million times
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is dict:
        return {str(key): canonical(item) for key, item in value.items()}
    if kind is float:
        if not math.isfinite(value):
            raise ValueError(f"{value} has no place in a fingerprint")
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # What does not count when two values are compared does not count here either.
        return {
            field.name: canonical(getattr(value, field.name)) for field in dataclasses.fields(value) if field.compare
        }
    if isinstance(value, (set, frozenset)):
        return sorted((canonical(item) for item in value), key=json.dumps)
    if isinstance(value, float):
        return canonical(float(value))
    if isinstance(value, Enum):
        return canonical(value.value)
    if isinstance(value, (str, int)):
        return value
    raise TypeError(f"no canonical form for {type(value).__name__}: {value!r}")


def canonical_text(value: Any) -> str:
    """The canonical form as JSON text, keys sorted."""
    return _encode(canonical(value))


def joined_text(parts: Mapping[str, str]) -> str:
    """The canonical text of a mapping, from those of its values: what cells share is put into text once."""
    return "{" + ",".join(f'"{key}":{parts[key]}' for key in sorted(parts)) + "}"


def fingerprint(kind: str, value: Any) -> str:
    """Sixteen hex digits that name `value` among those of its kind."""
    return text_fingerprint(kind, canonical_text(value))


def text_fingerprint(kind: str, text: str) -> str:
    """The fingerprint of a value whose canonical text is known."""
    return hashlib.sha256(f'[{IDENTITY_VERSION},"{kind}",{text}]'.encode()).hexdigest()[:16]
