from __future__ import annotations

import logging
from pathlib import Path

import pytest

from harness.datasets import DatasetError
from harness.datasets._encodings import read_text
from tests.harness.datasets.own_texts import save


def test_marks_and_carriage_returns_are_no_text(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", b"\xef\xbb\xbfcaf\xc3\xa9\r\nnoir\n")
    assert read_text(path) == "café\nnoir\n"


def test_what_is_no_utf_8_is_told_by_byte_and_line(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", b"one\ntwo caf\xe9 noir\n")
    with pytest.raises(DatasetError, match=r"a\.txt, line 2: byte 11 is 0xe9, which is not UTF-8.*encoding: cp1252"):
        read_text(path)
    assert read_text(path, "latin-1") == read_text(path, "cp1252") == "one\ntwo café noir\n"


def test_letters_of_cp1252_are_warned_of_under_latin_1(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save(tmp_path / "a.txt", b"\x93caf\xe9\x94")
    with caplog.at_level(logging.WARNING):
        read_text(path, "latin-1")
    assert "2 bytes are control characters in latin-1" in caplog.text
    assert read_text(path, "cp1252") == "“café”"


def test_what_was_encoded_twice_is_told_and_undone(tmp_path: Path) -> None:
    twice = "\ufeffcafé — 5 €".encode().decode("latin-1").encode()
    path = save(tmp_path / "a.txt", twice)
    with pytest.raises(DatasetError, match=r"encoded twice.*encoding: utf-8-twice"):
        read_text(path)
    assert read_text(path, "utf-8-twice") == "café — 5 €"
    once = save(tmp_path / "b.txt", "a\ncafé — 5 €")
    with pytest.raises(DatasetError, match=r"b\.txt, line 2: was not encoded twice.*encoding: utf-8`"):
        read_text(once, "utf-8-twice")
    accents = save(tmp_path / "c.txt", "café")
    with pytest.raises(DatasetError, match=r"c\.txt, line 1: was not encoded twice"):
        read_text(accents, "utf-8-twice")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "holds no text"),
        ("text".encode("utf-16"), "is UTF-16"),
        (b"PK\n\0\0", "line 2: holds a zero byte"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=says):
        read_text(save(tmp_path / "a.txt", content))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.txt: cannot be read \(No such file"):
        read_text(tmp_path / "gone.txt")
