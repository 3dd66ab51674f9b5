"""What the datasets made of a user's own images have in common: their pixels, their splits, their task."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import check_classes, check_known, class_names, coded, codes_among, majority
from harness.datasets._dataset import SplitName, Task, Writer
from harness.datasets._own_examples import Ids, LabelledConfig, OwnExamples
from methods import Spec

_log = logging.getLogger(__name__)

Images = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class OwnConfig(LabelledConfig):
    """`metric`: what the board ranks."""

    metric: Literal["accuracy", "macro_f1"] = "accuracy"


class OwnImages(OwnExamples):
    """Images in files of the user's. A subclass knows one kind of file; it says what there is, and reads pixels."""

    config: OwnConfig

    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """[C, H, W] of every image, from the first one where the settings do not say."""

    @abstractmethod
    def images(self, ids: Ids) -> Images:
        """Pixels of these rows of the catalogue: uint8 [len(ids), C, H, W]. DatasetError names the bad ones."""

    @property
    def folds(self) -> int:
        return self.config.folds

    @property
    def spec(self) -> Spec:
        grouped = self._catalogue.groups is not None
        return Spec(modality="image", shape=self._shape, size=len(self._parts["train"]), groups=grouped)

    @property
    def tasks(self) -> Mapping[str, Task]:
        labels = self._labels
        if labels is None:
            return {}
        name, metric = self.config.task, self.config.metric
        train = labels[self._parts["train"]]
        chance = majority(np.bincount(train, minlength=len(self._classes)) / len(train), metric)
        return {name: Task(name=name, kind="class", metric=metric, classes=self._classes, chance=chance)}

    @property
    def labelled(self) -> bool:
        return self._catalogue.labels is not None

    def strata(self) -> Ids:
        return np.zeros(len(self._catalogue), np.int64) if self._labels is None else self._labels

    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        if self._labels is not None:
            check_classes(self._classes, self._labels, parts, self.config.folds)

    def write(self, split: SplitName, writer: Writer) -> None:
        ids, began = self._parts[split], time.perf_counter()
        images = self.images(ids) if len(ids) else np.empty((0, *self._shape), np.uint8)
        seconds = time.perf_counter() - began
        _log.info("%s: read %d images in %.1f s, %.0f a second", split, len(ids), seconds, len(ids) / (seconds or 1e-9))
        if self.config.leaks == "refuse":
            self._refuse_repeats(split, ids, images, "pictures")
        writer.dense("image", images)
        if self._labels is not None:
            writer.labels(self.config.task, self._labels[ids])
        if self._catalogue.groups is not None:
            writer.groups(coded(self._catalogue.groups)[ids])

    @cached_property
    def _shape(self) -> tuple[int, int, int]:
        return self.shape()

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        labels = self._catalogue.labels
        assert labels is not None
        if self.config.classes:
            check_known(labels, self.config.classes)
        return self.config.classes or self._catalogue.classes or class_names(labels)

    @cached_property
    def _labels(self) -> Ids | None:
        """Indices into the classes [N]."""
        names = self._catalogue.labels
        return None if names is None else codes_among(self._classes, names)
