"""Questions on paragraphs, answered by a span of them: SQuAD 1.1 (Rajpurkar et al. 2016), and others in its form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError, SplitName, Task, Writer
from harness.datasets._encodings import read_text
from harness.datasets._own_examples import Ids, SplitConfig
from harness.datasets._own_texts import Example, OwnTexts
from methods import Settings


@dataclass(frozen=True, kw_only=True)
class SquadConfig(SplitConfig):
    """`train`, `val`, `test`: patterns of file names, where these do not tell the split; val and test also a share of
    the questions, of whole articles."""


class Squad(OwnTexts):
    """One's own: question answering in SQuAD's JSON, version 1.1, an example a question.

    `text` is the paragraph as it is, `second` the question; the task is the span of the answer, of which every
    accepted one is kept, once. Articles are groups: shares of a split keep them whole.
    """

    name: ClassVar[str] = "squad"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = SquadConfig
    config: SquadConfig
    endings: ClassVar[tuple[str, ...]] = (".json",)

    @property
    def labelled(self) -> bool:
        return True

    @property
    def tasks(self) -> Mapping[str, Task]:
        return {"answer": Task(name="answer", kind="span", metric="span_f1", chance=0.0, also=("span_exact",))}

    def read(self, path: Path) -> Sequence[Example]:
        text = read_text(path)
        try:
            articles = json.loads(text)["data"]
        except json.JSONDecodeError as error:
            raise DatasetError(
                f"{path}, line {error.lineno}, column {error.colno}: is not JSON: {error.msg}"
            ) from error
        except (KeyError, TypeError) as error:
            raise DatasetError(f'{path}: has no "data", the list of articles; is it SQuAD\'s form?') from error
        wrong: list[str] = []
        found = list(_questions(articles, path, wrong))
        if wrong:
            raise DatasetError(
                listed(f"{len(wrong):,} answers or texts do not hold", wrong) + "\n  mend them, or take them out"
            )
        if not found:
            raise DatasetError(f"{path}: has no question")
        return found

    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        return

    def write_labels(self, examples: Sequence[Example], writer: Writer) -> None:
        writer.ragged_labels("answer", [np.array(example.label, np.int64).reshape(-1, 2) for example in examples])


def _questions(articles: Any, path: Path, wrong: list[str]) -> Iterator[Example]:
    """Every question; what is wrong with its answers goes into `wrong`.

    Raises:
        DatasetError: the form is another; the place in the file is told.
    """
    for a, article in _items(articles, "data", path):
        title = article.get("title") or f"{path.name}, article {a}"
        for p, paragraph in _items(article.get("paragraphs"), f"data[{a}].paragraphs", path):
            place = f"data[{a}].paragraphs[{p}]"
            context = _string(paragraph, "context", place, path)
            if not context.strip():
                wrong.append(f"{path}, {place}: its context is empty")
            for q, question in _items(paragraph.get("qas"), f"{place}.qas", path):
                here = f"{place}.qas[{q}]"
                name = f"question {_string(question, 'id', here, path)}"
                asked = _string(question, "question", here, path)
                if not asked.strip():
                    wrong.append(f"{path}, {name}: is empty")
                spans = _spans(question, context, here, path, f"{path}, {name}", wrong)
                yield Example(name, context, asked, spans, str(title))


def _spans(
    question: Mapping[str, Any], context: str, here: str, path: Path, name: str, wrong: list[str]
) -> list[tuple[int, int]]:
    """Accepted answers as (begin, end) in bytes. `answer_start` counts characters."""
    spans: dict[tuple[int, int], None] = {}
    answers = list(_items(question.get("answers"), f"{here}.answers", path))
    if not answers:
        why = " (SQuAD 2.0 has such; this is for 1.1)" if question.get("is_impossible") else ""
        wrong.append(f"{name}: has no answer{why}")
    for k, answer in answers:
        text = _string(answer, "text", f"{here}.answers[{k}]", path)
        start = answer.get("answer_start")
        if not isinstance(start, int) or isinstance(start, bool):
            raise DatasetError(f"{path}, {here}.answers[{k}]: answer_start is {start!r}, not a whole number")
        stands = context[start : start + len(text)] if start >= 0 else ""
        if not text.strip():
            wrong.append(f"{name}: an answer is empty")
        elif stands != text:
            wrong.append(f"{name}: at character {start} stands {stands!r}, not the answer {text!r}")
        else:
            begin = len(context[:start].encode())
            spans[begin, begin + len(text.encode())] = None
    return list(spans)


def _items(value: Any, place: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DatasetError(f"{path}: {place} is no list of objects; is it SQuAD's form?")
    yield from enumerate(value)


def _string(item: Mapping[str, Any], key: str, place: str, path: Path) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise DatasetError(f"{path}: {place} has no text {key!r}; it has {', '.join(item) or 'nothing'}")
    return value
