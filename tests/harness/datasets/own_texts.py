"""A user's texts, tiny, and what the datasets made of them hold once they are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.datasets import SplitName
from harness.datasets.cache import Materialised

ADJECTIVES = ("good", "bad")
NOUNS = ("film", "book", "song", "play", "meal", "walk", "view", "talk", "game", "trip")


def reviews(count: int = 60) -> list[tuple[str, str]]:
    """Different short texts, each with its class: "pos" and "neg" in turn."""
    return [(f"A {ADJECTIVES[i % 2]} {NOUNS[i // 2 % 10]}, number {i}.", ("pos", "neg")[i % 2]) for i in range(count)]


def save(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def save_table(path: Path, rows: Iterable[Sequence[str]], head: Sequence[str] = ("text", "label")) -> Path:
    """Cells parted by tabs."""
    return save(path, "".join("\t".join(row) + "\n" for row in [head, *rows] if row))


def word(place: int | str, form: str, tag: str, misc: str = "_") -> str:
    """A line of CoNLL-U."""
    return "\t".join([str(place), form, "_", tag, "_", "_", "_", "_", "_", misc])


def sentence(*words: str, text: str | None = None, comments: Sequence[str] = ()) -> str:
    """A sentence of CoNLL-U: "dog/NOUN the/DET"."""
    lines = [*comments] + ([f"# text = {text}"] if text else [])
    lines += [word(place, *each.rsplit("/", 1)) for place, each in enumerate(words, 1)]
    return "\n".join(lines) + "\n\n"


def treebank(count: int = 20, purpose: str = "") -> str:
    """Different sentences of three tags."""
    return "".join(sentence(f"{purpose}dog{i}/NOUN", "barks/VERB", "./PUNCT") for i in range(count))


def question(name: str, asked: str, *answers: tuple[str, int]) -> dict[str, Any]:
    return {"id": name, "question": asked, "answers": [{"text": text, "answer_start": at} for text, at in answers]}


def squad(articles: int = 10, questions: int = 2) -> dict[str, Any]:
    """Articles of one paragraph, whose answers stand behind letters of two bytes."""
    data = []
    for a in range(articles):
        context = f"Café número {a} sold tea. Nobody drank it."
        asked = [question(f"q{a}.{q}", f"What was sold, {q}?", ("tea", context.index("tea"))) for q in range(questions)]
        data.append({"title": f"Cafe {a}", "paragraphs": [{"context": context, "qas": asked}]})
    return {"version": "1.1", "data": data}


def save_squad(path: Path, content: Any) -> Path:
    return save(path, json.dumps(content))


def texts(found: Materialised, split: SplitName, column: str = "text") -> list[str]:
    """What methods see of a split."""
    rows = found.split(split).source.columns[column]
    return [rows.row(index).tobytes().decode() for index in range(len(rows))]


def every_text(found: Materialised, column: str = "text") -> list[str]:
    return [text for split in found.splits for text in texts(found, split, column)]
