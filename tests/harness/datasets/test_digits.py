from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from harness.datasets.digits import SIZES, stratified


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
