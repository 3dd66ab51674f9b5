"""Tables of texts with labels: sentences and pairs of sentences, with a class or a score each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import check_classes, check_known, class_names, codes_among, majority
from harness.datasets._dataset import DatasetError, SplitName, Task, Writer
from harness.datasets._encodings import Encoding
from harness.datasets._own_examples import Ids, LabelledConfig
from harness.datasets._own_texts import Example, OwnTexts
from harness.datasets._text_rows import ENDINGS, Layout, numbers, read_rows
from methods import Settings, TaskKind

Metric = Literal["accuracy", "macro_f1", "f1", "matthews", "spearman", "pearson"]

#: Metrics of scores; the others are of classes.
OF_SCORES = frozenset({"spearman", "pearson"})


@dataclass(frozen=True, kw_only=True)
class TextTableConfig(LabelledConfig):
    """Attributes:
    train, val, test: patterns of file names, where these do not tell the split.
    text, second, label, group, split: columns; `second` for pairs, `split` where one file holds all splits.
    labels: what `label` holds: names of classes, or numbers that are to be predicted; or none: a corpus.
    metric: what the board ranks; by default accuracy of classes, and Spearman's rank correlation of scores.
    also: metrics reported beside it. f1 is of the second of two classes.
    columns: names of the columns, of delimited files without a header.
    separator: between cells; by default what the ending says: .csv a comma, .tsv a tab. With a blank, the last column
        is the rest of the line, as in "LABEL some text".
    quoted: whether cells may stand in double quotes; by default in .csv only.
    encoding: of all files but Parquet.
    """

    text: str = "text"
    second: str | None = None
    label: str = "label"
    group: str | None = None
    split: str | None = None
    labels: Literal["classes", "scores", "none"] = "classes"
    metric: Metric | None = None
    also: tuple[Metric, ...] = ()
    columns: tuple[str, ...] = ()
    separator: str | None = None
    quoted: bool | None = None
    encoding: Encoding = "utf-8"

    def __post_init__(self) -> None:
        super().__post_init__()
        scores = self.labels == "scores"
        for metric in (self.metric, *self.also):
            if metric is not None and (metric in OF_SCORES) != scores:
                raise ValueError(f"metric: {metric} is of {'classes' if scores else 'scores'}, not of these labels")
        if scores and self.classes:
            raise ValueError("classes: scores have none")
        if self.separator == "":
            raise ValueError("separator: is empty; give what stands between cells")
        if self.separator and len(self.separator) > 1 and self.quoted:
            raise ValueError(f"separator: with quotes it is one character, not {self.separator!r}")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns: one name is listed twice")

    @property
    def ranked(self) -> Metric:
        """The metric that is ranked."""
        return self.metric or ("spearman" if self.labels == "scores" else "accuracy")


class TextTable(OwnTexts):
    """One's own: texts, or pairs of texts, in CSV, TSV, JSON lines or Parquet, an example a row, with labels.

    A task of kind `class`, or `regression` where labels are scores; of pairs, of kind `pair`. Blanks around a cell are
    taken off; lines inside one stay, as sentences. Without `second` methods may pretrain on it too, each text a
    document. A text that stands in two splits is refused unless `leaks: allow`, also where its labels differ.
    """

    name: ClassVar[str] = "text_table"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = TextTableConfig
    config: TextTableConfig
    endings: ClassVar[tuple[str, ...]] = ENDINGS

    @property
    def folds(self) -> int:
        return self.config.folds

    @property
    def labelled(self) -> bool:
        return self.config.labels != "none"

    @property
    def tasks(self) -> Mapping[str, Task]:
        config = self.config
        if config.labels == "none":
            return {}
        classes: tuple[str, ...] = ()
        chance = 0.0
        if config.labels == "classes":
            classes = self._classes
            shares = np.bincount(self._codes[self._parts["train"]], minlength=len(classes))
            chance = _chance(config.ranked, shares / shares.sum())
        alone: TaskKind = "class" if config.labels == "classes" else "regression"
        return {
            config.task: Task(
                name=config.task,
                kind=alone if config.second is None else "pair",
                metric=config.ranked,
                classes=classes,
                chance=chance,
                also=config.also,
            )
        }

    def read(self, path: Path) -> Sequence[Example]:
        config = self.config
        rows = read_rows(path, Layout(config.columns, config.separator, config.quoted, config.encoding))
        texts = rows.column(config.text)
        nothing: list[None] = [None] * len(texts)
        labels: Sequence[str | float | None] = nothing
        if config.labels != "none":
            labels = rows.column(config.label) if config.labels == "classes" else numbers(rows, config.label)
        columns = zip(
            rows.places,
            texts,
            rows.column(config.second) if config.second else nothing,
            labels,
            rows.column(config.group) if config.group else nothing,
            rows.splits(config.split) if config.split else nothing,
            strict=True,
        )
        return [Example(*row) for row in columns]

    def strata(self) -> Ids:
        return self._codes if self.config.labels == "classes" else super().strata()

    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        config = self.config
        if config.labels == "classes":
            check_classes(self._classes, self._codes, parts, config.folds)
            if "f1" in (config.ranked, *config.also) and len(self._classes) != 2:
                raise DatasetError(f"f1 is of two classes, but there are {len(self._classes)}; take macro_f1")
        for split, ids in parts.items() if config.labels == "scores" else ():
            scores = {self._examples[row].label for row in ids.tolist()}
            if len(scores) < 2:
                raise DatasetError(
                    f"{self.root}: all scores of {split} are equal ({scores}); there is nothing to predict"
                )

    def write_labels(self, examples: Sequence[Example], writer: Writer) -> None:
        labels = [example.label for example in examples]
        if self.config.labels == "scores":
            writer.labels(self.config.task, np.array(labels, np.float64))
        elif self.config.labels == "classes":
            writer.labels(self.config.task, codes_among(self._classes, np.array(labels, np.str_)))

    @cached_property
    def _names(self) -> NDArray[np.str_]:
        return np.array([example.label for example in self._examples])

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        if self.config.classes:
            check_known(self._names, self.config.classes)
        return self.config.classes or class_names(self._names)

    @cached_property
    def _codes(self) -> Ids:
        return codes_among(self._classes, self._names)


def _chance(metric: Metric, shares: NDArray[np.float64]) -> float:
    """What always naming the most frequent class gives; shares of the classes in train [K]."""
    if metric == "f1":  # of class 1
        return 2 * float(shares[1]) / (1 + float(shares[1])) if shares.argmax() == 1 else 0.0
    return 0.0 if metric == "matthews" else majority(shares, metric)
