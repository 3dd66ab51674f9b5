"""The law of imports (DESIGN section 3), read from the source of every module, lazy imports included.

Of a package and its own submodules: a package's `__init__` is a module like any other. Naming it (`from
harness.datasets import Task`) depends on it; merely lying inside it does not, though Python runs it first, because
a submodule that asks its package for nothing works whatever else the package imports. So `harness.datasets` may
import `_dataset`, and `digits` may import `harness.datasets`; a submodule may not ask for its package if the package
asks for it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("cluster", "harness", "methods")
#: Who must not know whom.
FORBIDDEN = {"methods": ("cluster", "harness"), "cluster": ("methods", "harness")}
#: The one home of each vendor, as a module and all below it.
HOMES = {"ray": "cluster", "deepspeed": "harness.engine", "wandb": "harness.report", "typer": "harness.cli"}
NAMELESS = {"common", "helper", "helpers", "misc", "util", "utils"}

Sources = Mapping[str, str]  #: module name -> source; a package's own source under the package's name


def read_sources(root: Path) -> dict[str, str]:
    sources = {}
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file.read_text(encoding="utf-8")
    return sources


def imports(module: str, sources: Sources) -> Iterator[str]:
    """Modules that a module names, wherever in its body; `from package import name` names a submodule if it is one."""
    for node in ast.walk(ast.parse(sources[module])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module, sources)
            for alias in node.names:
                submodule = f"{origin}.{alias.name}"
                yield submodule if submodule in sources else origin
        elif isinstance(node, ast.Call) and node.args and _calls_importer(node.func):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _origin(node: ast.ImportFrom, module: str, sources: Sources) -> str:
    if not node.level:
        return node.module or ""
    is_package = any(other.startswith(f"{module}.") for other in sources)
    parents = module.split(".") if is_package else module.split(".")[:-1]
    return ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])


def _calls_importer(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def breaches(sources: Sources) -> list[str]:
    """Every breach of the law, as a sentence."""
    graph = {module: set(imports(module, sources)) for module in sources}
    found = [breach for module, named in graph.items() for target in named for breach in _edge(module, target)]
    found += [
        f"{module}: name the concept instead"
        for module in sources
        if NAMELESS & set(module.replace(".", "_").split("_"))
    ]
    return sorted(found) + [f"cycle: {' -> '.join(cycle)}" for cycle in cycles(graph)]


def _edge(module: str, target: str) -> Iterator[str]:
    for other in FORBIDDEN.get(module.split(".")[0], ()):
        if _within(target, other):
            yield f"{module} imports {target}"
    for vendor, home in HOMES.items():
        if _within(target, vendor) and not _within(module, home):
            yield f"{module} imports {target}, whose home is {home}"


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """One cycle for each back edge of a depth-first walk; none exactly if the graph has none."""
    found: list[list[str]] = []
    finished: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in finished:
            for target in sorted(graph[module] & graph.keys()):
                walk(target, [*path, module])
            finished.add(module)

    for module in sorted(graph):
        walk(module, [])
    return found


def test_the_source_keeps_the_law() -> None:
    sources = read_sources(ROOT)
    assert {"methods", "methods._method", "harness", "harness.datasets._dataset", "cluster.job"} <= sources.keys()
    assert breaches(sources) == []


def test_the_reader_sees_the_imports_that_are_there() -> None:
    sources = read_sources(ROOT)
    assert {"methods", "harness.datasets"} <= set(imports("harness.protocols._protocol", sources))
    assert "harness.datasets._dataset" in set(imports("harness.datasets", sources))


def _planted(**extra: str) -> dict[str, str]:
    plain = {"methods": "from methods._keys import Keys", "methods._keys": "", "cluster": "", "harness": ""}
    return {**plain, **{name.replace("__", "."): source for name, source in extra.items()}}


@pytest.mark.parametrize(
    ("planted", "breach"),
    [
        (_planted(methods__a="import harness"), "methods.a imports harness"),
        (_planted(methods__a="from cluster import Job"), "methods.a imports cluster"),
        (_planted(cluster__a="def f():\n    from methods import Keys"), "cluster.a imports methods"),
        (_planted(cluster__a="import harness.plan as plan"), "cluster.a imports harness.plan"),
        (_planted(methods__a="import importlib\nimportlib.import_module('harness.plan')"), "imports harness.plan"),
        (_planted(harness__run="import ray.util"), "harness.run imports ray.util, whose home is cluster"),
        (_planted(methods__a="import deepspeed"), "methods.a imports deepspeed, whose home is harness.engine"),
        (_planted(harness__engineering="import deepspeed"), "harness.engineering imports deepspeed"),
        (
            _planted(harness__run="if True:\n    import wandb"),
            "harness.run imports wandb, whose home is harness.report",
        ),
        (_planted(harness__run="from typer import Option"), "harness.run imports typer, whose home is harness.cli"),
        (_planted(harness__utils=""), "harness.utils: name the concept"),
        (_planted(harness___image_helpers=""), "harness._image_helpers: name the concept"),
        (
            _planted(harness__a="import harness.b", harness__b="def f():\n    from harness import a"),
            "cycle: harness.a -> harness.b -> harness.a",
        ),
        (
            _planted(harness__d="from harness.d import a", harness__d__a="from . import Task"),
            "cycle: harness.d -> harness.d.a -> harness.d",
        ),
        (
            _planted(harness__a="from harness import b", harness__b="from .c import x", harness__c="from .a import y"),
            "cycle: harness.a -> harness.b -> harness.c -> harness.a",
        ),
    ],
)
def test_a_planted_breach_is_found(planted: dict[str, str], breach: str) -> None:
    assert any(breach in line for line in breaches(planted)), breaches(planted)


@pytest.mark.parametrize(
    "allowed",
    [
        _planted(cluster__a="import ray"),
        _planted(harness__engine___deepspeed="import deepspeed"),
        _planted(harness__engine="import deepspeed.comm"),
        _planted(harness__report__mirror="import wandb"),
        _planted(harness__cli="import typer"),
        _planted(harness__run="from cluster import Job\nfrom methods import Keys"),
        _planted(harness__raytracing="import rayon"),
        _planted(
            harness__d="from harness.d._a import Task", harness__d___a="", harness__d__b="from harness.d import T"
        ),
    ],
)
def test_what_the_law_allows_passes(allowed: dict[str, str]) -> None:
    assert breaches(allowed) == []
