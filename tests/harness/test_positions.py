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
