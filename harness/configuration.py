"""From plain values to a checked configuration: the layers of a method's settings, and every mistake in them.

A configuration is a frozen dataclass deriving from `methods.Settings`. Layers are plain mappings, the last one wins:
the dataclass's own defaults, then a preset, then the suite. Nested mappings are merged key by key.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from harness.identity import canonical
from harness.mistakes import Route, brief, suggestion

T = TypeVar("T")

_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "dataclass": "a mapping",
    "dataclass_exact": "a mapping",
    "none_required": "nothing",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


class Complaint(NamedTuple):
    """One mistake in plain values, not yet placed in a file."""

    route: Route  #: from the top of the values
    message: str


def layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merged key by key, at every depth; the last layer wins."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            both = isinstance(below, Mapping) and isinstance(value, Mapping)
            merged[key] = layered(below, value) if both else value  # type: ignore[arg-type]
    return merged


def defaults(settings: type) -> dict[str, Any]:
    """The defaults of a configuration as plain values; fields without one are left out."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        if field.default is not dataclasses.MISSING:
            found[field.name] = canonical(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = canonical(field.default_factory())
    return found


def required(settings: type) -> list[str]:
    """The fields of a configuration that have no default: what a suite must say."""
    given = defaults(settings)
    return [field.name for field in dataclasses.fields(settings) if field.name not in given]


def restore(settings: type[T], plain: Mapping[str, Any]) -> T:
    """A configuration from its plain values, as a plan holds them.

    Raises:
        pydantic.ValidationError: they do not fit.
    """
    checked: T = _adapter(settings).validate_json(json.dumps(plain), strict=True)
    return checked


def check(settings: type[T], plain: Mapping[str, Any]) -> tuple[T | None, list[Complaint]]:
    """A configuration from plain values, or everything that is wrong with them."""
    try:
        return restore(settings, plain), []
    except ValidationError as error:
        return None, complaints(error, settings, plain)
    except Exception as error:  # a __post_init__ may raise anything
        return None, [Complaint((), f"{type(error).__name__}: {error}")]


def _adapter(settings: Any) -> TypeAdapter[Any]:
    if settings not in _ADAPTERS:  # building one takes milliseconds
        _ADAPTERS[settings] = TypeAdapter(settings)
    return _ADAPTERS[settings]


def complaints(error: ValidationError, settings: Any, plain: Any) -> list[Complaint]:
    """What pydantic found, in plain words; `settings` is the type that `plain` was checked against."""
    found = []
    for detail in error.errors(include_url=False):
        route = _navigable(detail["loc"], plain)
        kind = detail["type"]
        if kind in ("missing", "missing_keyword_only_argument"):
            found.append(Complaint(route[:-1], f'"{route[-1]}" is missing'))
        elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
            hint = suggestion(str(route[-1]), keys_at(settings, route[:-1]))
            found.append(Complaint(route, f"unknown key; {hint}"))
        else:
            found.append(Complaint(route, _explained(kind, detail)))
    return list(dict.fromkeys(found))


def _explained(kind: str, detail: Any) -> str:
    value, context = detail["input"], detail.get("ctx", {})
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, got {brief(value)}"
    if kind in ("literal_error", "enum"):
        allowed = re.findall(r"'([^']*)'", str(context["expected"]))
        hint = suggestion(value, allowed) if isinstance(value, str) else ""
        hint = f"; {hint}" if hint.startswith("did") else ""
        return f"expected {context['expected']}, got {brief(value)}{hint}"
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return f"may hold letters, digits, _, + and -, and starts with a letter or digit; got {brief(value)}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "int_from_float":
        return f"expected a whole number, got {brief(value)}"
    stem = re.sub(r"_(type|parsing|parsing_size)$", "", kind)
    if stem in _EXPECTED:
        return f"expected {_EXPECTED[stem]}, got {brief(value)}"
    message: str = detail["msg"]
    return f"{message[:1].lower()}{message[1:]}, got {brief(value)}"


def _navigable(loc: tuple[str | int, ...], plain: Any) -> Route:
    """`loc` without the names of union branches, which pydantic puts between keys."""
    route: list[str | int] = []
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(plain, Mapping) and (part in plain or last):
            plain = plain.get(part)
            route.append(part)
        elif isinstance(plain, list) and isinstance(part, int):
            plain = plain[part] if part < len(plain) else None
            route.append(part)
    return tuple(route)


def keys_at(settings: Any, route: Route) -> set[str]:
    """The keys that a type knows at a place inside it."""
    shapes = list(_shapes(settings))
    for part in route:
        shapes = [inner for shape in shapes for inner in _inside(shape, part)]
    return {key for shape in shapes for key in _fields(shape)}


def _fields(shape: Any) -> dict[str, Any]:
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return {field.alias or name: field.annotation for name, field in shape.model_fields.items()}
    if dataclasses.is_dataclass(shape) and isinstance(shape, type):
        hints = typing.get_type_hints(shape)
        return {field.name: hints[field.name] for field in dataclasses.fields(shape)}
    return {}


def _inside(shape: Any, part: str | int) -> Iterator[Any]:
    if isinstance(part, str) and part in (fields := _fields(shape)):
        yield from _shapes(fields[part])
    elif typing.get_origin(shape) is not None:
        yield from (inner for argument in typing.get_args(shape) for inner in _shapes(argument))


def _shapes(annotation: Any) -> Iterator[Any]:
    """The branches of a union, or the type itself."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        for branch in typing.get_args(annotation):
            yield from _shapes(branch)
    else:
        yield annotation
