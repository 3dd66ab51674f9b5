"""Small texts with something to find, and an encoder of words, for the tests of protocols on text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from harness.datasets import Task
from harness.features import Encodings, Positions
from harness.protocols import Encoder, View
from methods import Batch, Features, Source, Spec
from tests.toys import Pairs, ToyColumn, ToyConfig, ToySource

WORDS = [topic + letter for topic in "abcd" for letter in "wxyz"]
SIZES = {"train": 150, "val": 70, "test": 60}


class Words(Pairs):
    """Each word alone, whatever its neighbours; batches are padded to their own length."""

    def examples(self, source: Source, ids: Tensor) -> Batch:
        texts = [source.columns["text"].row(index).tobytes().decode() for index in ids.tolist()]
        rows = [self._tokens(text)[:24] for text in texts]
        begins = [_begins(text)[:24] for text in texts]
        width = max(map(len, rows))
        return {
            "words": torch.tensor([row + [0] * (width - len(row)) for row in rows]).view(len(rows), width),
            "begins": torch.tensor([row + [0.0] * (width - len(row)) for row in begins]).view(len(rows), width),
        }

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        words = batch["words"]
        mask = words > 0
        local = functional.embedding(words, self.words.weight) * mask[..., None]
        return {"bag": Features(local.sum(1), local, mask, batch["begins"])}


def _begins(text: str) -> list[float]:
    found, place = [], 0
    for word in text.split():
        place = text.index(word, place)
        found.append(float(place))
        place += len(word)
    return found


def encoder(width: int = 16) -> Words:
    torch.manual_seed(0)
    method = Words(
        ToyConfig(width=width),
        Spec(modality="text", shape=(), size=1),
        {"words": WORDS, "rarity": torch.ones(len(WORDS))},
    )
    return method.eval()


def source(texts: list[str], second: list[str] | None = None) -> ToySource:
    columns = {"text": ToyColumn([_bytes(text) for text in texts])}
    if second is not None:
        columns["second"] = ToyColumn([_bytes(text) for text in second])
    return ToySource(Spec(modality="text", shape=(), size=len(texts)), columns)


def drawn(size: int, seed: int) -> list[str]:
    """Texts of one to nine different words."""
    generator = np.random.default_rng(seed)
    return [" ".join(generator.permutation(WORDS)[: generator.integers(1, 10)]) for _ in range(size)]


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8).copy()


@dataclass(frozen=True)
class Problem:
    """A view, and the answers on test."""

    task: Task
    view: View
    truth: Any


def view_of(
    method: Encoder, sources: Mapping[str, ToySource], labels: Mapping[str, Any], intervals: Mapping[str, Any] | None
) -> View:
    """As the harness makes it: each split a source of its own."""
    parts = {}
    for name, own in sources.items():
        encodings = Encodings(method, own)
        ids = torch.arange(len(own))
        given = intervals and intervals[name]
        parts[name] = Positions(encodings, "bag", ids, "labels", given) if given else encodings.under("bag", ids)
    seen = next(iter(parts.values())).encodings.encoder
    return View(seen, "bag", parts["train"], parts["val"], parts["test"], labels["train"], labels["val"])


def positions(method: Encoder | None = None) -> Problem:
    """The topic of each word; some texts have no labelled word, and some but one."""
    sources, labels, intervals = {}, {}, {}
    for seed, (name, size) in enumerate(SIZES.items()):
        texts = drawn(size, seed)
        sources[name] = source(texts)
        spans = [[(int(begin), int(begin) + 2) for begin in _begins(text)] for text in texts]
        spans[3] = []
        intervals[name] = [np.array(row, np.int64).reshape(-1, 2) for row in spans]
        labels[name] = torch.tensor(
            ["abcd".index(text[begin]) for text, row in zip(texts, spans, strict=True) for begin, _ in row]
        )
    task = Task(name="topic", kind="position", metric="position_accuracy", classes=tuple("abcd"), chance=0.25)
    return Problem(task, view_of(method or encoder(), sources, labels, intervals), labels["test"].numpy())


def pairs(method: Encoder | None = None, numbers: bool = False) -> Problem:
    """Have two texts, of one word each, the same topic? Or how near are their topics?"""
    sources, labels = {}, {}
    for seed, (name, size) in enumerate(SIZES.items()):
        generator = np.random.default_rng(seed)
        size *= 3
        first, second = generator.integers(0, 4, (2, size))
        second = np.where(generator.random(size) < 0.4, first, second)
        letters = generator.choice(list("wxyz"), (2, size))
        texts, others = (
            ["abcd"[topic] + letter for topic, letter in zip(topics, own, strict=True)]
            for topics, own in zip((first, second), letters, strict=True)
        )
        sources[name] = source(texts, others)
        same = torch.from_numpy((first == second).astype(int))
        labels[name] = same * 5.0 - 2.5 if numbers else same
    if numbers:
        task = Task(name="nearness", kind="pair", metric="pearson", chance=0.0)
    else:
        task = Task(name="same", kind="pair", metric="f1", classes=("no", "yes"), chance=0.0, also=("accuracy",))
    return Problem(task, view_of(method or encoder(), sources, labels, None), labels["test"].numpy())


def values(method: Encoder | None = None) -> Problem:
    """How many words of topic a, less those of topic b, and a little noise."""
    sources, labels = {}, {}
    for seed, (name, size) in enumerate(SIZES.items()):
        texts = drawn(size, seed)
        sources[name] = source(texts)
        noise = np.random.default_rng(seed).normal(size=size) * 0.1
        count = np.array([float(text.count("a") - text.count("b")) for text in texts])
        labels[name] = torch.from_numpy(1000 + 50 * (count + noise))
    task = Task(name="count", kind="regression", metric="spearman", chance=0.0)
    return Problem(task, view_of(method or encoder(), sources, labels, None), labels["test"].numpy())


def spans(method: Encoder | None = None) -> Problem:
    """Where the text has the word that is asked for; a wrong second answer is accepted too. Truth: int64 [N, 2]."""
    sources, labels = {}, {}
    for seed, (name, size) in enumerate(SIZES.items()):
        generator = np.random.default_rng(100 + seed)
        texts = drawn(size, seed)
        asked = [str(generator.choice(text.split())) for text in texts]
        sources[name] = source([f"  {text}\n" for text in texts], asked)
        found = [2 + text.index(word) for text, word in zip(texts, asked, strict=True)]
        labels[name] = [np.array([[begin, begin + 2], [0, 1]]) for begin in found]
    task = Task(name="asked", kind="span", metric="span_f1", chance=0.0, also=("span_exact",))
    return Problem(
        task, view_of(method or encoder(), sources, labels, None), np.stack([row[0] for row in labels["test"]])
    )
