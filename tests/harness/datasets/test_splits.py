from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.datasets import SPLITS, DatasetError, SplitName
from harness.datasets._splits import UNDECIDED, Shares, at_most, divide, named_split

Ids = NDArray[np.int64]


def parts(
    size: int = 100,
    *,
    given: NDArray[np.int8] | None = None,
    strata: Ids | None = None,
    together: Ids | None = None,
    val: float | None = 0.1,
    test: float | None = 0.2,
    seed: int = 0,
) -> dict[SplitName, Ids]:
    return divide(
        np.full(size, UNDECIDED, np.int8) if given is None else given,
        np.zeros(size, np.int64) if strata is None else strata,
        np.arange(size) if together is None else together,
        Shares(val=val, test=test, seed=seed),
        "purpose",
    )


def test_shares_make_a_partition_of_the_asked_sizes() -> None:
    found = parts(1003)
    assert {split: len(ids) for split, ids in found.items()} == {"train": 702, "val": 100, "test": 201}
    assert sorted(np.concatenate(list(found.values()))) == list(range(1003))


def test_numbers_count_examples() -> None:
    assert {split: len(ids) for split, ids in parts(val=7, test=13).items()} == {"train": 80, "val": 7, "test": 13}


def test_every_class_is_as_frequent_everywhere() -> None:
    strata = np.repeat([0, 1, 2], [700, 250, 50])
    found = parts(1000, strata=strata)
    for ids in found.values():
        expected = np.array([0.7, 0.25, 0.05]) * len(ids)
        assert np.abs(np.bincount(strata[ids]) - expected).max() <= 1.5


def test_the_rare_classes_do_not_always_land_in_the_same_split() -> None:
    """Fifty classes of two: each has one in train; where the other goes is left to the dice."""
    strata = np.repeat(np.arange(50), 2)
    found = parts(100, strata=strata, test=0.2, val=0.2)
    assert set(strata[found["train"]]) == set(range(50))
    assert len(set(strata[found["test"]])) == 20
    assert set(parts(100, strata=strata, val=0.2, seed=1)["test"]) != set(found["test"])


def test_another_seed_divides_otherwise_and_the_same_one_alike() -> None:
    again, other = parts(), parts(seed=1)
    assert all(np.array_equal(parts()[split], again[split]) for split in SPLITS)
    assert set(other["test"]) != set(again["test"])


def test_the_order_tells_nothing_of_the_files() -> None:
    train = parts(1000)["train"]
    assert abs(np.corrcoef(train, np.arange(len(train)))[0, 1]) < 0.15


def test_what_belongs_together_stays_together() -> None:
    dice = np.random.default_rng(0)
    together = dice.integers(0, 60, 1000)
    found = parts(1000, together=together, strata=dice.integers(0, 3, 1000))
    owners = [set(together[ids]) for ids in found.values()]
    assert sum(map(len, owners)) == len(set(together))
    assert len(found["test"]) == pytest.approx(200, abs=40)
    assert len(found["val"]) == pytest.approx(100, abs=40)


def test_groups_of_one_class_are_spread_over_the_splits() -> None:
    """A group an object: train, val and test all see every class."""
    together = np.arange(600) // 10
    strata = together % 3
    for ids in parts(600, together=together, strata=strata).values():
        assert set(strata[ids]) == {0, 1, 2}


def test_what_files_give_is_kept_and_only_train_is_divided() -> None:
    given = np.repeat([0, 2], [80, 20]).astype(np.int8)
    found = parts(given=given, test=None, val=0.25)
    assert sorted(found["test"]) == list(range(80, 100))
    assert len(found["val"]) == 20
    assert max(found["val"]) < 80


@pytest.mark.parametrize(
    ("shares", "size", "says"),
    [
        ({"val": 0.5, "test": 0.5}, 100, "100 examples leave none for train, with 50 for val and 50 for test"),
        ({"val": 300, "test": 0.2}, 100, "100 examples leave none for train"),
        ({"val": 0.001, "test": 0.2}, 100, "val: a share of 0.001 of 100 examples is none"),
    ],
)
def test_too_little_is_said(shares: dict[str, float], size: int, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        parts(size, val=shares["val"], test=shares["test"])


def test_too_few_groups_are_said() -> None:
    with pytest.raises(DatasetError, match="100 examples in 2 groups that stay together leave none for"):
        parts(together=np.arange(100) % 2)


def test_a_limit_keeps_the_classes_and_the_order() -> None:
    strata = np.repeat([0, 1], [900, 100])
    ids = np.random.default_rng(0).permutation(1000)
    some = at_most(ids, strata, 50, "purpose")
    assert np.bincount(strata[some]).tolist() == [45, 5]
    places = [int(np.flatnonzero(ids == row)[0]) for row in some]
    assert places == sorted(places)
    assert np.array_equal(at_most(ids, strata, 1000, "purpose"), ids)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("t10k-images-idx3-ubyte.gz", "test"),
        ("train-00000-of-00002.parquet", "train"),
        ("x_Valid", "val"),
        ("dev.npz/x", "val"),
        ("contest-images", None),
        ("train_test.npz", None),
        ("training/x.npy", "train"),
    ],
)
def test_names_tell_splits(name: str, split: str | None) -> None:
    assert named_split(name) == split
