"""From a suite file and the command line to a checked suite, or to everything that is wrong with it.

Reading never stops at the first mistake. A draft holds what could be understood, so that the names and configurations
in it can be checked as well before anything is reported.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from harness.configuration import Complaint, complaints, required
from harness.mistakes import Mistake, Place, Route, SuiteErrors, brief, suggestion
from harness.rosters import Rosters
from harness.suite import DatasetEntry, MethodEntry, ProtocolEntry, Suite
from harness.yaml_source import Document, parse_yaml, read_yaml

M = TypeVar("M", bound=BaseModel)

#: More seeds than anyone runs; keeps `seeds: 1000000000` from filling the memory.
MOST_SEEDS = 10_000

#: What a value may be where YAML allows several forms.
_FORMS: Mapping[Route, str] = {
    ("methods",): 'a list of methods, or "all"',
    ("datasets",): 'a list of datasets, or "all"',
    ("seeds",): "a number of seeds, or a list of seeds",
    ("preset",): "the name of a preset, or a mapping from method to preset",
    ("evaluate", "protocols"): 'a list of protocols, or "all"',
}


class Located(NamedTuple):
    """An entry of a list, and the way to it."""

    route: Route
    entry: Any


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A suite as far as it could be understood.

    Attributes:
        suite: without the entries that could not be; None where not even the rest makes sense.
        methods, datasets, protocols: the entries that could be, with their routes.
        mistakes: what is wrong so far.
    """

    document: Document
    suite: Suite | None
    methods: Sequence[Located]
    datasets: Sequence[Located]
    protocols: Sequence[Located]
    mistakes: Sequence[Mistake]


def read_draft(path: Path, source: str, rosters: Rosters, sets: Sequence[str] = (), seeds: str | None = None) -> Draft:
    """Read a suite file and apply the command line to it.

    Args:
        path: the file.
        source: how errors name it.
        sets: values of `--set`, as "a.b=c"; list entries are addressed by index, label or name.
        seeds: the value of `--seeds`, as "0,1,2" or "0-4".

    Raises:
        SuiteErrors: the file cannot be read, or is not a mapping.
    """
    document = read_yaml(path, source)
    if not isinstance(document.data, dict):
        message = f"expected a mapping with the keys of a suite, got {brief(document.data)}"
        raise SuiteErrors([document.mistake((), message)])
    places = dict(document.places)
    mistakes: list[Mistake] = []
    data = _spelled_out({"name": _stem(path), **document.data}, rosters)
    for text in sets:
        mistakes.extend(_set(data, places, text))
        data = _spelled_out(data, rosters)
    if seeds is not None:
        mistakes.extend(_replace_seeds(data, places, seeds))
    document = Document(data=data, places=places)
    return _checked(document, mistakes)


def _stem(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_+-]+", "-", path.stem).strip("-+_") or "suite"


def _spelled_out(data: dict[str, Any], rosters: Rosters) -> dict[str, Any]:
    """Short forms in full. What is not understood is left as it is, for the check to complain about."""
    data = dict(data)
    for key, roster in (("methods", rosters.methods), ("datasets", rosters.datasets)):
        if key in data:
            data[key] = _entries(data[key], roster)
    datasets = data.get("datasets")
    for entry in datasets if isinstance(datasets, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("pretrain_on"), str):
            entry["pretrain_on"] = {"name": entry["pretrain_on"]}
    evaluate = data.get("evaluate")
    if isinstance(evaluate, dict) and "protocols" in evaluate:
        data["evaluate"] = {**evaluate, "protocols": _entries(evaluate["protocols"], rosters.protocols)}
    seeds = data.get("seeds")
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 1 <= seeds <= MOST_SEEDS:
        data["seeds"] = list(range(seeds))
    return data


def _entries(value: Any, roster: Mapping[str, Any]) -> Any:
    if value == "all":
        # All that can be had by its name alone: a dataset in a folder of the user's is named on purpose.
        return [{"name": name} for name, kind in roster.items() if not required(kind.Config)]
    if isinstance(value, list):
        return [{"name": item} if isinstance(item, str) else copy.copy(item) for item in value]
    return value


def _set(data: dict[str, Any], places: dict[Route, Place], text: str) -> list[Mistake]:
    """Apply one `--set a.b=c` to the values and their places."""
    place = Place(f"--set {text}")
    target, equals, written = text.partition("=")
    parts = target.strip().split(".")
    if not equals or not all(parts):
        return [Mistake(place, (), "expected a.b=value, as in pretrain.steps=100")]
    try:
        value = parse_yaml(written, str(place)).data if written.strip() else None
    except SuiteErrors as errors:
        return [Mistake(place, (), mistake.message) for mistake in errors.mistakes]
    holder: Any = data
    route: Route = ()
    for position, part in enumerate(parts):
        key = _key(holder, part)
        if isinstance(key, Mistake):
            return [Mistake(place, route, key.message)]
        route = (*route, key)
        if position == len(parts) - 1:
            holder[key] = value
        elif isinstance(holder, dict):
            below = holder.get(part)
            holder[part] = copy.copy(below) if below is not None else {}
            holder = holder[part]
        else:
            holder[key] = copy.copy(holder[key])
            holder = holder[key]
    for old in [old for old in places if old[: len(route)] == route]:
        del places[old]
    for length in range(1, len(route) + 1):
        places.setdefault(route[:length], place)  # mappings that came to be on the way belong to it too
    return []


def _key(holder: Any, part: str) -> str | int | Mistake:
    """The key or index that a part of a `--set` path stands for."""
    nowhere = Place("")
    if isinstance(holder, dict):
        return part
    if not isinstance(holder, list):
        return Mistake(nowhere, (), f"{brief(holder)} has no parts, so {part!r} cannot be set in it")
    if part.isdecimal():
        return int(part) if int(part) < len(holder) else Mistake(nowhere, (), f"there are {len(holder)} entries only")
    labels = [item.get("as", item.get("name")) if isinstance(item, dict) else None for item in holder]
    if labels.count(part) == 1:
        return labels.index(part)
    return Mistake(nowhere, (), f"no entry {part!r}; {suggestion(part, [x for x in labels if isinstance(x, str)])}")


def _replace_seeds(data: dict[str, Any], places: dict[Route, Place], text: str) -> list[Mistake]:
    place = Place(f"--seeds {text}")
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not 0 <= last - first < MOST_SEEDS:
            return [Mistake(place, (), f"expected seeds such as 0,1,2 or 0-4, got {text!r}")]
        found.extend(range(first, last + 1))
    data["seeds"] = found
    for old in [old for old in places if old[:1] == ("seeds",)]:
        del places[old]
    places[("seeds",)] = place
    return []


def _checked(document: Document, mistakes: list[Mistake]) -> Draft:
    data = document.data
    try:
        whole: Suite | None = Suite.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        whole = None
        mistakes.extend(_placed(document, complaint.route, complaint.message) for complaint in _complaints(error, data))
    evaluate = data.get("evaluate")
    protocols = evaluate.get("protocols") if isinstance(evaluate, dict) else None
    entries = {
        "methods": _understood(MethodEntry, data.get("methods"), ("methods",)),
        "datasets": _understood(DatasetEntry, data.get("datasets"), ("datasets",)),
    }
    if protocols is None:
        defaults = Suite.model_fields["evaluate"].default.protocols
        judged = [Located(("evaluate",), entry) for entry in defaults]
    else:
        judged = _understood(ProtocolEntry, protocols, ("evaluate", "protocols"))
    if whole is None:
        # The entries are judged on their own; here they only have to be there.
        partial = {**data, "methods": [{"name": "-"}], "datasets": [{"name": "-"}]}
        if isinstance(evaluate, dict):
            partial["evaluate"] = {key: value for key, value in evaluate.items() if key != "protocols"}
        whole = _salvaged(Suite, partial)
    return Draft(
        document=document,
        suite=whole,
        methods=entries["methods"],
        datasets=entries["datasets"],
        protocols=judged,
        mistakes=mistakes,
    )


def _complaints(error: ValidationError, data: Any) -> list[Complaint]:
    found = []
    for complaint in complaints(error, Suite, data):
        form = _FORMS.get(complaint.route)
        if form and "expected" in complaint.message:
            value = data
            for part in complaint.route:
                value = value[part]
            complaint = complaint._replace(message=f"expected {form}, got {brief(value)}")
        found.append(complaint)
    return list(dict.fromkeys(found))


def _placed(document: Document, route: Route, message: str) -> Mistake:
    """At the value itself; a short form is shown as it was written, without the "name" that it stands for."""
    return document.mistake(document.written(route) if route[-1:] == ("name",) else route, message)


def _understood(model: type[BaseModel], values: Any, route: Route) -> list[Located]:
    found = []
    for index, value in enumerate(values if isinstance(values, list) else []):
        entry = _salvaged(model, value)
        if entry is not None:
            found.append(Located((*route, index), entry))
    return found


def _salvaged(model: type[M], value: Any) -> M | None:
    """What can be understood of a mapping once its wrong parts are taken out."""
    value = copy.deepcopy(value)
    for _ in range(3):  # taking a part out can uncover another mistake
        try:
            return model.model_validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                _drop(value, detail["loc"])
    return None


def _drop(value: Any, loc: tuple[str | int, ...]) -> None:
    """Take out of a mapping what stands at `loc`, or the nearest mapping entry above it."""
    holder, last = None, None
    for part in loc:
        if isinstance(value, dict) and part in value:
            holder, last = value, part
        elif not (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            break
        value = value[part]
    if holder is not None:
        del holder[last]
