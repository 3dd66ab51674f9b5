"""Fingerprints: equal settings, equal name; anything that can change a number changes the name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Bump when the canonical form changes: every fingerprint changes with it.
IDENTITY_VERSION = 1

#: Below this every whole number has a float of its own, so that 1.0 and 1 can be told to be the same.
_EXACT = 2.0**53


def canonical(value: Any) -> Any:
    """Plain JSON with one form per meaning: sorted keys, tuples as lists, sets sorted, 1.0 and 1 alike.

    Raises:
        TypeError: a value has no canonical form.
        ValueError: a float is not finite.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: canonical(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((canonical(item) for item in value), key=json.dumps)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{value} has no place in a fingerprint")
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise TypeError(f"no canonical form for {type(value).__name__}: {value!r}")


def fingerprint(kind: str, value: Any) -> str:
    """Sixteen hex digits that name `value` among those of its kind."""
    return digest(kind, canonical(value))


def digest(kind: str, form: Any) -> str:
    """The fingerprint of a canonical form."""
    text = json.dumps([IDENTITY_VERSION, kind, form], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
