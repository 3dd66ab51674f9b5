"""Claims between rows: numbers from the statistics, verdicts that the noise allows, and words that say as much."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.comparison import Comparison, Question, Row, best_against_others, compare
from harness.statistics import crossed, effect_size, mcnemar, paired_t

SHARE = Question(where="rectangles", metric="accuracy", higher_is_better=True, proportion=True)
LOSS = Question(where="rectangles", metric="nll", higher_is_better=False, proportion=False)


def _row(label: str, scores: Mapping[int, float], *, deterministic: bool = False) -> Row:
    return Row(label=label, scores=scores, deterministic=deterministic)


def _answered(label: str, answers: NDArray[np.uint8], *, deterministic: bool = False) -> Row:
    """A row from right and wrong answers [seeds, examples]."""
    outcomes = dict(enumerate(answers))
    scores = {seed: float(values.mean()) for seed, values in outcomes.items()}
    return Row(label=label, scores=scores, outcomes=outcomes, deterministic=deterministic)


def _exact(shares: list[float], size: int = 1000) -> NDArray[np.uint8]:
    """Answers [seeds, size] of which the first `share` are right: such rows differ on as few examples as they can."""
    return np.array([np.arange(size) < round(share * size) for share in shares], np.uint8)


SDAE, SAE = {0: 0.90, 1: 0.91, 2: 0.89, 3: 0.90, 4: 0.90}, {0: 0.888, 1: 0.899, 2: 0.881, 3: 0.886, 4: 0.891}


def test_a_claim_in_the_words_of_the_design() -> None:
    generator = np.random.default_rng(0)
    hard = generator.random(20_000)
    sdae, sae = (
        (hard < level + generator.normal(0, 0.001, (5, 1)) + generator.normal(0, 0.01, (5, 20_000))).astype(np.uint8)
        for level in (0.900, 0.889)
    )
    result = compare(_answered("sdae", sdae), _answered("sae", sae), SHARE)
    expected = crossed(sdae, sae)
    assert (result.verdict, result.basis, result.seeds, result.examples) == ("beats", "both", 5, 20_000)
    assert result.over_seeds == pytest.approx(expected.seeds)
    assert (result.over_examples, result.over_both) == expected[1:3]
    assert result.interval == expected.both
    assert (result.p, result.p_adjusted, result.seed_error) == pytest.approx(
        (expected.p, expected.p, expected.seed_error), rel=1e-9
    )
    low, high = 100 * expected.both.low, 100 * expected.both.high
    assert result.words == f"sdae beats sae on rectangles by {100 * expected.both.mean:.1f} points " + (
        f"({low:.1f} to {high:.1f}), 5 seeds"
    )
    assert result.gain == pytest.approx(0.011, abs=0.003)


def test_without_outcomes_seeds_alone_carry_the_claim() -> None:
    result = compare(_row("sdae", SDAE), _row("sae", SAE), SHARE)
    expected = paired_t(list(SDAE.values()), list(SAE.values()))
    assert (result.verdict, result.basis, result.examples, result.over_both) == ("beats", "seeds", None, None)
    assert result.interval == expected.difference
    assert result.p == expected.p
    assert result.effect_size == effect_size(list(SDAE.values()), list(SAE.values()))
    assert result.words == "sdae beats sae on rectangles by 1.1 points (0.8 to 1.4 on this test set), 5 seeds"


def test_the_same_the_other_way_round() -> None:
    forth, back = (
        compare(*rows, SHARE) for rows in ((_row("a", SDAE), _row("b", SAE)), (_row("b", SAE), _row("a", SDAE)))
    )
    assert back.verdict == "loses"
    assert (
        back.words
        == "b does not beat a on rectangles: it is worse by 1.1 points (0.8 to 1.4 on this test set), 5 seeds"
    )
    assert back.gain == -(forth.gain or 0)
    assert back.p == pytest.approx(forth.p)
    assert forth.over_seeds is not None
    assert back.over_seeds == pytest.approx((-forth.over_seeds.mean, -forth.over_seeds.high, -forth.over_seeds.low))


def test_lower_may_be_better() -> None:
    ours, theirs = _row("sdae", {0: 1.234, 1: 1.250, 2: 1.220}), _row("sae", {0: 1.30, 1: 1.33, 2: 1.31})
    result = compare(ours, theirs, LOSS)
    assert result.verdict == "beats"
    assert result.difference == pytest.approx(-0.0787, abs=1e-4)
    assert result.gain == -(result.difference or 0)
    assert result.words == "sdae beats sae on rectangles by 0.079 (0.049 to 0.109 on this test set), 3 seeds"
    one = compare(_row("sdae", {0: 1.2}), _row("sae", {0: 1.3}), LOSS)
    assert one.words == "sdae scores 0.100 below sae on rectangles, 1 seed; one seed tells nothing of the noise"


def test_what_seeds_are_sure_of_test_examples_may_not_be() -> None:
    """Two seeds agree to the digit that one row is right on 3 of 1,000 examples more: other examples need not."""
    ours, theirs = _exact([0.903, 0.903]), _exact([0.900, 0.900])
    result = compare(_answered("sdae", ours), _answered("sae", theirs), SHARE)
    assert result.over_seeds is not None
    assert result.over_seeds.low > 0
    assert result.verdict == "undecided"
    assert result.words == (
        "sdae and sae cannot be told apart on rectangles: a difference of +0.30 points (−0.04 to 0.64), 2 seeds, "
        "which is within the noise over test examples"
    )


def test_what_test_examples_are_sure_of_seeds_may_not_be() -> None:
    ours, theirs = _exact([0.9, 0.7, 0.95]), _exact([0.8, 0.8, 0.8])
    result = compare(_answered("sdae", ours), _answered("sae", theirs), SHARE)
    assert result.over_examples is not None
    assert result.over_examples.low > 0
    assert result.verdict == "undecided"
    assert result.words.endswith("3 seeds, which is within the noise over seeds")


def test_noise_of_both_kinds() -> None:
    ours, theirs = (np.random.default_rng(seed).integers(0, 2, (3, 50)).astype(np.uint8) for seed in (1, 2))
    result = compare(_answered("sdae", ours), _answered("sae", theirs), SHARE)
    assert result.verdict == "undecided"
    assert result.words.endswith("which is within the noise over seeds and over test examples")


def test_one_seed_claims_nothing() -> None:
    result = compare(_answered("sdae", _exact([0.9])), _answered("sae", _exact([0.8])), SHARE)
    assert (result.verdict, result.basis, result.over_seeds, result.over_both) == ("unknown", "examples", None, None)
    assert result.p == mcnemar(_exact([0.9])[0], _exact([0.8])[0])
    assert result.words.startswith("sdae scores 10.0 points above sae on rectangles (")
    assert result.words.endswith(" over test examples), 1 seed; one seed cannot tell whether others would agree")
    near = compare(_answered("sdae", _exact([0.902])), _answered("sae", _exact([0.9])), SHARE)
    assert near.verdict == "undecided"
    assert near.words.endswith("1 seed, which is within the noise over test examples")


def test_right_and_wrong_answers_need_the_exact_test_too() -> None:
    """Seven to one of eight: the interval just excludes zero, and McNemar has the last word."""
    raw = np.array([[1] * 7 + [0]], np.uint8)
    rows = (_answered("raw", raw, deterministic=True), _answered("pixels", 1 - raw, deterministic=True))
    result = compare(*rows, SHARE)
    assert result.interval is not None
    assert result.interval.low > 0
    assert result.p == pytest.approx(2 * 9 / 2**8)
    assert result.verdict == "undecided"
    assert result.words.endswith("which is within the noise over test examples by the exact test")


def test_a_row_without_randomness_stands_against_every_seed() -> None:
    raw = _answered("raw", _exact([0.85]), deterministic=True)
    sdae = _answered("sdae", _exact([0.90, 0.91, 0.90]))
    result = compare(sdae, raw, SHARE)
    assert (result.verdict, result.seeds) == ("beats", 3)
    assert result.words.endswith(", 3 seeds of sdae")
    assert compare(raw, sdae, SHARE).words.startswith("raw does not beat sdae on rectangles: it is worse by 5.3 points")
    alone = compare(_row("sdae", sdae.scores), _row("raw", {7: 0.85}, deterministic=True), SHARE)
    assert alone.over_seeds == result.over_seeds


def test_two_rows_without_randomness_differ_over_test_examples_alone() -> None:
    raw, pixels = (
        _answered(name, _exact([share]), deterministic=True) for name, share in (("raw", 0.9), ("pixels", 0.8))
    )
    result = compare(raw, pixels, SHARE)
    assert (result.verdict, result.basis, result.seeds) == ("beats", "examples", 0)
    assert result.words.endswith(" over test examples), neither depends on a seed")
    blind = compare(_row("raw", {0: 0.9}, deterministic=True), _row("pixels", {0: 0.8}, deterministic=True), SHARE)
    assert blind.verdict == "unknown"
    assert blind.words.endswith("; without outcomes per test example the noise is not known")


def test_only_common_seeds_are_compared() -> None:
    result = compare(_row("a", {0: 0.9, 1: 0.8, 5: 0.1}), _row("b", {1: 0.7, 0: 0.85, 9: 1.0}), SHARE)
    assert result.seeds == 2
    assert result.gain == pytest.approx(0.075)
    apart = compare(_row("a", {0: 0.9, 1: 0.9}), _row("b", {2: 0.8}), SHARE)
    assert (apart.verdict, apart.gain, apart.interval) == ("unknown", None, None)
    assert apart.words == "a and b cannot be compared on rectangles: no seed is common to both (a has 0, 1; b has 2)"
    assert compare(_row("a", {}), _row("b", {2: 0.8}), SHARE).words.endswith("a has no score")
    none = compare(_row("a", {}, deterministic=True), _row("b", {2: 0.8}), SHARE)
    assert none.words.endswith("a has no score")


def test_rows_that_never_differ() -> None:
    row = _answered("a", _exact([0.9, 0.8]))
    result = compare(row, row, SHARE)
    assert result.verdict == "undecided"
    assert result.words == "a and a cannot be told apart on rectangles: they score the same throughout, 2 seeds"
    one = compare(_row("a", {0: 0.5}), _row("b", {0: 0.5}), SHARE)
    assert one.words == "a and b score the same on rectangles, 1 seed; one seed tells nothing of the noise"


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_outcomes_in_any_unit_belong_to_their_scores(scale: float) -> None:
    """Scores are kept in 64 bits and outcomes in 32, and both are rounded: that must not part them."""
    generator = np.random.default_rng(5)
    rows = []
    for label in ("a", "b"):
        values = scale * (1 + generator.normal(0, 1e-4, (3, 400)))
        scores = dict(enumerate(values.mean(axis=1).tolist()))
        rows.append(Row(label=label, scores=scores, outcomes=dict(enumerate(values.astype(np.float32)))))
    assert compare(*rows, LOSS).basis == "both"


def test_one_test_example_tells_nothing_of_others() -> None:
    rows = [_answered(label, np.array(answers, np.uint8)) for label, answers in (("a", [[1], [1]]), ("b", [[0], [1]]))]
    result = compare(*rows, SHARE)
    assert (result.basis, result.verdict, result.examples) == ("seeds", "undecided", None)


@pytest.mark.parametrize("harm", ["lacking", "shorter", "ragged", "of another metric", "empty"])
def test_outcomes_that_do_not_fit_are_left_out(harm: str) -> None:
    good, answers = _answered("a", _exact([0.9, 0.8])), _exact([0.7, 0.6])
    outcomes: dict[int, NDArray[np.uint8] | None] = dict(enumerate(answers))
    outcomes |= {
        "lacking": {1: None},
        "shorter": {0: answers[0, :10], 1: answers[1, :10]},
        "ragged": {0: answers[0, :10]},
        "of another metric": {0: 1 - answers[0]},
        "empty": {0: answers[0, :0], 1: answers[1, :0]},
    }[harm]
    result = compare(good, Row(label="b", scores={0: 0.7, 1: 0.6}, outcomes=outcomes), SHARE)
    assert (result.basis, result.examples, result.over_examples) == ("seeds", None, None)


def test_the_level_is_the_callers() -> None:
    ours, theirs = _row("a", {0: 0.90, 1: 0.93, 2: 0.91}), _row("b", {0: 0.89, 1: 0.90, 2: 0.90})
    strict, lax = (compare(ours, theirs, SHARE, confidence=confidence) for confidence in (0.99, 0.8))
    assert (strict.verdict, lax.verdict) == ("undecided", "beats")


def _null_board(generator: np.random.Generator, methods: int) -> list[Comparison]:
    """Of methods that are equal but for the noise over seeds."""
    scores = generator.normal(0.8, 0.01, (methods, 5))
    return best_against_others([_row(f"m{i}", dict(enumerate(row))) for i, row in enumerate(scores.tolist())], SHARE)


def test_a_board_of_equal_methods_seldom_has_a_winner() -> None:
    generator = np.random.default_rng(3)
    boards = [_null_board(generator, 5) for _ in range(1500)]
    assert np.mean([any(one.verdict == "beats" for one in board) for board in boards]) <= 0.05
    # Not for want of power: the unadjusted tests would find one far too often.
    assert np.mean([any((one.p or 1) <= 0.05 for one in board) for board in boards]) > 0.15


def test_best_against_others() -> None:
    generator = np.random.default_rng(4)
    noise = generator.normal(0, 0.002, (4, 6))
    rows = [_row(f"m{i}", dict(enumerate((0.8 + 0.02 * i + noise[i]).tolist()))) for i in range(4)]
    board = best_against_others([*rows, _row("failed", {})], SHARE)
    assert [one.second for one in board] == ["m2", "m1", "m0", "failed"]
    assert {one.first for one in board} == {"m3"}
    assert [one.verdict for one in board] == ["beats"] * 3 + ["unknown"]
    smallest = min(one.p for one in board if one.p is not None)
    assert min(one.p_adjusted for one in board if one.p_adjusted is not None) == pytest.approx(6 * smallest)
    assert {one.comparisons for one in board} == {6}
    falling = best_against_others([_row(row.label, row.scores) for row in rows], LOSS)
    assert [one.second for one in falling] == ["m1", "m2", "m3"]


def test_words_tell_when_only_the_number_of_comparisons_forbids_a_claim() -> None:
    base = {0: 0.80, 1: 0.81, 2: 0.79, 3: 0.80}
    rows = [
        _row("best", {seed: value + 0.010 + 0.004 * (seed % 2) + 0.004 * (seed > 1) for seed, value in base.items()})
    ]
    rows += [_row(f"m{i}", {seed: value - 0.0001 * i * seed for seed, value in base.items()}) for i in range(12)]
    one = best_against_others(rows, SHARE)[0]
    assert (one.p or 1) < 0.05 < (one.p_adjusted or 0)
    assert one.verdict == "undecided"
    assert one.words.endswith("which is no more than one of 78 comparisons may show by chance (Holm)")


def test_a_board_of_one_or_none() -> None:
    assert best_against_others([], SHARE) == []
    assert best_against_others([_row("a", {0: 0.5})], SHARE) == []
    assert best_against_others([_row("a", {})], SHARE) == []


def test_numbers_that_are_not_known_are_none() -> None:
    for result in (
        compare(_row("a", {0: 0.5}), _row("b", {0: 0.4}), SHARE),
        compare(_answered("a", np.ones((1, 1), np.uint8)), _answered("b", np.zeros((1, 1), np.uint8)), SHARE),
    ):
        numbers = (result.p, result.p_adjusted, result.effect_size, result.seed_error, result.example_error)
        assert all(number is None or not math.isnan(number) for number in numbers)
        assert result.interval is None or not math.isnan(result.interval.low)
