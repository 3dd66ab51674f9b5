"""What is wrong with a suite, said so that it can be put right: where, what, and what was probably meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.failures import UserError

#: The way to a value from the top of a document: keys of mappings, indices of lists.
Route = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file with line and column (from 1), or an option of the command line."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True)
class Mistake:
    """One thing to put right."""

    place: Place
    route: Route
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), spell(self.route), self.message) if part)


class SuiteErrors(UserError):  # noqa: N818 - it is several
    """Everything that is wrong with a suite, in the order of its lines."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        def position(mistake: Mistake) -> tuple[bool, int, int]:
            place = mistake.place
            return place.line is None, place.line or 0, place.column or 0

        self.mistakes = tuple(sorted(dict.fromkeys(mistakes), key=position))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))


def spell(route: Route) -> str:
    """As people write it: methods[1].config.corruption.level."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in route)
    return text.removeprefix(".")


def suggestion(word: str, known: Iterable[str]) -> str:
    """What was probably meant, to follow a semicolon; else what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"there is {listing(names)}" if names else "there is none"


def listing(names: Iterable[str], limit: int = 20) -> str:
    """Names in one line."""
    ordered = list(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more


def brief(value: Any) -> str:
    """A value as the user wrote it, in few words."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else repr(value[:57] + "...")
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
