from __future__ import annotations

from pathlib import Path

import pytest

from harness.datasets import DatasetError
from harness.datasets._tables import read_table


def test_a_list_is_a_file_a_line_and_after_a_blank_its_label(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a.png\nb.png\n\n", encoding="utf-8-sig")
    assert read_table(tmp_path / "names.txt").columns == {"file": ["a.png", "b.png"]}
    (tmp_path / "labelled").write_text("a.png 3\nb.png  0\n")
    assert read_table(tmp_path / "labelled").columns == {"file": ["a.png", "b.png"], "label": ["3", "0"]}


def test_cells_stay_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('name,code\n"a, b.png",007\nc.png,1e3\n', encoding="utf-8-sig")
    table = read_table(tmp_path / "t.csv")
    assert table.columns == {"name": ["a, b.png", "c.png"], "code": ["007", "1e3"]}
    assert table.where(1) == f"{tmp_path / 't.csv'}, line 3"


@pytest.mark.parametrize(("head", "found"), [("x,Filename,image", "Filename"), ("x,image", "image"), ("x,y", None)])
def test_usual_names_of_columns_are_known(head: str, found: str | None, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{head}\n{'1,' * head.count(',')}1\n")
    assert read_table(tmp_path / "t.csv").usual("file") == found


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.txt", b"a.png 1\nb.png\n", r"not so:\s+.*t.txt, line 2: 'b.png'\s+for names with blanks"),
        ("t.txt", b"my cat.png 1\nmy dog.png 2\n", r"not so:\s+.*t.txt, line 1: 'my cat.png 1'"),
        ("t.txt", b"\n", "has no rows"),
        ("t.txt", b"\xff\xfe\x00", "cannot be read as a table"),
        ("t.csv", b"", "cannot be read as a table"),
        ("t.csv", b"file,label\n", "has no rows"),
        ("t.jsonl", b'{"file": "a.png"}\n{"file": \n', "cannot be read as a table"),
        ("t.parquet", b"PAR1", "cannot be read as a table"),
    ],
)
def test_what_is_no_table_is_said(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=says):
        read_table(tmp_path / name)
