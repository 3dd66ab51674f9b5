"""YAML read safely into plain JSON values, remembering where each was written.

Nothing in a file can run code: only the core tags are taken, and every value ends as a mapping with text keys, a
list, text, a finite number, a truth value or nothing. Anchors, aliases and merge keys work; what they expand to is
bounded. Duplicate keys are mistakes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from harness.mistakes import Mistake, Place, Route, SuiteErrors, brief

#: A suite is a page of text; a file beyond this is a mistake.
LARGEST_FILE = 1 << 20
#: Values after all aliases are expanded: nested anchors can double with every line.
MOST_VALUES = 100_000
DEEPEST = 100

_CORE = "tag:yaml.org,2002:"


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain values and the places they come from. A mapping's entry is placed at its key."""

    data: Any
    places: Mapping[Route, Place]

    def written(self, route: Route) -> Route:
        """The longest part of `route` that was written somewhere; the top of the document if nothing was."""
        while route and route not in self.places:
            route = route[:-1]
        return route

    def place(self, route: Route) -> Place:
        return self.places[self.written(route)]

    def folder(self, route: Route) -> Path:
        """What a path written at `route` is relative to: the folder of the file; for an option of the command line,
        the working directory."""
        place = self.place(route)
        return Path() if place.line is None else Path(place.source).parent

    def mistake(self, route: Route, message: str) -> Mistake:
        return Mistake(self.place(route), route, message)


def read_yaml(path: Path, source: str) -> Document:
    """The document in a file; `source` is how errors name it.

    Raises:
        SuiteErrors: it cannot be read, or is not YAML as the module's docstring has it.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise _alone(source, "there is no such file") from None
    except IsADirectoryError:
        raise _alone(source, "this is a directory; name a suite file in it") from None
    except (OSError, ValueError) as error:
        raise _alone(source, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > LARGEST_FILE:
        raise _alone(source, f"larger than {LARGEST_FILE >> 20} MiB; this is no suite")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SuiteErrors([Mistake(Place(source, line), (), "not text in UTF-8; this is no YAML file")]) from None
    return parse_yaml(text, source)


def parse_yaml(text: str, source: str) -> Document:
    """The document in a text.

    Raises:
        SuiteErrors: as `read_yaml`.
    """
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = " ".join(part for part in (error.context, error.problem) if part) or "cannot be parsed"
        raise SuiteErrors([Mistake(Place(source, line, column), (), f"broken YAML: {problem}")]) from None
    except RecursionError:
        raise _alone(source, f"nested more than {DEEPEST} levels deep") from None
    except (YAMLError, ValueError, LookupError, AttributeError, AssertionError) as error:
        reason = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
        raise _alone(source, f"broken YAML: {reason}") from None
    if node is None:
        raise _alone(source, "empty; a suite says at least which methods and datasets")
    reader = _Reader(source)
    data = reader.value(node, (), reader.place(node))
    if reader.mistakes:
        raise SuiteErrors(reader.mistakes)
    return Document(data=data, places=reader.places)


class _Reader:
    """Turns composed nodes into plain values; gathers mistakes instead of stopping at the first."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Route, Place] = {}
        self.mistakes: list[Mistake] = []
        self._open: list[int] = []  #: nodes being read, to notice an alias inside its own anchor
        self._values = 0

    def place(self, node: Node) -> Place:
        return Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def value(self, node: Node, route: Route, place: Place) -> Any:
        self.places[route] = place
        self._values += 1
        if self._values > MOST_VALUES:
            raise _alone(self.source, f"more than {MOST_VALUES} values once its aliases are expanded")
        if len(route) > DEEPEST:
            raise _alone(self.source, f"nested more than {DEEPEST} levels deep")
        if id(node) in self._open:
            return self._wrong(node, route, f'the anchor "{node.anchor}" contains itself')
        if isinstance(node, ScalarNode):
            return self._scalar(node, route)
        self._open.append(id(node))
        try:
            if isinstance(node, MappingNode) and node.tag == _CORE + "map":
                return self._mapping(node, route)
            if isinstance(node, SequenceNode) and node.tag == _CORE + "seq":
                return [self.value(item, (*route, i), self.place(item)) for i, item in enumerate(node.value)]
        finally:
            self._open.pop()
        return self._wrong(node, route, f"the tag {node.tag} is not allowed; write plain values")

    def _mapping(self, node: MappingNode, route: Route) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            name = self._key(key, route)
            if name in found:
                first = self.places[(*route, name)].line
                self._wrong(key, (*route, name), f"written twice; the first is on line {first}")
            elif name is not None:
                found[name] = self.value(item, (*route, name), self.place(key))
        for part in self._merged(node, route):
            own, self.places = self.places, {}
            inherited = self.value(part, route, self.place(part)) or {}
            lent, self.places = self.places, own
            fresh = inherited.keys() - found.keys()
            found.update({name: inherited[name] for name in inherited if name in fresh})
            depth = len(route)
            self.places.update({r: place for r, place in lent.items() if len(r) > depth and r[depth] in fresh})
        return found

    def _key(self, key: Node, route: Route) -> str | None:
        if key.tag == _CORE + "merge":
            return None
        if isinstance(key, ScalarNode) and key.tag == _CORE + "str" and _encodable(key.value):
            return str(key.value)
        shown = brief(key.value) if isinstance(key, ScalarNode) else "a collection"
        self._wrong(key, route, f"a key must be text, got {shown}; put it in quotes")
        return None

    def _merged(self, node: MappingNode, route: Route) -> list[MappingNode]:
        """What "<<" names, the nearest first."""
        items = [item for key, item in node.value if key.tag == _CORE + "merge"]
        parts = [part for item in items for part in (item.value if isinstance(item, SequenceNode) else [item])]
        for part in parts:
            if not isinstance(part, MappingNode):
                self._wrong(part, route, "<< merges mappings only")
        return [part for part in parts if isinstance(part, MappingNode)]

    def _scalar(self, node: ScalarNode, route: Route) -> Any:
        kind, text = str(node.tag).removeprefix(_CORE), str(node.value)
        try:
            match kind:
                case "str" | "timestamp":
                    return text if _encodable(text) else self._wrong(node, route, "not text in UTF-8")
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "int":
                    sign = -1 if text.startswith("-") else 1
                    return sign * int(text.lstrip("+-").replace("_", ""), _base(text))
                case "float":
                    number = float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
                    if not math.isfinite(number):
                        return self._wrong(node, route, f"expected a finite number, got {text}")
                    return number
        except (ValueError, KeyError):
            return self._wrong(node, route, f"cannot be read as {kind}: {brief(text)}")
        return self._wrong(node, route, f"the tag {node.tag} is not allowed; write plain values")

    def _wrong(self, node: Node, route: Route, message: str) -> None:
        self.mistakes.append(Mistake(self.place(node), route, message))


def _base(text: str) -> int:
    return {"0x": 16, "0o": 8, "0b": 2}.get(text.lstrip("+-")[:2].lower(), 10)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, from an escape
        return False
    return True


def _alone(source: str, message: str) -> SuiteErrors:
    return SuiteErrors([Mistake(Place(source), (), message)])
