from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harness.datasets import DatasetError
from harness.datasets._text_rows import Layout, Rows, numbers, read_rows
from tests.harness.datasets.own_texts import save


def read(path: Path, **layout: Any) -> Rows:
    return read_rows(path, Layout(**layout))


def test_quoted_cells_may_hold_separators_quotes_and_lines(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", 'text,label\r\n"a, ""b""\r\nc",1\r\n\r\nd,2\r\n')
    rows = read(path)
    assert rows.columns == {"text": ['a, "b"\nc', "d"], "label": ["1", "2"]}
    assert rows.places == ["line 2", "line 5"], "where rows begin, whatever stands in cells"


def test_tabs_part_what_is_not_quoted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tsv", '"half a quote\tlabel\nhe said "no"\t1\n')
    assert read(path).columns == {'"half a quote': ['he said "no"'], "label": ["1"]}


def test_a_label_and_the_rest_of_the_line(tmp_path: Path) -> None:
    path = save(tmp_path / "a.train", "0 it is bad\n\n1 it is\tgood \n")
    rows = read(path, separator=" ", columns=("label", "text"))
    assert (rows.column("label"), rows.column("text")) == (["0", "1"], ["it is bad", "it is\tgood"])
    assert rows.places == ["line 1", "line 3"]


def test_columns_that_are_not_asked_for_may_be_missing(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tsv", "x\ty\tz\nu\tv\n")
    rows = read(path, columns=("a", "b", "c"))
    assert rows.columns == {"a": ["x", "u"], "b": ["y", "v"], "c": ["z", None]}
    with pytest.raises(DatasetError, match=r"no 'c' in:\s+\S+a\.tsv, line 2\s+fill these"):
        rows.column("c")


def test_json_lines_and_parquet(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jsonl", '{"text": "café", "label": 1, "more": [2]}\n\n{"text": "b", "label": true}\n')
    rows = read(path)
    assert (rows.column("text"), rows.column("label")) == (["café", "b"], ["1", "true"])
    assert rows.places == ["line 1", "line 3"]
    pl.DataFrame({"text": ["a", "b"], "label": [1, 2], "more": [[1], [2]]}).write_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").columns == {"text": ["a", "b"], "label": ["1", "2"]}


@pytest.mark.parametrize(
    ("name", "content", "layout", "says"),
    [
        ("a.csv", 'text,label\nb,1\n"c,2\nd,3\n', {}, r"a\.csv, line 3: unexpected end of data"),
        ("a.csv", 'text,label\n"b"c,2\n', {}, r"a\.csv, line 2: .* say `quoted: false`"),
        ("a.tsv", "text\tlabel\nb\t1\nc\td\t2\n", {}, r"than the 2 columns \(text, label\):\s+\S+a\.tsv, line 3: 3\s"),
        ("a.tsv", "text\ttext\nb\t1\n", {}, "two columns of its header are named 'text'; is there a header"),
        ("a.csv", "text,label\n\n", {}, "has no rows"),
        ("a.train", "0 b\n", {}, "what stands between its cells"),
        ("a.jsonl", '{"text": "a"}\n{"text": b}\n', {}, r"a\.jsonl, line 2, column 10: is not JSON"),
        ("a.jsonl", '{"text": "a"}\n["b"]\n', {}, r"a\.jsonl, line 2: is no JSON object"),
        ("a.parquet", "PAR?", {}, "cannot be read as Parquet"),
        ("a.csv", b"text,label\nb\xff,1\n", {}, r"line 2: byte 12 is 0xff"),
    ],
)
def test_bad_tables(name: str, content: str | bytes, layout: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"(?s){says}"):
        read(save(tmp_path / name, content), **layout)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    rows = read(save(tmp_path / "a.csv", "texts,label\nb,1\n"))
    with pytest.raises(DatasetError, match=r"has no column 'text'; did you mean \"texts\"\?.*`columns`"):
        rows.column("text")


def test_numbers_are_finite(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", "score\n1\n2.5\n-3e2\n")
    assert numbers(read(path), "score") == [1, 2.5, -300]
    bad = save(tmp_path / "b.csv", "score\n1\nmuch\nnan\n")
    with pytest.raises(DatasetError, match=r"(?s)'score' is no finite number in:.*line 3: 'much'.*line 4: 'nan'"):
        numbers(read(bad), "score")
