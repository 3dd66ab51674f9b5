from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.datasets import DatasetError
from harness.datasets._conllu_sentences import Sentence, read_sentences
from harness.datasets.cache import Materialised
from harness.datasets.conllu import Conllu, ConlluConfig
from tests.harness.datasets.own_files import refused, written
from tests.harness.datasets.own_texts import save, sentence, texts, treebank, word


def dataset(path: Path, **config: Any) -> Conllu:
    return Conllu(ConlluConfig(path=str(path), **config))


def parsed(text: str) -> Sentence:
    (found,) = read_sentences(text, Path("a.conllu"))
    return found


def tagged(found: Sentence) -> list[tuple[str, str]]:
    """Each word as it stands in the bytes of the text, with its tag."""
    content = found.text.encode()
    return [(content[b:e].decode(), tag) for (b, e), tag in zip(found.intervals, found.tags, strict=True)]


def test_words_are_found_in_the_text_of_the_comment() -> None:
    found = parsed(sentence("Café/NOUN", "noir/ADJ", "./PUNCT", text="Café  noir."))
    assert (found.text, found.agrees) == ("Café  noir.", True)
    assert tagged(found) == [("Café", "NOUN"), ("noir", "ADJ"), (".", "PUNCT")]
    assert found.intervals == ((0, 5), (7, 11), (11, 12))


def test_a_text_is_rebuilt_where_there_is_none_or_another() -> None:
    lines = [word(1, "un", "DET"), word(2, "œuf", "NOUN", "SpaceAfter=No"), word(3, ".", "PUNCT"), ""]
    for comment, agrees in (("", True), ("# text = Un œuf.\n", False), ("# text = un œuf. Et\n", False)):
        found = parsed(comment + "\n".join(lines))
        assert (found.text, found.agrees) == ("un œuf.", agrees)
        assert tagged(found) == [("un", "DET"), ("œuf", "NOUN"), (".", "PUNCT")]


def test_syntactic_words_share_a_token_or_part_it() -> None:
    lines = [
        *("# text = I don't live du tout", word(1, "I", "PRON")),
        *(word("2-3", "don't", "_"), word(2, "do", "AUX"), word(3, "n't", "PART")),
        *(word(4, "live", "VERB"), word("4.1", "elided", "VERB")),
        *(word("5-6", "du", "_"), word(5, "de", "ADP"), word(6, "le", "DET"), word(7, "tout", "NOUN"), ""),
    ]
    found = parsed("\n".join(lines))
    assert found.agrees
    assert tagged(found) == [
        *(("I", "PRON"), ("do", "AUX"), ("n't", "PART"), ("live", "VERB")),
        *(("du", "ADP"), ("du", "DET"), ("tout", "NOUN")),
    ]


def test_forms_may_hold_blanks() -> None:
    found = parsed(sentence("10 000/NUM", "oeufs/NOUN", text="10 000 oeufs"))
    assert tagged(found) == [("10 000", "NUM"), ("oeufs", "NOUN")]


def labels(found: Materialised) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    whole = set()
    for split in found.splits:
        part = found.split(split)
        for text, codes, intervals in zip(texts(found, split), part.rows("upos"), part.intervals("upos"), strict=True):
            words = [text.encode()[begin:end].decode() for begin, end in intervals.tolist()]
            tags = [found.tasks["upos"].classes[code] for code in codes.tolist()]
            whole.add((text, tuple(zip(words, tags, strict=True))))
    return whole


def test_sentences_of_files_of_splits(tmp_path: Path) -> None:
    for split, count in (("train", 10), ("dev", 3), ("test", 5)):
        save(tmp_path / "t" / f"en-ud-{split}.conllu", treebank(count, split))
    found = written(dataset(tmp_path / "t"), tmp_path)
    assert {split: len(texts(found, split)) for split in found.splits} == {"train": 10, "val": 3, "test": 5}
    task = found.tasks["upos"]
    assert (task.kind, task.metric, task.classes) == ("position", "position_accuracy", ("NOUN", "PUNCT", "VERB"))
    assert task.chance == pytest.approx(1 / 3)
    assert ("devdog1 barks .", (("devdog1", "NOUN"), ("barks", "VERB"), (".", "PUNCT"))) in labels(found)
    assert len(labels(found)) == 18


def test_documents_stay_together(tmp_path: Path) -> None:
    whole = "".join(f"# newdoc id = {d}\n{treebank(4, f'{d}-')}" for d in range(10))
    found = written(dataset(save(tmp_path / "a.conllu", whole)), tmp_path)
    assert found.spec.groups
    owners = {split: {text.partition("-")[0] for text in texts(found, split)} for split in found.splits}
    assert {split: len(documents) for split, documents in owners.items()} == {"train": 7, "val": 1, "test": 2}
    assert len(set.union(*owners.values())) == 10


def test_a_sentence_that_recurs_is_no_leak_unless_asked(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        save(tmp_path / "t" / f"{split}.conllu", treebank(5, split) + sentence("Yes/NOUN", "./PUNCT"))
    assert len(texts(written(dataset(tmp_path / "t"), tmp_path), "test")) == 6
    assert refused(
        dataset(tmp_path / "t", leaks="refuse"),
        tmp_path / "b",
        "2 examples lie in two splits",
    )


def test_a_text_that_is_not_made_of_its_words_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save(tmp_path / "a.conllu", treebank() + sentence("No/NOUN", "way/NOUN", text="No!way"))
    with caplog.at_level(logging.WARNING):
        assert dataset(path).spec.size > 0
    assert f"{path}: `# text` of 1 of 21 sentences is not made up of their words, first in line 81" in caplog.text


GOOD = treebank(1)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (word(1, "a", "NOUN").replace("\t", " "), "line 5: 1 columns, where CoNLL-U has 10"),
        (word(1, "a", "NOUN") + "\tmore", "line 5: 11 columns"),
        (word(1, "", "NOUN"), "line 5: 9 columns"),
        (word(2, "a", "NOUN"), "line 5: the ID 2 follows 0"),
        (word(1, "a", "NOUN") + "\n" + word(1, "b", "NOUN"), "line 6: the ID 1 follows 1"),
        (word("x", "a", "NOUN"), "line 5: the ID 'x' is neither"),
        (word("2-3", "ab", "_"), "line 5: the range 2-3 does not begin after word 0"),
        (
            word("1-2", "ab", "_") + "\n" + word(1, "a", "NOUN"),
            "line 6: the sentence ends within a range, before word 2",
        ),
        (word(1, "a", "_"), r"line 5: the word 'a' has no tag"),
        ("# text = nothing", "line 5: a sentence without words"),
    ],
)
def test_lines_that_break_the_format(bad: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        list(read_sentences(f"{GOOD}{bad}\n", Path("a.conllu")))


def test_bad_files(tmp_path: Path) -> None:
    assert refused(dataset(save(tmp_path / "a.conllu", "")), tmp_path, "is empty")
    assert refused(dataset(save(tmp_path / "b.conllu", b"# text = \xff")), tmp_path, r"line 1: byte 9 is 0xff")
    for split, more in (("train", ""), ("dev", ""), ("test", sentence("%/SYM", "&/SYM"))):
        save(tmp_path / "t" / f"{split}.conllu", treebank(5, split) + more)
    says = r"without an example in train:\s+'SYM': 2 in test\s"
    assert refused(dataset(tmp_path / "t"), tmp_path, says)


def test_a_published_treebank(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_data("text_dev") / "text_dev" / "UD_English-LinES"
    found = written(dataset(path), tmp_path)
    assert {split: len(texts(found, split)) for split in found.splits} == {"train": 3457, "val": 1118, "test": 1121}
    assert len(found.tasks["upos"].classes) == 17
    made = {text.replace(" ", ""): "".join(form for form, _ in words) for text, words in labels(found)}
    assert all(text == forms for text, forms in made.items()), "words part the text, save its blanks"
