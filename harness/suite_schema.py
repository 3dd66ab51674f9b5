"""The JSON schema of suites, for editors: every key, and the names and configurations of what is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from harness.rosters import Rosters
from harness.suite import Suite
from harness.suite_file import MOST_SEEDS

_TEXT = {"type": "string"}


def suite_schema(rosters: Rosters | None = None) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of what a suite file may hold, short forms included."""
    rosters = rosters or Rosters.installed()
    schema = Suite.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Harness suite"
    definitions, properties = schema["$defs"], schema["properties"]
    for entry, key, kinds in (
        ("MethodEntry", "methods", rosters.methods),
        ("DatasetEntry", "datasets", rosters.datasets),
        ("ProtocolEntry", "protocols", rosters.protocols),
    ):
        _name(definitions[entry], definitions, key, kinds)
        holder = definitions["Evaluate"]["properties"] if key == "protocols" else properties
        listed = {**holder[key], "items": {"anyOf": [{"enum": list(kinds)}, holder[key]["items"]]}}
        about = {name: listed.pop(name) for name in ("title", "default", "description") if name in listed}
        holder[key] = {**about, "anyOf": [{"const": "all"}, listed]}
    properties["seeds"] = {
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_SEEDS}, properties["seeds"]],
    }
    other = definitions["DatasetEntry"]["properties"]["pretrain_on"]
    other["anyOf"].insert(0, _TEXT)
    return schema


def _name(entry: dict[str, Any], definitions: dict[str, Any], group: str, kinds: Mapping[str, Any]) -> None:
    """Tie an entry's `name` to a roster, and its `config` to the class of that name."""
    entry["properties"]["name"] = {**entry["properties"]["name"], "enum": list(kinds)}
    entry["allOf"] = [
        {
            "if": {"properties": {"name": {"const": name}}},
            "then": {"properties": {"config": _config(kind.Config, definitions, f"{group}.{name}")}},
        }
        for name, kind in kinds.items()
    ]


def _config(settings: type, definitions: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The schema of a configuration of which any part may be left out."""
    template = f"#/$defs/{prefix}.{{model}}"
    schema = TypeAdapter(settings).json_schema(ref_template=template)
    inner = schema.pop("$defs", {})
    for part in (schema, *inner.values()):
        part.pop("required", None)
    definitions.update({f"{prefix}.{name}": part for name, part in inner.items()})
    return schema
