from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.datasets.plain_text import PlainText, PlainTextConfig, heading
from tests.harness.datasets.own_files import refused, written
from tests.harness.datasets.own_texts import every_text, save, texts

WIKI = """
 = Lobster =

 It is big . It swims .

 = = Claws = =

 Claws are = strong .
 = Crab =
 It walks . Mr. Smith
 saw it .
"""


def dataset(path: Path, **config: Any) -> PlainText:
    return PlainText(PlainTextConfig(path=str(path), **config))


def test_blank_lines_part_documents_and_lines_paragraphs(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "One. Two.\nThree.\n \nFour. Five.\n\n\n  Six! Seven.  \n\nEight.")
    found = written(dataset(path, val=1), tmp_path)
    assert sorted(every_text(found)) == ["Eight.", "Four.\nFive.", "One.\nTwo.\nThree.", "Six!\nSeven."]
    assert (found.spec.modality, found.spec.shape, found.spec.size, found.spec.groups) == ("text", (), 3, False)
    assert found.tasks == {}
    assert len(found.split("test").source) == 0, "a corpus without labels needs no test split"


def test_lines_may_be_sentences(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "One. Two.\n  Three.\n\nFour")
    found = written(dataset(path, sentences="lines", val=1), tmp_path)
    assert sorted(every_text(found)) == ["Four", "One. Two.\nThree."]


def test_headings_begin_documents_and_are_no_sentences(tmp_path: Path) -> None:
    found = written(dataset(save(tmp_path / "wiki.txt", WIKI), documents="headings", val=1), tmp_path)
    assert sorted(every_text(found)) == [
        "It is big .\nIt swims .\nClaws are = strong .",
        "It walks .\nMr. Smith\nsaw it .",
    ]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (" = A = ", 1),
        ("= A b =", 1),
        (" = = A = = ", 2),
        ("== A ==", 2),
        (" = 1 = 2 = ", 1),
        (" = A for the next ", 0),
        (" = = A = ", 0),
        ("a = b", 0),
        (" = = ", 0),
        ("", 0),
    ],
)
def test_levels_of_headings(line: str, level: int) -> None:
    assert heading(line) == level


def test_a_file_may_be_a_document(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / "books" / f"{name}.txt", f"Book {name}.\n\nIt ends.")
    found = written(dataset(tmp_path / "books", documents="files", val=1), tmp_path)
    assert sorted(every_text(found)) == [f"Book {name}.\nIt ends." for name in "abc"]


def test_splits_by_file_and_by_share(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        save(tmp_path / "c" / f"{split}.txt", "\n\n".join(f"{split} {i}." for i in range(20)))
    found = written(dataset(tmp_path / "c"), tmp_path)
    assert {split: len(texts(found, split)) for split in found.splits} == {"train": 20, "val": 20, "test": 20}
    assert all(text.startswith("valid") for text in texts(found, "val"))
    joint = written(dataset(tmp_path / "c", train="*.txt", val=0.25), tmp_path)
    assert {split: len(texts(joint, split)) for split in joint.splits} == {"train": 45, "val": 15, "test": 0}
    assert not {*texts(joint, "train")} & {*texts(joint, "val")}


def test_a_document_of_one_sentence_is_kept_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save(tmp_path / "a.txt", "Alone.\n\nOne. Two.\n\nThree. Four.\n\nOnly this one too")
    with caplog.at_level(logging.INFO):
        found = written(dataset(path, val=1), tmp_path)
    assert {"Alone.", "Only this one too"} <= {*every_text(found)}
    told = [record.args for record in caplog.records if "documents are of one sentence" in record.msg]
    assert sum(alone for alone, _ in told) == 2  # type: ignore[misc]


def test_a_sentence_beyond_the_limit_is_kept_whole_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long = "word " * 1000 + "end."
    path = save(tmp_path / "a.txt", f"One.\n\nTwo.\n\nThree. {long}")
    with caplog.at_level(logging.WARNING):
        found = written(dataset(path, val=1), tmp_path)
    assert f"Three. {long}" in every_text(found)
    assert "1 of " in caplog.text
    assert f"the longest one of {len('Three. ' + long)} in {path}, line 5" in caplog.text


def test_the_same_document_in_two_splits_is_a_leak(tmp_path: Path) -> None:
    save(tmp_path / "c" / "train.txt", "One. Two.\n\nThree.")
    save(tmp_path / "c" / "val.txt", "Four.\n\nOne. Two.")
    assert refused(dataset(tmp_path / "c"), tmp_path, r"train\.txt, line 1 in train is .*val\.txt, line 3 in val")
    assert len(texts(written(dataset(tmp_path / "c", leaks="allow"), tmp_path), "val")) == 2


@pytest.mark.parametrize(
    ("content", "config", "says"),
    [
        ("", {}, r"a\.txt: is empty"),
        ("\n \n", {}, r"a\.txt: holds no text"),
        (b"One.\n\nTw\xffo.", {}, r"a\.txt, line 3: byte 8 is 0xff"),
        ("One. Two.", {}, "a share of 0.1 of 1 examples is none"),
        ("Text.\n = A = \nMore.", {"documents": "headings"}, r"line 1: text before the first heading"),
        (" = A = \nText.\n = B = \n = C = \nMore.", {"documents": "headings"}, r"without text:\s+\S+a\.txt, line 3"),
        (" = A = \nText.\n = B = \n", {"documents": "headings"}, r"without text:\s+\S+a\.txt, line 3"),
        (" = = A = = \n", {"documents": "headings"}, "without text"),
    ],
)
def test_bad_files(content: str | bytes, config: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert refused(dataset(save(tmp_path / "a.txt", content), **config), tmp_path, says)


def test_articles_of_wikitext(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_data("text_dev") / "text_dev" / "wikitext-2"
    found = written(dataset(path, train="*.txt", documents="headings"), tmp_path)
    assert {split: len(texts(found, split)) for split in found.splits} == {"train": 110, "val": 12, "test": 0}
    lines = [line for text in every_text(found) for line in text.split("\n")]
    assert "Homarus gammarus , known as the European lobster or common lobster , is a species of <unk> lobster" in (
        " ".join(lines)
    )
    assert not any(heading(line) for line in lines)
    assert 15_000 < len(lines) < 20_000
