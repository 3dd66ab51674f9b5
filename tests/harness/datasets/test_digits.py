from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from harness.datasets.cache import materialise
from harness.datasets.digits import SIZES, Digits, DigitsConfig, stratified


def test_the_split_is_a_partition_and_stratified() -> None:
    labels = load_digits(return_X_y=True)[1]
    parts = stratified(labels, "any")
    assert {split: len(part) for split, part in parts.items()} == SIZES
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(labels)))
    overall = np.bincount(labels) / len(labels)
    for part in parts.values():
        assert np.abs(np.bincount(labels[part]) - overall * len(part)).max() <= 1.5


def test_another_purpose_gives_another_split() -> None:
    labels = load_digits(return_X_y=True)[1]
    assert not np.array_equal(stratified(labels, "a")["train"], stratified(labels, "b")["train"])


def test_without_a_split_all_examples_are_there(tmp_path: Path) -> None:
    data = materialise(Digits(DigitsConfig(folds=5)), tmp_path)
    assert (data.splits, data.folds, len(data.split("train").source)) == (("train",), 5, 1797)
    with pytest.raises(ValueError, match="at least 3"):
        DigitsConfig(folds=2)
