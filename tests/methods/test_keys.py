from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats

from methods import Keys

EXAMPLES = torch.arange(2000)


def _reference(seed_words: tuple[int, int, int, int]) -> list[int]:
    """pcg4d as its authors print it (JCGT 9(3), 2020, listing of pcg4d), in Python's unbounded integers."""
    mask = 0xFFFFFFFF
    x, y, z, w = ((word * 1664525 + 1013904223) & mask for word in seed_words)

    def mix(x: int, y: int, z: int, w: int) -> tuple[int, int, int, int]:
        x = (x + y * w) & mask
        y = (y + z * x) & mask
        z = (z + x * y) & mask
        w = (w + y * z) & mask
        return x, y, z, w

    x, y, z, w = mix(x, y, z, w)
    return list(mix(*(word ^ (word >> 16) for word in (x, y, z, w))))


def test_the_bits_are_those_of_pcg4d() -> None:
    keys = Keys.of(7, "here", torch.tensor([3, 2**40 + 1]))
    bits = keys.bits(8).long() & 0xFFFFFFFF
    for row, (high, low) in enumerate(zip(keys.high.tolist(), keys.low.tolist(), strict=True)):
        for counter in (0, 1):
            words = _reference((counter, high & 0xFFFFFFFF, low & 0xFFFFFFFF, (high ^ low) & 0xFFFFFFFF))
            assert bits[row, counter::2].tolist() == words


def test_golden_values_stay() -> None:
    """A changed value here changes every result: bump the versions of all methods with it."""
    keys = Keys.of(0, "golden", torch.tensor([0, 1]))
    assert keys.bits(3).tolist() == [[422883866, 466861362, -1733167632], [-523247629, 316139633, 2057544258]]
    assert keys.fold("again").bits(2).tolist() == [[1406768679, 1669364047], [1125813374, 2038387109]]
    assert keys.integers(1000, 3).tolist() == [[98, 108, 596], [878, 73, 479]]
    assert sorted(keys.choose(3, 10)[0].tolist()) == [1, 7, 8]
    assert keys.seed() == 7673312511133336500


def test_uniform_is_uniform_over_counters_and_over_examples() -> None:
    numbers = Keys.of(1, "uniform", EXAMPLES).uniform(50).numpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    columns = [stats.kstest(numbers[:, column], "uniform").pvalue for column in range(50)]
    assert min(columns) > 1e-4


def test_every_bit_is_a_fair_coin() -> None:
    bits = Keys.of(2, "bits", EXAMPLES).bits(20).numpy().ravel()
    ones = np.array(
        [np.count_nonzero(bits & np.int32(1 << place if place < 31 else -(1 << 31))) for place in range(32)]
    )
    deviations = (ones - bits.size / 2) / np.sqrt(bits.size / 4)
    assert np.abs(deviations).max() < 4.5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Keys.of(0, "a", EXAMPLES), Keys.of(1, "a", EXAMPLES)),
        (Keys.of(0, "a", EXAMPLES), Keys.of(0, "b", EXAMPLES)),
        (Keys.of(0, "a", EXAMPLES), Keys.of(0, "a", EXAMPLES + 1)),
        (Keys.of(0, "a", EXAMPLES), Keys.of(0, "a", EXAMPLES + 2**32)),
        (Keys.of(0, "a", EXAMPLES).fold("step 1"), Keys.of(0, "a", EXAMPLES).fold("step 2")),
        (Keys.of(0, "a", EXAMPLES), Keys.of(0, "a", EXAMPLES).fold("b")),
    ],
    ids=["seeds", "purposes", "neighbours", "far examples", "folds", "fold and parent"],
)
def test_streams_are_independent(one: Keys, other: Keys) -> None:
    first, second = one.uniform(40).numpy(), other.uniform(40).numpy()
    assert abs(stats.pearsonr(first.ravel(), second.ravel()).statistic) < 4 / np.sqrt(first.size)
    table = np.histogram2d(first.ravel(), second.ravel(), bins=8, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_counters_of_one_stream_are_independent() -> None:
    numbers = Keys.of(3, "counters", EXAMPLES).uniform(41).numpy()
    for lag in (1, 4, 10, 40):
        table = np.histogram2d(numbers[:, :-lag].ravel(), numbers[:, lag:].ravel(), bins=8, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_keys_do_not_collide() -> None:
    keys = Keys.of(0, "collide", torch.arange(100_000))
    assert len(torch.unique(torch.stack([keys.high, keys.low], dim=1), dim=0)) == 100_000


@pytest.mark.parametrize("width", [1, 7, 64, 785])
def test_how_a_batch_is_cut_changes_nothing(width: int) -> None:
    """To the bit, for the normal draw too, whose vectorised functions could treat the ends of a tensor apart."""
    ids = torch.tensor([5, 900, 3, 17, 2**33, 8, 11])
    whole = Keys.of(4, "cut", ids)
    for cut in ([3], [1, 2, 4], list(range(1, 7))):
        parts = [Keys.of(4, "cut", part) for part in torch.tensor_split(ids, cut)]
        for draw in ("bits", "uniform", "normal"):
            together = torch.cat([getattr(part, draw)(width) for part in parts])
            assert torch.equal(getattr(whole, draw)(width), together)
        chosen = torch.cat([part.fold("x").choose(width // 2 + 1, width) for part in parts])
        assert torch.equal(whole.fold("x").choose(width // 2 + 1, width).sort(1).values, chosen.sort(1).values)
    assert torch.equal(whole[2:5].bits(width), whole.bits(width)[2:5])


def test_nothing_else_random_is_read_or_moved() -> None:
    """Integer operations of the keys alone: no generator of any device takes part."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = Keys.of(0, "alone", EXAMPLES).normal(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(Keys.of(0, "alone", EXAMPLES).normal(3), first)


def test_drawing_twice_gives_the_same_and_leaves_the_keys_alone() -> None:
    keys = Keys.of(0, "twice", EXAMPLES)
    high, low = keys.high.clone(), keys.low.clone()
    assert torch.equal(keys.uniform(9), keys.uniform(9))
    assert torch.equal(keys.fold("x").normal(9), keys.fold("x").normal(9))
    assert torch.equal(keys.high, high)
    assert torch.equal(keys.low, low)


def test_choose_gives_every_subset_equally_often() -> None:
    chosen = Keys.of(5, "choose", torch.arange(30_000)).choose(3, 6)
    counts = Counter(tuple(sorted(row)) for row in chosen.tolist())
    assert set(counts) == set(itertools.combinations(range(6), 3))
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_choose_gives_distinct_indices_at_the_extremes() -> None:
    keys = Keys.of(5, "extremes", torch.arange(4))
    assert keys.choose(0, 6).shape == (4, 0)
    assert torch.equal(keys.choose(6, 6).sort(1).values, torch.arange(6).expand(4, 6))


def test_integers_are_uniform_and_below_their_bound() -> None:
    numbers = Keys.of(6, "integers", EXAMPLES).integers(7, 30)
    assert stats.chisquare(np.bincount(numbers.numpy().ravel(), minlength=7)).pvalue > 1e-3
    assert numbers.max() == 6


def test_normal_is_standard_normal_and_its_pairs_independent() -> None:
    numbers = Keys.of(7, "normal", EXAMPLES).normal(50).numpy()
    size = numbers.size
    assert abs(numbers.mean()) < 4 / np.sqrt(size)
    assert abs(numbers.var() - 1) < 4 * np.sqrt(2 / size)
    assert abs(stats.skew(numbers.ravel())) < 4 * np.sqrt(6 / size)
    assert abs(stats.kurtosis(numbers.ravel())) < 4 * np.sqrt(24 / size)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-3
    halves = numbers[:, :25].ravel(), numbers[:, 25:].ravel()  # the cosine and the sine of one angle
    assert abs(stats.pearsonr(*halves).statistic) < 4 / np.sqrt(size / 2)
    assert abs(stats.pearsonr(halves[0] ** 2, halves[1] ** 2).statistic) < 4 / np.sqrt(size / 2)


def test_shapes() -> None:
    keys = Keys.of(8, "shapes", torch.arange(3))
    assert keys.bits().shape == (3,)
    assert keys.normal(5).shape == (3, 5)
    assert keys.uniform(2, 3, 5).shape == (3, 2, 3, 5)
    assert torch.equal(keys.bits(6).view(3, 2, 3), keys.bits(2, 3))
    assert len(Keys.of(8, "one stream")) == 1
    assert Keys.of(8, "none", torch.arange(0)).uniform(4).shape == (0, 4)
