"""The schema for editors agrees with what the reader takes."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes with ray
import pytest
from ruamel.yaml import YAML

import suites
from harness.suite_schema import suite_schema
from tests.harness.planning_toys import ROSTERS

SCHEMA = suite_schema(ROSTERS)


def valid(text: str, schema: dict[str, Any] = SCHEMA) -> bool:
    value = YAML(typ="safe", pure=True).load(text)
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "methods: [coder]\ndatasets: [boxes]",
        "methods: all\ndatasets: all\nevaluate: {protocols: all}\nseeds: 3\npreset: {coder: paper}",
        "methods: [{name: coder, as: sae, config: {corruption: {level: 0.0}}}]\n"
        "datasets: [{name: blobs, pretrain_on: boxes}, {name: boxes, pretrain_on: {name: blobs, config: {size: 3}}}]\n"
        "seeds: [1, 2]\npretrain: {steps: 3}\nresources: {deepspeed: {any: [1]}}",
    ],
)
def test_good_suites_pass(text: str) -> None:
    assert valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "methods: [codr]\ndatasets: [boxes]",
        "methods: [coder]",
        "methods: [coder]\ndatasets: [boxes]\nseed: 3",
        "methods: [coder]\ndatasets: [boxes]\nseeds: five",
        "methods: [{name: coder, config: {widht: 3}}]\ndatasets: [boxes]",
        "methods: [{name: coder, config: {corruption: {levle: 3}}}]\ndatasets: [boxes]",
        "methods: [coder]\ndatasets: [{name: boxes, config: {size: ten}}]",
        "methods: [coder]\ndatasets: [boxes]\nevaluate: {protocols: [linar]}",
        "methods: [coder]\ndatasets: [boxes]\nresources: {precision: fp23}",
    ],
)
def test_bad_suites_do_not(text: str) -> None:
    assert not valid(text)


@pytest.mark.parametrize("name", suites.shipped())
def test_shipped_suites_pass_the_schema_of_what_is_installed(name: str) -> None:
    path = suites.locate(name)
    assert path is not None
    assert valid(path.read_text(), suite_schema())
