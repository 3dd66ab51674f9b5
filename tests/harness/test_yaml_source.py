"""Every bad file becomes a message with its place; nothing else ever escapes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.mistakes import SuiteErrors
from harness.yaml_source import LARGEST_FILE, parse_yaml, read_yaml


def message(text: str) -> str:
    with pytest.raises(SuiteErrors) as caught:
        parse_yaml(text, "s.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "s.yaml: empty; a suite says at least which methods and datasets"),
        ("# a comment only\n", "s.yaml: empty; a suite says at least which methods and datasets"),
        ("a: b: c", "s.yaml:1: broken YAML: mapping values are not allowed here"),
        ("a: 1\nb: *q", "s.yaml:2: broken YAML: found undefined alias 'q'"),
        ("a: 1\nb: 2\na: 3", "s.yaml:3: a: written twice; the first is on line 1"),
        ("m: [{x: 1}, {x: 1, x: 2}]", "s.yaml:1: m[1].x: written twice; the first is on line 1"),
        ("1: 2", "s.yaml:1: a key must be text, got '1'; put it in quotes"),
        ("? [a]\n: 2", "s.yaml:1: a key must be text, got a collection; put it in quotes"),
        ("a: .nan", "s.yaml:1: a: expected a finite number, got .nan"),
        ("a: -.inf", "s.yaml:1: a: expected a finite number, got -.inf"),
        ("a: 1e999", "s.yaml:1: a: expected a finite number, got 1e999"),
        ("a: !!int x", "s.yaml:1: a: cannot be read as int: 'x'"),
        ("a: &a [*a]", 's.yaml:1: a[0]: the anchor "a" contains itself'),
        ("a: &a {<<: *a}", 's.yaml:1: a: the anchor "a" contains itself'),
        ("a: {<<: 3}", "s.yaml:1: a: << merges mappings only"),
        ("[" * 700 + "]" * 700, "s.yaml: nested more than 100 levels deep"),
        ("[" * 150 + "]" * 150, "s.yaml: nested more than 100 levels deep"),
        ('a: "\\ud800"', "s.yaml:1: a: not text in UTF-8"),
    ],
)
def test_mistakes_have_a_place(text: str, expected: str) -> None:
    assert message(text) == expected


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [touch /tmp/never]", "!!binary aGk=", "!own x"])
def test_no_tag_runs_code_or_makes_objects(tag: str) -> None:
    assert message(f"a: {tag}").endswith("is not allowed; write plain values")


def test_nested_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 20)]
    assert message("\n".join(lines)) == "s.yaml: more than 100000 values once its aliases are expanded"


def test_all_mistakes_come_at_once_in_the_order_of_lines() -> None:
    assert message("a: .nan\nb: {x: 1, x: 2}\nc: !own y").count("\n") == 2


def test_values_are_those_of_yaml_1_2() -> None:
    text = "a: 1e-3\nb: 0o17\nc: 0x1F\nd: no\ne: 2001-01-01\nf: 1_000\ng: ~\nh: true\ni: -2.5\nj: +3\nk: 'x: y'"
    values = [0.001, 15, 31, "no", "2001-01-01", 1000, None, True, -2.5, 3, "x: y"]
    assert list(parse_yaml(text, "s").data.values()) == values


def test_anchors_and_merge_keys_share_values_and_places() -> None:
    document = parse_yaml("base: &b {x: 1, y: {z: 1}}\nc:\n  <<: *b\n  y: {w: 2}\nd: *b\n", "s.yaml")
    assert document.data == {
        "base": {"x": 1, "y": {"z": 1}},
        "c": {"x": 1, "y": {"w": 2}},
        "d": {"x": 1, "y": {"z": 1}},
    }
    assert document.place(("c", "x")).line == 1
    assert document.place(("c", "y", "w")).line == 4
    assert document.place(("c", "y", "z")).line == 4, "of the mapping that was written, not of the one it replaced"


def test_the_nearest_written_place_answers_for_what_was_not_written() -> None:
    document = parse_yaml("a: 1\nb:\n  - x\n  - {y: 2}\n", "s.yaml")
    assert document.written(("b", 1, "z", "w")) == ("b", 1)
    assert str(document.place(("b", 1, "y"))) == "s.yaml:4"
    assert (document.place(("b", 1, "y")).line, document.place(("b", 1, "y")).column) == (4, 6)
    assert document.written(("nothing",)) == ()


def test_files_that_cannot_be_suites(tmp_path: Path) -> None:
    def told(path: Path) -> str:
        with pytest.raises(SuiteErrors) as caught:
            read_yaml(path, "s.yaml")
        return str(caught.value)

    assert told(tmp_path / "none.yaml") == "s.yaml: there is no such file"
    assert told(tmp_path) == "s.yaml: this is a directory; name a suite file in it"
    assert told(Path("a\0b")).startswith("s.yaml: cannot be read: ")
    junk = tmp_path / "junk.yaml"
    junk.write_bytes(b"a: 1\n\xff\xfe\x00")
    assert told(junk) == "s.yaml:2: not text in UTF-8; this is no YAML file"
    junk.write_bytes(b"\x00\x01\x02")
    assert told(junk) == "s.yaml: broken YAML: unacceptable character #x0000: special characters are not allowed"
    junk.write_bytes(b" " * (LARGEST_FILE + 1))
    assert told(junk) == "s.yaml: larger than 1 MiB; this is no suite"
    junk.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(junk, "s.yaml").data == {"a": 1}, "a byte order mark is no mistake"
    if os.geteuid() != 0:  # root may read everything
        junk.chmod(0)
        assert told(junk) == "s.yaml: cannot be read: Permission denied"


def errors_of(read: Callable[[], object]) -> str | None:
    try:
        read()
    except SuiteErrors as errors:
        return str(errors)
    return None


@given(st.text(alphabet=st.sampled_from("ab:-?[]{}&*!|>'\"%@`#,\n\t \\<=~.0123e\x85\ufeff\ud800"), max_size=60))
def test_junk_gives_plain_values_or_suite_errors(text: str) -> None:
    told = errors_of(lambda: parse_yaml(text, "s.yaml"))
    assert told is None or told.startswith("s.yaml")


@given(st.binary(max_size=40))
def test_junk_bytes_too(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.yaml"
    path.write_bytes(raw)
    told = errors_of(lambda: read_yaml(path, "s.yaml"))
    assert told is None or told.startswith("s.yaml")
