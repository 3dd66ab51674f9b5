from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.datasets.cache import Materialised
from harness.datasets.squad import Squad, SquadConfig
from tests.harness.datasets.own_files import refused, written
from tests.harness.datasets.own_texts import question, save, save_squad, squad, texts


def dataset(path: Path, **config: Any) -> Squad:
    return Squad(SquadConfig(path=str(path), **config))


def answered(found: Materialised) -> set[tuple[str, str, tuple[str, ...]]]:
    """Every context with its question and what stands where its answers are said to be."""
    whole = set()
    for split in found.splits:
        rows = found.split(split).rows("answer")
        for text, asked, spans in zip(texts(found, split), texts(found, split, "second"), rows, strict=True):
            whole.add((text, asked, tuple(text.encode()[begin:end].decode() for begin, end in spans.tolist())))
    return whole


def test_answers_are_bytes_of_the_context(tmp_path: Path) -> None:
    found = written(dataset(save_squad(tmp_path / "a.json", squad())), tmp_path)
    assert {answers for _, _, answers in answered(found)} == {("tea",)}
    assert len(answered(found)) == 20
    context, asked, _ = min(answered(found))
    assert (context, asked) == ("Café número 0 sold tea. Nobody drank it.", "What was sold, 0?")
    task = found.tasks["answer"]
    assert (task.kind, task.metric, task.classes) == ("span", "span_f1", ())


def test_accepted_answers_are_kept_once(tmp_path: Path) -> None:
    content = squad()
    content["data"][0]["paragraphs"][0]["qas"] = [
        question("q", "Who?", ("Café número 0", 0), ("número 0", 5), ("Café número 0", 0))
    ]
    found = written(dataset(save_squad(tmp_path / "a.json", content)), tmp_path)
    assert {answers for _, asked, answers in answered(found) if asked == "Who?"} == {("Café número 0", "número 0")}


def test_articles_stay_together(tmp_path: Path) -> None:
    found = written(dataset(save_squad(tmp_path / "a.json", squad())), tmp_path)
    assert found.spec.groups
    owners = {split: {*texts(found, split)} for split in found.splits}
    assert {split: len(contexts) for split, contexts in owners.items()} == {"train": 7, "val": 1, "test": 2}
    assert len(set.union(*owners.values())) == 10


def test_splits_by_file(tmp_path: Path) -> None:
    content = squad()
    parts = {"train": content["data"][:6], "dev": content["data"][6:8], "test": content["data"][8:]}
    for split, articles in parts.items():
        save_squad(tmp_path / "s" / f"{split}-v1.1.json", {"data": articles})
    found = written(dataset(tmp_path / "s"), tmp_path)
    assert {split: len(texts(found, split)) for split in found.splits} == {"train": 12, "val": 4, "test": 4}
    save_squad(tmp_path / "s" / "test-v1.1.json", {"data": content["data"][5:]})
    assert refused(dataset(tmp_path / "s"), tmp_path / "refused", "group 'Cafe 5': in train and in test")


def broken(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Three articles, the second one changed."""
    content = squad(3)
    change(content["data"][1])
    return content


def asks(article: dict[str, Any]) -> dict[str, Any]:
    """The second question of an article."""
    found: dict[str, Any] = article["paragraphs"][0]["qas"][1]
    return found


PLACE = r"data\[1\]\.paragraphs\[0\]"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda a: asks(a)["answers"][0].update(answer_start=18),
            "question q1.1: at character 18 stands ' te', not the",
        ),
        (lambda a: asks(a)["answers"][0].update(answer_start=900), "question q1.1: at character 900 stands '', not"),
        (lambda a: asks(a)["answers"][0].update(answer_start=-3), "question q1.1: at character -3 stands ''"),
        (lambda a: asks(a)["answers"][0].update(answer_start="19"), rf"{PLACE}\.qas\[1\]\.answers\[0\]: .* is '19'"),
        (lambda a: asks(a)["answers"][0].update(text=""), "question q1.1: an answer is empty"),
        (lambda a: asks(a).update(answers=[]), "question q1.1: has no answer"),
        (lambda a: asks(a).update(answers=[], is_impossible=True), r"has no answer \(SQuAD 2.0 has such"),
        (lambda a: asks(a).update(question=" "), "question q1.1: is empty"),
        (lambda a: asks(a).pop("id"), rf"{PLACE}\.qas\[1\] has no text 'id'; it has question, answers"),
        (lambda a: asks(a).pop("answers"), rf"{PLACE}\.qas\[1\]\.answers is no list of objects"),
        (lambda a: a["paragraphs"][0].update(context=" ", qas=[]), rf"{PLACE}: its context is empty"),
        (lambda a: a["paragraphs"][0].pop("context"), rf"{PLACE} has no text 'context'"),
        (lambda a: a.pop("paragraphs"), r"data\[1\]\.paragraphs is no list of objects"),
    ],
)
def test_bad_articles(change: Callable[[dict[str, Any]], Any], says: str, tmp_path: Path) -> None:
    path = save_squad(tmp_path / "a.json", broken(change))
    assert refused(dataset(path), tmp_path, rf"a\.json.*{says}")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ('{"data": [\n{"title": }]}', r"a\.json, line 2, column 11: is not JSON: Expecting value"),
        ("[1]", 'has no "data"'),
        ('{"data": {}}', "data is no list of objects"),
        ('{"data": []}', "has no question"),
        (b'{"data": "\xff"}', "line 1: byte 10 is 0xff"),
    ],
)
def test_bad_files(content: str | bytes, says: str, tmp_path: Path) -> None:
    assert refused(dataset(save(tmp_path / "a.json", content)), tmp_path, says)


def test_published_questions(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    found = written(dataset(real_data("text_dev") / "text_dev" / "xquad"), tmp_path)
    whole = answered(found)
    assert sum(len(texts(found, split)) for split in found.splits) == 612
    assert all(answer and answer in text for text, _, answers in whole for answer in answers)
    assert any(not text.isascii() for text, _, _ in whole)
