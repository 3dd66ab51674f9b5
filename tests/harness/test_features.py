"""Every split is encoded once, whole, in order, and the result cannot be spoilt."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import features
from harness.features import Encodings, NotFiniteError, batches, device_of, to_device
from methods import Batch, Features, Source, Spec
from tests.harness.feature_sources import rows
from tests.toys import ToyColumn, ToySource

SIZE = 2 * features.BATCH + 7


class Halves:
    """Two representations of rows of numbers; counts the examples it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return {"row": source.columns["row"].take(ids)}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        self.seen += len(batch["row"])
        return {"first": Features(batch["row"][:, :1]), "rest": Features(batch["row"][:, 1:].double())}


def test_each_split_is_encoded_once_whole_and_in_order() -> None:
    table = torch.arange(float(SIZE * 3)).reshape(SIZE, 3)
    encoder = Halves()
    encodings = Encodings(encoder, rows(table))
    assert torch.equal(encodings.under("first").pooled(), table[:, :1])
    assert torch.equal(encodings.under("rest").pooled(), table[:, 1:])
    assert encodings.under("rest").pooled().dtype == torch.float32
    assert encoder.seen == SIZE, "both representations from one pass"
    assert torch.equal(torch.cat([each.pooled for each in encodings.under("first").stream()]), table[:, :1])


def test_a_protocol_can_train_on_features_and_cannot_spoil_them() -> None:
    encodings = Encodings(Halves(), rows(torch.ones(4, 3)))
    mine = encodings.under("rest").pooled()
    weight = torch.ones(2, requires_grad=True)
    (mine @ weight).sum().backward()
    assert weight.grad is not None
    mine.zero_()
    assert encodings.under("rest").pooled().sum() == 8


class _Rows(Halves):
    """Its second representation has a place for each number of a row, 10 apart."""

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        row = batch["row"]
        self.seen += len(row)
        return {"whole": Features(row), "each": Features(row, row[..., None], None, 10.0 * torch.arange(row.shape[1]))}


def test_only_representations_with_local_features_are_asked_about_places() -> None:
    encodings = Encodings(_Rows(), rows(torch.arange(6.0).view(2, 3)))
    assert (encodings.names, encodings.dense) == (("whole", "each"), ("each",))
    intervals = [np.array([[20, 30], [0, 10]]), np.array([[10, 20]])]
    intervals[0].flags.writeable = False  # as rows of a file that is mapped into memory
    found = encodings.at("task", intervals)
    assert {name: values[:, 0].tolist() for name, values in found.items()} == {"each": [2, 0, 4]}


def test_tasks_at_the_same_places_and_on_whole_examples_share_one_pass() -> None:
    table = torch.arange(6.0).view(2, 3)
    encodings = Encodings(_Rows(), rows(table))
    _ = encodings.dense  # looks at one example
    phones = [np.array([[20, 30], [0, 10]]), np.array([[10, 20]])]
    words = [np.array([[0, 10]]), np.array([[20, 30], [10, 20]])]  # as many in all
    assert encodings.at("phone", phones) is encodings.at("speaker", [row.copy() for row in phones])
    assert torch.equal(encodings.pooled["whole"], table)
    assert isinstance(encodings.encoder, _Rows)
    assert encodings.encoder.seen == 1 + 2
    assert encodings.at("word", words)["each"][:, 0].tolist() == [0, 5, 4]
    others = [np.array([[10, 20], [0, 10]]), np.array([[20, 30]])]  # as many of each example
    assert encodings.at("other", others)["each"][:, 0].tolist() == [1, 0, 5]
    assert encodings.at("phone", phones)["each"][:, 0].tolist() == [2, 0, 4]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused_by_name(bad: float) -> None:
    table = torch.ones(5, 3)
    table[3, 2] = bad
    with pytest.raises(NotFiniteError, match="'rest'"):
        _ = Encodings(Halves(), rows(table)).pooled


@pytest.mark.parametrize("count", [0, 1, features.BATCH, features.BATCH + 1])
def test_batches_are_all_ids_once(count: int) -> None:
    parts = list(batches(rows(torch.zeros(count, 2)), torch.arange(count)))
    assert [index for part in parts for index in part.tolist()] == list(range(count))
    assert all(0 < len(part) <= features.BATCH for part in parts)


def test_a_batch_filled_up_to_its_longest_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "VALUES", 60)
    texts = [np.zeros(length, np.uint8) for length in (2, 2, 30, 1, 1, 70, 1)]
    source = ToySource(Spec(modality="text", shape=(), size=7), {"text": ToyColumn(texts)})
    assert [part.tolist() for part in batches(source, torch.arange(7))] == [[0, 1], [2, 3], [4], [5], [6]]


def test_only_tensors_move() -> None:
    moved = to_device({"x": torch.ones(2), "words": ["a", "b"]}, torch.device("meta"))
    assert moved["x"].device.type == "meta"
    assert moved["words"] == ["a", "b"]


def test_the_device_is_that_of_the_weights() -> None:
    assert device_of(Halves()).type == "cpu"

    class Learned(nn.Module, Halves):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 1, device="meta")

    assert device_of(Learned()).type == "meta"
