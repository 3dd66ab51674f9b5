"""Features of texts: windows, places, pairs."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from methods import Features
from methods._wordpiece import CLS, SEP
from methods.bert import Bert, _encoding
from methods.bert._encoding import windows
from tests.methods.bert.texts import source_of, tiny_bert
from tests.toys import ToySource

LONG = "aw ax ay az bw bx by bz " * 12


def encoded(method: Bert, source: ToySource, ids: list[int] | None = None) -> dict[str, Features]:
    chosen = torch.arange(len(source)) if ids is None else torch.tensor(ids)
    with torch.no_grad():
        return dict(method.eval().encode(method.examples(source, chosen)))


def test_a_short_text_is_encoded_as_it_stands() -> None:
    method, _ = tiny_bert()
    source = source_of(["aw ax by", "cz"])
    found = encoded(method, source)["layer2"]
    (tokens, _), _ = method.wordpiece.located([b"aw ax by", b"cz"])
    whole = torch.tensor([[CLS, *tokens, SEP]])
    hidden = method.stage.encoder(whole, torch.zeros_like(whole), torch.tensor([whole.shape[1]]), padded=False)[-1]
    assert found.local is not None
    assert found.mask is not None
    assert found.centers is not None
    assert torch.allclose(found.local[0, : len(tokens)], hidden[0, 1:-1], atol=1e-5)
    assert torch.allclose(found.pooled[0], hidden[0, 1:-1].mean(0), atol=1e-5)
    assert torch.allclose(encoded(method, source)["cls"].pooled[0], hidden[0, 0], atol=1e-5)
    assert found.mask.sum(1).tolist() == [len(tokens), 1]
    assert found.centers[0, : len(tokens)].tolist() == [0, 3, 6]


def test_a_pair_is_encoded_together_and_only_the_text_has_places() -> None:
    method, _ = tiny_bert()
    source = source_of(["aw ax by", "cz"], ["cw dx", "aw aw aw"])
    found = encoded(method, source)["layer2"]
    (text, _), (second, _) = method.wordpiece.located([b"aw ax by", b"cw dx"])
    whole = torch.tensor([[CLS, *text, SEP, *second, SEP]])
    segments = torch.tensor([[0] * (len(text) + 2) + [1] * (len(second) + 1)])
    hidden = method.stage.encoder(whole, segments, torch.tensor([whole.shape[1]]), padded=False)[-1][0]
    u, v = hidden[1 : 1 + len(text)].mean(0), hidden[2 + len(text) : -1].mean(0)
    assert found.local is not None
    assert found.mask is not None
    assert found.mask.sum(1).tolist() == [len(text), 1]
    assert torch.allclose(found.local[0, : len(text)], hidden[1 : 1 + len(text)], atol=1e-5)
    assert torch.allclose(found.pooled[0], torch.cat([u, v, (u - v).abs(), u * v]), atol=1e-5)


@pytest.mark.parametrize("pairs", [False, True])
def test_features_do_not_depend_on_batch_mates_or_on_how_many_are_encoded_at_once(
    pairs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, _ = tiny_bert()
    texts = ["aw", LONG, "", "ax by cz dw", "aw ax " * 30]
    source = source_of(texts, ["by", "", "cz dw", LONG, "aw bw cw dw ax"] if pairs else None)
    together = encoded(method, source)
    monkeypatch.setattr(_encoding, "_AT_ONCE", 30)
    for index in range(len(texts)):
        for name, alone in encoded(method, source, [index]).items():
            whole = together[name]
            assert torch.allclose(whole.pooled[index], alone.pooled[0], atol=1e-5), name
            if whole.local is None or whole.mask is None or alone.local is None:
                continue
            assert int(whole.mask[index].sum()) == alone.local.shape[1]
            assert torch.allclose(whole.local[index, whole.mask[index]], alone.local[0], atol=1e-5), name


def test_every_token_of_a_long_text_has_a_place() -> None:
    method, _ = tiny_bert()
    raw = LONG.encode()
    found = encoded(method, source_of([LONG], ["by"]))["layer1"]
    ((tokens, begins),) = method.wordpiece.located([raw])
    assert len(tokens) > 3 * method.config.max_length
    assert found.mask is not None
    assert found.centers is not None
    assert found.mask.all()
    assert found.centers.shape == (1, len(tokens))
    assert found.centers[0].tolist() == begins.tolist()


def test_a_token_is_taken_from_the_window_with_most_context() -> None:
    cut = windows([5, 25, 0], [10, 10, 10])
    assert cut.owner.tolist() == [0, 1, 1, 1, 1, 2]
    assert cut.start.tolist() == [0, 0, 5, 10, 15, 0]
    assert cut.taken.tolist() == [5, 10, 10, 10, 10, 0]
    context = [
        min(place - int(cut.start[w]), int(cut.start[w]) + 9 - place)
        for place, w in enumerate(cut.best[1, :25].tolist())
    ]
    starts = np.array([0, 5, 10, 15])
    assert context == [int(np.minimum(p - starts, starts + 9 - p).max()) for p in range(25)]


def test_seconds_beyond_their_room_are_cut_and_never_crowd_out_the_text() -> None:
    method, _ = tiny_bert()  # room for 21 tokens beside the special ones
    batch = method.examples(source_of(["aw ax ay az", LONG], [LONG, LONG]), torch.arange(2))
    assert batch["second_length"].tolist() == [17, 10]


def test_batches_of_short_texts_have_one_shape() -> None:
    method, _ = tiny_bert()
    source = source_of(["aw", "ax by cz dw"], ["by", "aw"])
    shapes = [
        {name: each.shape[1:] for name, each in method.examples(source, ids).items()}
        for ids in torch.arange(2)[:, None]
    ]
    assert shapes[0] == shapes[1]


def test_gradients_reach_the_embeddings_through_encode() -> None:
    method, _ = tiny_bert()
    batch = method.train().examples(source_of(["aw ax", LONG]), torch.arange(2))
    features = method.encode(batch)["layer2"]
    assert features.local is not None
    (features.pooled.sum() + features.local.square().sum()).backward()  # type: ignore[no-untyped-call]
    gradient = method.stage.encoder.tokens.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({}, ["layer1", "layer2", "cls", "pooler"]),
        ({"layers": 6}, ["layer3", "layer4", "layer5", "layer6", "cls", "pooler"]),
        ({"nsp": False}, ["layer1", "layer2", "cls"]),
        ({"nsp": False, "direction": "left_to_right"}, ["layer1", "layer2"]),
    ],
)
def test_representations_are_those_that_training_shapes(config: dict[str, object], names: list[str]) -> None:
    method, source = tiny_bert(**config)
    assert list(encoded(method, source, [0])) == names
    assert set(method.primary(method.config, source.spec).values()) <= set(names)


def test_copies_for_fine_tuning_share_what_was_read() -> None:
    method, source = tiny_bert()
    corpus = method.corpora.of(source)
    again = copy.deepcopy(method)
    assert again.corpora.of(source) is corpus
    assert again.stage.encoder.tokens.weight is not method.stage.encoder.tokens.weight
