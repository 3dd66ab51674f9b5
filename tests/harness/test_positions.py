from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.positions import at_positions
from methods import Features

CENTERS = torch.tensor([[0.0, 4.0, 7.0, 10.0], [0.0, 3.0, 0.0, 0.0]])
MASK = torch.tensor([[True, True, True, True], [True, True, False, False]])
LOCAL = torch.arange(8.0).view(2, 4, 1)
FEATURES = Features(torch.zeros(2, 1), LOCAL, MASK, CENTERS)


def test_a_word_has_the_features_of_its_first_piece() -> None:
    found = at_positions(FEATURES, [np.array([[4, 9], [10, 12]]), np.array([[0, 2]])])
    assert found[:, 0].tolist() == [1.0, 3.0, 4.0]


def test_where_no_position_begins_the_nearest_one_answers_and_padding_never_does() -> None:
    found = at_positions(FEATURES, [np.array([[5, 7], [11, 20]]), np.array([[30, 40]])])
    assert found[:, 0].tolist() == [2.0, 3.0, 5.0]


def test_examples_may_lack_labels() -> None:
    none = np.zeros((0, 2), np.int64)
    assert at_positions(FEATURES, [none, np.array([[3, 4]])])[:, 0].tolist() == [5.0]
    assert at_positions(FEATURES, [none, none]).shape == (0, 1)


def test_common_places_serve_all_examples() -> None:
    features = Features(torch.zeros(2, 1), LOCAL, None, CENTERS[0])
    assert at_positions(features, [np.array([[7, 8]])] * 2)[:, 0].tolist() == [2.0, 6.0]


def test_many_positions_are_found_as_they_would_be_one_by_one() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        centers = np.sort(generator.integers(0, 40, generator.integers(1, 30)))  # some begin at the same place
        real = generator.random(len(centers)) < 0.8
        real[generator.integers(len(centers))] = True
        begins = generator.integers(-5, 50, 40)
        intervals = np.stack([begins, begins + generator.integers(0, 6, 40)], axis=1)
        expected = []
        for begin, end in intervals.tolist():
            inside = [index for index in np.flatnonzero(real) if begin <= centers[index] < end]
            near = sorted(np.flatnonzero(real), key=lambda index: abs(centers[index] - (begin + end) / 2))
            expected.append(int((inside or near)[0]))
        local = torch.arange(float(len(centers))).view(1, -1, 1)
        features = Features(local[:, 0], local, torch.tensor(real)[None], torch.tensor(centers)[None].float())
        assert at_positions(features, [intervals])[:, 0].tolist() == expected


def test_an_hour_of_labels_every_10_ms_is_placed_in_memory_that_grows_with_it() -> None:
    count = 360_000  # by comparing each with each this would take 10^12 bytes
    starts = np.arange(count) * 160
    local = torch.arange(float(count)).view(1, -1, 1)
    features = Features(local[:, 0], local, None, 160.0 * torch.arange(count))
    found = at_positions(features, [np.stack([starts, starts + 160], axis=1)])
    assert torch.equal(found, local[0])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (Features(torch.zeros(2, 1)), "needs local features"),
        (FEATURES._replace(mask=torch.zeros(2, 4, dtype=torch.bool)), "the encoder gives it none"),
    ],
)
def test_without_positions_there_is_no_answer(features: Features, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        at_positions(features, [np.array([[0, 2]])] * 2)
