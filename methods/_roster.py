"""Finding what there is: a file in the right folder, or an entry point of an installed package; no registration."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")


def discover(base: type[T], package: str, path: Iterable[str]) -> Mapping[str, type[T]]:
    """Concrete subclasses of `base` by their `name`, sorted.

    Looks at the public modules and packages of `package` (its `__path__` is `path`), and at the entry points of the
    group "harness.<last part of package>".

    Raises:
        ValueError: two classes claim one name.
    """
    found: dict[str, type[T]] = {}
    for member in (*_modules(base, package, path), *_entry_points(package)):
        name: str = member.name
        if found.setdefault(name, member) is not member:
            raise ValueError(f"two entries of {package} are named {name!r}: {found[name]} and {member}")
    return MappingProxyType(dict(sorted(found.items())))


def _modules(base: type[T], package: str, path: Iterable[str]) -> Iterator[type[T]]:
    for info in pkgutil.iter_modules(path):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{info.name}")
        for _, member in inspect.getmembers(module, inspect.isclass):
            defined_here = f"{member.__module__}.".startswith(f"{module.__name__}.")
            if defined_here and issubclass(member, base) and not inspect.isabstract(member):
                yield member


def _entry_points(package: str) -> Iterator[Any]:
    group = f"harness.{package.rpartition('.')[2]}"
    for point in entry_points(group=group):
        yield point.load()
