from __future__ import annotations

import numpy as np
import torch

from harness.pairing import JoinedModule, for_source
from methods import Keys, Spec
from tests.toys import Pairs, ToyColumn, ToyConfig, ToySource


def source(**columns: list[str]) -> ToySource:
    made = {
        name: ToyColumn([np.frombuffer(text.encode(), np.uint8) for text in texts]) for name, texts in columns.items()
    }
    return ToySource(Spec(modality="text", shape=(), size=len(columns["text"])), made)


PAIRED = source(text=["a b", "c"], second=["b", "a c c"])


def method() -> Pairs:
    torch.manual_seed(0)
    state = Pairs.fit(ToyConfig(), source(text=["a b c"]), Keys.of(0, "fit"))
    return Pairs(ToyConfig(), PAIRED.spec, state).eval()


def test_texts_that_are_encoded_alone_are_joined() -> None:
    encoder = method()
    joined = for_source(encoder, PAIRED)
    assert isinstance(joined, JoinedModule)
    assert list(joined.parameters()), "fine-tuning trains a copy of it"
    ids = torch.tensor([1, 0])
    found = joined.encode(joined.examples(PAIRED, ids))["bag"]
    u, v = (
        encoder.encode(encoder.examples(source(text=texts), torch.arange(2)))["bag"]
        for texts in (["c", "a b"], ["a c c", "b"])
    )
    expected = torch.cat([u.pooled, v.pooled, (u.pooled - v.pooled).abs(), u.pooled * v.pooled], dim=1)
    assert torch.equal(found.pooled, expected)
    assert found.local is not None
    assert u.local is not None
    word, other = u.local[1, 0], v.pooled[1]
    assert torch.equal(found.local[1, 0], torch.cat([word, other, (word - other).abs(), word * other]))
    assert found.mask is u.mask or (found.mask is not None and u.mask is not None and torch.equal(found.mask, u.mask))


def test_single_texts_and_readers_of_pairs_are_left_alone() -> None:
    encoder = method()
    assert for_source(encoder, source(text=["a"])) is encoder
    encoder.pairs = True  # type: ignore[misc]
    assert for_source(encoder, PAIRED) is encoder
