from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from harness.datasets.cache import Materialised
from harness.datasets.text_table import TextTable, TextTableConfig
from tests.harness.datasets.own_files import refused, written
from tests.harness.datasets.own_texts import every_text, reviews, save, save_table, texts


def dataset(path: Path, **config: Any) -> TextTable:
    return TextTable(TextTableConfig(path=str(path), **config))


def labelled(found: Materialised, task: str = "class") -> dict[str, str | float]:
    """The label of each text, over all splits."""
    classes = found.tasks[task].classes
    whole: dict[str, str | float] = {}
    for split in found.splits:
        labels = found.split(split).labels(task).tolist()
        named = [classes[label] for label in labels] if classes else labels
        whole.update(zip(texts(found, split), named, strict=True))
    return whole


def test_texts_and_classes(tmp_path: Path) -> None:
    found = written(dataset(save_table(tmp_path / "a.tsv", reviews())), tmp_path)
    assert labelled(found) == dict(reviews())
    assert {split: len(texts(found, split)) for split in found.splits} == {"train": 42, "val": 6, "test": 12}
    task = found.tasks["class"]
    assert (task.kind, task.metric, task.classes, task.chance) == ("class", "accuracy", ("neg", "pos"), 0.5)


def test_pairs(tmp_path: Path) -> None:
    rows = [(text, f"{text} Indeed!", label) for text, label in reviews()]
    path = save_table(tmp_path / "a.tsv", rows, ("one", "two", "same"))
    config = {"text": "one", "second": "two", "label": "same", "task": "paraphrase"}
    found = written(dataset(path, **config, metric="f1", also=("accuracy",), classes=("neg", "pos")), tmp_path)
    assert labelled(found, "paraphrase") == dict(reviews())
    task = found.tasks["paraphrase"]
    assert (task.kind, task.metric, task.also) == ("pair", "f1", ("accuracy",))
    assert every_text(found, "second") == [f"{text} Indeed!" for text in every_text(found)]


@pytest.mark.parametrize("paired", [False, True])
def test_scores(paired: bool, tmp_path: Path) -> None:
    rows = [(text, text.upper(), str(index / 4)) for index, (text, _) in enumerate(reviews())]
    path = save_table(tmp_path / "a.tsv", rows, ("text", "other", "label"))
    found = written(dataset(path, labels="scores", second="other" if paired else None), tmp_path)
    task = found.tasks["class"]
    assert (task.kind, task.metric, task.classes) == ("pair" if paired else "regression", "spearman", ())
    assert labelled(found) == {text: float(score) for text, _, score in rows}


def test_files_of_splits_without_a_header(tmp_path: Path) -> None:
    rows = reviews(30)
    for name, part in (("s.train", rows[:20]), ("s.dev", rows[20:24]), ("s.test", rows[24:])):
        save(tmp_path / "s" / name, "".join(f"{label} {text} \n" for text, label in part))
    config = {"separator": " ", "columns": ("label", "text")}
    found = written(dataset(tmp_path / "s", train="s.train", val="s.dev", test="s.test", **config), tmp_path)
    assert labelled(found) == dict(rows)
    assert {*texts(found, "val")} == {text for text, _ in rows[20:24]}


def test_a_column_of_splits_and_one_of_groups(tmp_path: Path) -> None:
    rows = [(t, c, f"author {i // 2 % 10}", ("train", "dev", "test")[i // 2 % 3]) for i, (t, c) in enumerate(reviews())]
    path = save_table(tmp_path / "a.tsv", rows, ("text", "label", "by", "part"))
    found = written(dataset(path, split="part"), tmp_path)
    assert {*texts(found, "val")} == {text for text, _, _, part in rows if part == "dev"}
    grouped = written(dataset(path, group="by"), tmp_path)
    author = {text: by for text, _, by, _ in rows}
    owners = {split: {author[text] for text in texts(grouped, split)} for split in grouped.splits}
    assert sum(len(each) for each in owners.values()) == 10, "no author lies in two splits"
    nowhere = tmp_path / "refused"
    assert refused(dataset(path, group="by", split="part"), nowhere, "group 'author 0': in train and in")
    rows[3] = (*rows[3][:3], "devel")
    again = save_table(tmp_path / "b.tsv", rows, ("text", "label", "by", "part"))
    assert refused(dataset(again, split="part"), nowhere, r"no split \(train.*line 5: 'devel'")


def test_a_corpus_without_labels(tmp_path: Path) -> None:
    found = written(dataset(save_table(tmp_path / "a.tsv", reviews()), labels="none"), tmp_path)
    assert found.tasks == {}
    assert {*every_text(found)} == {text for text, _ in reviews()}


def test_folds_keep_all_in_train(tmp_path: Path) -> None:
    found = written(dataset(save_table(tmp_path / "a.tsv", reviews()), folds=5), tmp_path)
    assert (found.splits, found.folds, len(texts(found, "train"))) == (("train",), 5, 60)
    twice = save_table(tmp_path / "b.tsv", [*reviews(), reviews()[5]])
    assert refused(dataset(twice, folds=5), tmp_path / "b", r"b\.tsv, line 7 \(train\) is .*b\.tsv, line 62 \(train\)")


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "f1", "matthews"])
@pytest.mark.parametrize("order", [("neg", "pos"), ("pos", "neg")])
def test_chance_is_what_naming_the_most_frequent_class_gives(
    metric: Any, order: tuple[str, str], tmp_path: Path
) -> None:
    rows = [(text, "pos" if index % 4 else "neg") for index, (text, _) in enumerate(reviews(80))]
    found = written(dataset(save_table(tmp_path / "a.tsv", rows), metric=metric, classes=order), tmp_path)
    train = found.split("train").labels("class").numpy()
    constant = np.full(len(train), order.index("pos"))
    expected = {
        "accuracy": accuracy_score(train, constant),
        "macro_f1": f1_score(train, constant, average="macro", zero_division=0),
        "f1": f1_score(train, constant, zero_division=0),
        "matthews": matthews_corrcoef(train, constant),
    }
    assert found.tasks["class"].chance == pytest.approx(expected[metric])


@pytest.mark.parametrize(
    ("rows", "config", "says"),
    [
        ([("a", "1"), (" ", "2"), ("b", "")], {}, r"no 'text' in:\s+\S+a\.tsv, line 3\s"),
        ([("a", "1"), ("b", "")], {}, r"no 'label' in:\s+\S+a\.tsv, line 3\s"),
        ([("a", "1")], {"text": "txet"}, r"has no column 'txet'; did you mean \"text\"\?"),
        ([("a", "1")], {"second": "other"}, "has no column 'other'"),
        ([], {}, "has no rows"),
        ([(str(i), "1") for i in range(30)], {}, "all examples are of the class '1'"),
        ([(str(i), str(i // 29)) for i in range(30)], {}, r"classes with one example.*:\s+'1'\s"),
        ([(str(i), "1") for i in range(30)], {"labels": "scores"}, "all scores of train are equal"),
        ([(str(i), "much") for i in range(3)], {"labels": "scores"}, "'label' is no finite number in"),
        ([(str(i), str(i % 3)) for i in range(60)], {"metric": "f1"}, "f1 is of two classes, but there are 3"),
        ([(str(i), str(i % 3)) for i in range(60)], {"classes": ("0", "1")}, "not in `classes`:.*'2'"),
        ([(str(i), str(i % 20)) for i in range(60)], {"folds": 4}, "fewer examples than the 4 folds"),
    ],
)
def test_bad_tables(rows: list[tuple[str, str]], config: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert refused(dataset(save_table(tmp_path / "a.tsv", rows), **config), tmp_path, says)


def test_a_label_that_only_test_has_is_named(tmp_path: Path) -> None:
    rows = reviews(40)
    save_table(tmp_path / "s" / "train.tsv", rows[:30])
    save_table(tmp_path / "s" / "test.tsv", [*rows[30:], ("Odd.", "mixed"), ("Strange.", "mixed")])
    says = r"without an example in train:\s+'mixed': 2 in test\s"
    assert refused(dataset(tmp_path / "s"), tmp_path, says)


def test_a_text_in_two_splits_is_refused_unless_allowed(tmp_path: Path) -> None:
    rows = reviews(40)
    save_table(tmp_path / "s" / "train.tsv", rows[:30])
    save_table(tmp_path / "s" / "test.tsv", [*rows[30:], (rows[3][0], "pos")])
    assert refused(dataset(tmp_path / "s"), tmp_path, r"train\.tsv, line 5 in train is .*test\.tsv, line 12 in test")
    assert len(texts(written(dataset(tmp_path / "s", leaks="allow"), tmp_path), "test")) == 11


def test_the_same_text_stays_in_one_split(tmp_path: Path) -> None:
    found = written(dataset(save_table(tmp_path / "a.tsv", reviews(20) * 5)), tmp_path)
    parts = [{*texts(found, split)} for split in found.splits]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 20


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"labels": "scores", "metric": "accuracy"}, "accuracy is of classes"),
        ({"also": ("spearman",)}, "spearman is of scores"),
        ({"labels": "scores", "classes": ("1",)}, "classes: scores have none"),
        ({"separator": ""}, "separator: is empty"),
        ({"separator": "||", "quoted": True}, "it is one character"),
        ({"columns": ("a", "a")}, "columns: one name is listed twice"),
        ({"train": "../x"}, "does not lie inside `path`"),
    ],
)
def test_settings_that_contradict_each_other(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TextTableConfig(path="x", **config)


REAL = {
    "sentence_classification/rt-polarity.all": ({"separator": " ", "columns": ("label", "text")}, "latin-1", 10662),
    "sentence_classification/subj.all": ({"separator": " ", "columns": ("label", "text")}, "cp1252", 10000),
    "ag_news_csv/test.csv": ({"columns": ("label", "title", "text")}, "utf-8", 7600),
    "glue/SST-2": ({"text": "sentence", "leaks": "allow"}, "utf-8", 60614 + 6735 + 872),
    "glue/CoLA": (
        {
            "train": "train.tsv",
            "val": "val.tsv",
            "test": "dev.tsv",
            "text": "sentence",
            "metric": "matthews",
            "columns": ("source", "label", "mark", "sentence"),
            "leaks": "allow",
        },
        "utf-8",
        7250 + 1301 + 1043,
    ),
    "glue/MRPC": (
        {
            "train": "*_train.txt",
            "test": "*_test.txt",
            "separator": "\t",
            "label": "Quality",
            "metric": "f1",
            "text": "#1 String",
            "second": "#2 String",
        },
        "utf-8-twice",
        4076 + 1725,
    ),
    "glue/STS-B": (
        {
            "separator": "\t",
            "quoted": False,
            "text": "first",
            "second": "second",
            "label": "score",
            "columns": ("genre", "file", "year", "id", "score", "first", "second", "from", "and"),
            "labels": "scores",
            "leaks": "allow",
        },
        "utf-8",
        5749 + 1500 + 1379,
    ),
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_published_tables(name: str, real_data: Callable[[str], Path], tmp_path: Path) -> None:
    config, encoding, size = REAL[name]
    found = written(dataset(real_data("text_dev") / "text_dev" / name, encoding=encoding, **config), tmp_path)  # type: ignore[arg-type]
    assert sum(len(found.split(split).source) for split in found.splits) == size
    assert not any(text != text.strip() or not text for text in every_text(found))
