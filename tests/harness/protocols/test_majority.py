"""The most frequent class, and nothing read for it."""

from __future__ import annotations

import numpy as np
import torch

from harness.protocols import roster
from harness.protocols.majority import Majority, MajorityConfig
from methods import Keys
from tests.harness.protocols.views import TASK, ReadySplit, gaussians, view_of

KEYS = Keys.of(0, "majority")


def test_the_most_frequent_class_of_train_answers_for_all() -> None:
    features, targets = gaussians()
    targets["train"] = torch.tensor([3, 1, 1, 2, 1, 2])
    targets["val"] = torch.full_like(targets["val"], 2)  # val has no say
    view = view_of(features, targets)
    solution = roster()["majority"](MajorityConfig()).solve(view, TASK, KEYS)
    assert solution.predictions.tolist() == [1] * len(features["test"])
    assert solution.predictions.dtype == np.int64
    assert solution.selection["train_counts"] == [0, 3, 2, 1]
    for split in (view.train, view.val, view.test):
        assert isinstance(split, ReadySplit)
        assert split.read == 0


def test_ties_go_to_the_lower_class() -> None:
    features, targets = gaussians()
    targets["train"] = torch.tensor([3, 2, 2, 3, 0])
    solution = Majority(MajorityConfig()).solve(view_of(features, targets), TASK, KEYS)
    assert set(solution.predictions.tolist()) == {2}
