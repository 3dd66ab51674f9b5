"""Across datasets: a verdict only where there are enough of them, and else how many it would take."""

from __future__ import annotations

import numpy as np
import pytest

from harness.comparison import across_datasets
from harness.statistics import holm, signed_rank


def _scores(methods: int, datasets: int, gap: float, seed: int = 0) -> dict[str, dict[str, float]]:
    noise = np.random.default_rng(seed).normal(0, 0.1, (methods, datasets))
    return {f"m{i}": {f"d{j}": gap * i + float(noise[i, j]) for j in range(datasets)} for i in range(methods)}


def test_too_few_datasets_are_underpowered() -> None:
    (one,) = across_datasets(_scores(2, 5, 9.0))
    assert (one.verdict, one.p, one.p_adjusted, one.needed) == ("underpowered", None, None, 6)
    assert one.words == (
        "underpowered: m1 is ahead of m0 on 5 of 5 datasets, and it would take 6 for any difference to be significant "
        "at 0.05"
    )
    three = across_datasets(_scores(3, 6, 9.0))
    assert {(one.verdict, one.needed) for one in three} == {("underpowered", 7)}
    assert three[0].words.endswith("significant at 0.05 after Holm over 3 comparisons")


@pytest.mark.parametrize("methods", [2, 3, 5])
def test_as_many_as_needed_suffice_for_a_winner_everywhere(methods: int) -> None:
    needed = across_datasets(_scores(methods, 1, 9.0))[0].needed
    enough = across_datasets(_scores(methods, needed, 9.0))
    assert len(enough) == methods * (methods - 1) // 2
    assert {one.verdict for one in enough} == {"beats"}
    assert all(one.first > one.second and one.ahead == needed for one in enough)
    assert {one.verdict for one in across_datasets(_scores(methods, needed - 1, 9.0))} == {"underpowered"}


def test_p_values_are_those_of_the_signed_rank_test_after_holm() -> None:
    scores = _scores(3, 12, 0.05, seed=1)
    results = across_datasets(scores)
    gains = [[scores[one.first][d] - scores[one.second][d] for d in scores["m0"]] for one in results]
    assert [one.p for one in results] == [signed_rank(gain).p for gain in gains]
    assert [one.p_adjusted for one in results] == holm([signed_rank(gain).p for gain in gains])
    assert all(one.ahead >= one.behind for one in results)


def test_methods_need_not_share_all_datasets() -> None:
    scores = {
        "images": {f"i{j}": 0.9 + 0.001 * j for j in range(7)} | {"both": 0.9},
        "other": {f"i{j}": 0.8 for j in range(7)} | {"both": 0.1},
        "audio": {"a0": 0.5, "both": 0.4},
        "alone": {"t0": 0.3},
    }
    results = across_datasets(scores)
    found = {(one.first, one.second): one for one in results}
    assert set(found) == {("images", "other"), ("images", "audio"), ("audio", "other")}
    assert found["images", "other"].verdict == "beats"
    assert found["images", "other"].words == (
        "images beats other across 8 datasets: ahead on 8, p = 0.023 after Holm over 3 comparisons"
    )
    assert found["audio", "other"].verdict == "underpowered"
    assert "ahead of other on 1 of 1 dataset," in found["audio", "other"].words


def test_noise_is_no_difference() -> None:
    (one,) = across_datasets(_scores(2, 10, 0.0, seed=3))
    assert one.verdict == "undecided"
    assert one.words.startswith(f"m0 and m1 cannot be told apart across 10 datasets: {one.first} is ahead on ") or (
        one.words.startswith(f"m1 and m0 cannot be told apart across 10 datasets: {one.first} is ahead on ")
    )


def test_lower_may_be_better() -> None:
    (one,) = across_datasets(_scores(2, 8, 9.0), higher_is_better=False)
    assert (one.first, one.second, one.verdict) == ("m0", "m1", "beats")


def test_nothing_to_compare() -> None:
    assert across_datasets({}) == []
    assert across_datasets({"a": {"d": 1.0}}) == []
    (equal,) = across_datasets({"a": {f"d{j}": 1.0 for j in range(8)}, "b": {f"d{j}": 1.0 for j in range(8)}})
    assert (equal.verdict, equal.p) == ("undecided", 1.0)
