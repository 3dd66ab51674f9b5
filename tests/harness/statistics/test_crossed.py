"""The comparison over seeds and examples: against hand-made numbers, and what each interval covers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from harness.statistics import Crossed, crossed, paired_examples, paired_t, t_interval

#: Variances of seed effect, example effect and rest, with the number of seeds and examples.
WORLDS = {
    "rest alone": (0.0, 0.0, 1.0, 4, 60),
    "seeds matter": (1.0, 0.1, 0.1, 3, 60),
    "examples matter": (0.0, 1.0, 0.1, 4, 60),
    "both matter": (0.02, 1.0, 1.0, 4, 60),
    "two seeds": (0.02, 0.5, 1.0, 2, 60),
    "as many examples as seeds": (1.0, 1.0, 1.0, 8, 8),
}
RUNS = 1500


def _draw(generator: np.random.Generator, world: str) -> NDArray[np.float64]:
    """Differences of truth zero, [seeds, examples], in a world where both seeds and examples are drawn."""
    over_seeds, over_examples, rest, seeds, size = WORLDS[world]
    return (
        math.sqrt(over_seeds) * generator.normal(size=(seeds, 1))
        + math.sqrt(over_examples) * generator.normal(size=(1, size))
        + math.sqrt(rest) * generator.normal(size=(seeds, size))
    )


def _simulate(world: str) -> list[Crossed]:
    generator = np.random.default_rng(7)
    common = generator.normal(size=WORLDS[world][3:])
    return [crossed(common + _draw(generator, world), common) for _ in range(RUNS)]


def _covered(results: list[Crossed], which: str) -> float:
    return float(np.mean([getattr(result, which).low <= 0 <= getattr(result, which).high for result in results]))


@pytest.mark.parametrize("world", WORLDS)
def test_both_covers_when_seeds_and_examples_are_drawn(world: str) -> None:
    results = _simulate(world)
    error = 4 * math.sqrt(0.95 * 0.05 / RUNS)
    assert _covered(results, "both") >= 0.95 - error
    p = np.array([result.p for result in results])
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p <= level) <= level + 4 * math.sqrt(level * (1 - level) / RUNS)


@pytest.mark.parametrize("world", ["rest alone", "seeds matter", "examples matter"])
def test_both_is_not_wider_than_it_must_be(world: str) -> None:
    results = _simulate(world)
    assert _covered(results, "both") == pytest.approx(0.96, abs=0.01 + 4 * math.sqrt(0.96 * 0.04 / RUNS))


def test_each_interval_alone_misses_what_it_does_not_ask_for() -> None:
    assert _covered(_simulate("examples matter"), "seeds") < 0.6
    assert _covered(_simulate("seeds matter"), "examples") < 0.6
    both = _simulate("both matter")
    assert max(_covered(both, "seeds"), _covered(both, "examples")) < 0.93


def test_each_interval_covers_its_own_question() -> None:
    """Of new seeds on the same examples, and of the same seeds on new examples."""
    generator = np.random.default_rng(8)
    examples, seeds = generator.normal(0, 0.5, (1, 60)), generator.normal(0, 0.3, (4, 1))
    inside = {"seeds": 0, "examples": 0}
    for _ in range(RUNS):
        rest = generator.normal(size=(4, 60))
        redrawn_seeds = crossed(examples + 0.3 * generator.normal(size=(4, 1)) + rest, np.zeros((4, 60)))
        redrawn_examples = crossed(seeds + 0.5 * generator.normal(size=(1, 60)) + rest, np.zeros((4, 60)))
        inside["seeds"] += redrawn_seeds.seeds.low <= examples.mean() <= redrawn_seeds.seeds.high
        inside["examples"] += redrawn_examples.examples.low <= seeds.mean() <= redrawn_examples.examples.high
    for covered in inside.values():
        assert covered / RUNS == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / RUNS))


def test_both_covers_for_right_and_wrong_answers() -> None:
    """Answers from a logistic model with ability per seed and difficulty per example; truth by drawing many."""
    generator = np.random.default_rng(9)

    def answers(seeds: int, size: int, ability: float, hard: NDArray[np.float64]) -> NDArray[np.uint8]:
        logit = ability + 0.3 * generator.normal(size=(seeds, 1)) + hard + 0.7 * generator.normal(size=(1, size))
        return (generator.random((seeds, size)) < 1 / (1 + np.exp(-logit))).astype(np.uint8)

    def pair(seeds: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        hard = generator.normal(0, 1.5, (1, size))
        return answers(seeds, size, 1.2, hard), answers(seeds, size, 1.0, hard)

    first, second = pair(1500, 1500)
    truth = first.mean() - second.mean()
    inside = [(r := crossed(*pair(4, 150)).both).low <= truth <= r.high for _ in range(RUNS)]
    assert np.mean(inside) >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / RUNS)


def test_variances_are_those_of_the_two_way_table() -> None:
    first = np.array([[3.0, 1.0, 2.0], [5.0, 2.0, 2.0]])
    result = crossed(first, np.zeros((2, 3)))
    # by hand: seed means 2, 3; example means 4, 1.5, 2; mean squares A 1.5, B 3.5, E 0.5
    assert result.both.mean == pytest.approx(2.5)
    assert result.seed_error**2 == pytest.approx(1.5 / 6)
    assert result.example_error**2 == pytest.approx(3.5 / 6)
    assert result.seeds == paired_t([2.0, 3.0], [0.0, 0.0]).difference
    assert result.examples == pytest.approx(t_interval([4.0, 1.5, 2.0]))
    half = math.sqrt(12.7062**2 * 1.5 / 6 + 4.30265**2 * (3.5 - 0.5) / 6)
    assert result.both.high - result.both.mean == pytest.approx(half, rel=1e-5)


def test_p_is_where_the_interval_touches_zero() -> None:
    generator = np.random.default_rng(10)
    first, second = generator.normal(0.4, 1, (5, 40)) + generator.normal(size=(1, 40)), generator.normal(size=(5, 40))
    p = crossed(first, second).p
    touching = crossed(first, second, 1 - p).both
    assert min(abs(touching.low), abs(touching.high)) == pytest.approx(0, abs=1e-6)
    assert crossed(second, first).p == pytest.approx(p)


def test_bytes_give_what_floats_give() -> None:
    first, second = np.random.default_rng(11).integers(0, 2, (2, 5, 80)).astype(np.uint8)
    expected = crossed(first.astype(float), second.astype(float))
    for result in (crossed(first, second), crossed(first > 0, second > 0)):
        assert (*result.both, *result.examples) == pytest.approx((*expected.both, *expected.examples))
        assert result[3:] == pytest.approx(expected[3:])


def test_both_never_lies_inside_seeds() -> None:
    for world in WORLDS:
        result = crossed(_draw(np.random.default_rng(12), world), np.zeros(WORLDS[world][3:]))
        assert result.both.low <= result.seeds.low
        assert result.seeds.high <= result.both.high


def test_a_row_without_randomness_stands_against_every_seed() -> None:
    generator = np.random.default_rng(13)
    first, raw = generator.integers(0, 2, (4, 30)), generator.integers(0, 2, (1, 30))
    assert crossed(first, raw) == crossed(first, np.repeat(raw, 4, axis=0))


def test_one_seed_leaves_only_the_examples() -> None:
    first, second = np.random.default_rng(14).integers(0, 2, (2, 1, 30))
    result = crossed(first, second)
    assert result.examples == paired_examples(first[0], second[0]).difference
    assert all(math.isnan(x) for x in (result.p, result.both.low, result.seeds.low, result.seed_error))


def test_one_example_leaves_only_the_seeds() -> None:
    result = crossed(np.array([[1.0], [2.0], [2.0]]), np.zeros((3, 1)))
    assert result.seeds == t_interval([1.0, 2.0, 2.0])
    assert all(math.isnan(x) for x in (result.p, result.both.low, result.examples.low, result.example_error))


def test_no_difference_anywhere() -> None:
    same = np.ones((3, 5), np.uint8)
    assert crossed(same, same).p == 1
    assert crossed(same, same - 1).p == 0


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 4)), ((2, 3), (3, 3)), ((3,), (3,)), ((0, 3), (0, 3)), ((2, 0), (2, 0))]
)
def test_shapes_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="same"):
        crossed(np.zeros(shapes[0]), np.zeros(shapes[1]))


@pytest.mark.parametrize("spread", ["seeds", "examples"])
def test_p_far_from_zero_where_only_one_side_varies(spread: str) -> None:
    """A difference a thousand times its noise: p is tiny, a number, and gives no warning."""
    noise = np.random.default_rng(0).normal(0, 1e-3, 200)
    difference = np.ones((3, 200)) + (noise[:3, None] if spread == "seeds" else noise[None])
    found = crossed(difference, np.zeros_like(difference))
    few, many = (scipy.stats.ttest_1samp(difference.mean(axis=axis), 0).pvalue for axis in (1, 0))
    assert found.p == pytest.approx(few if spread == "seeds" else many, rel=1e-3, abs=1e-100)
