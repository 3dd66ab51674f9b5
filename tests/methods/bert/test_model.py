"""The network: against the `transformers` library's, and what papers.md section 5 says of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from methods import Drawn, Keys
from methods.bert import Bert
from methods.bert._masking import NOTHING
from methods.bert._pairs import ELSEWHERE, NEXT, UNASKED
from tests.methods.bert.texts import source_of, tiny_bert
from tests.toys import ToySource

IDS = torch.arange(12)


def draw(method: Bert, source: ToySource, ids: Tensor = IDS, seed: int = 0) -> Drawn:
    keys = Keys.of(seed, "test", ids)
    return method.stage.draw(method.sample(source, ids, keys), keys.fold("stage.draw"))


def last(method: Bert, tokens: Tensor, lengths: Tensor, *, padded: bool = True) -> Tensor:
    return method.stage.encoder(tokens, torch.zeros_like(tokens), lengths, padded=padded)[-1]


def some_tokens(method: Bert, count: int = 3, length: int = 20) -> Tensor:
    return torch.randint(5, len(method.wordpiece), (count, length), generator=torch.Generator().manual_seed(0))


def test_outputs_equal_those_of_transformers_with_the_same_weights() -> None:
    transformers = pytest.importorskip("transformers")
    method, source = tiny_bert(layers=3, width=48, heads=4)
    with torch.no_grad():  # biases and scales away from where they start
        generator = torch.Generator().manual_seed(1)
        for parameter in method.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    config, stage = method.config, method.stage.eval()
    theirs = transformers.BertForPreTraining(
        transformers.BertConfig(
            vocab_size=len(method.wordpiece),
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=4 * config.width,
            max_position_embeddings=config.max_length,
            hidden_act="gelu_pytorch_tanh",
        )
    ).eval()
    missing = theirs.load_state_dict(renamed(stage.state_dict(), config.layers), strict=False)
    assert not missing.unexpected_keys
    assert not [name for name in missing.missing_keys if "position_ids" not in name and "decoder" not in name]
    drawn = draw(method, source)
    tensors = drawn.tensors
    assert int(tensors["lengths"].min()) < int(tensors["lengths"].max())
    mask = (torch.arange(config.max_length) < tensors["lengths"][:, None]).long()
    with torch.no_grad():
        expected = theirs(tensors["tokens"], attention_mask=mask, token_type_ids=tensors["segments"])
        hidden = stage.hidden(drawn)
        logits, _ = stage.guesses(hidden, drawn)
        assert stage.next_head is not None
        answers = stage.next_head(hidden[:, 0])
    row, slot = (tensors["targets"] != NOTHING).nonzero(as_tuple=True)
    assert len(row) > 12
    picked = expected.prediction_logits[row, tensors["positions"][row, slot]]
    assert (logits - picked).abs().max() < 1e-5 * picked.abs().max()
    assert (answers - expected.seq_relationship_logits).abs().max() < 1e-5 * answers.abs().max()


def renamed(ours: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """A stage's weights under the names of BertForPreTraining."""
    names = {
        "encoder.tokens": "bert.embeddings.word_embeddings",
        "encoder.positions": "bert.embeddings.position_embeddings",
        "encoder.segments": "bert.embeddings.token_type_embeddings",
        "encoder.norm": "bert.embeddings.LayerNorm",
        "next_head.pooler": "bert.pooler.dense",
        "next_head.answer": "cls.seq_relationship",
        "token_head.dense": "cls.predictions.transform.dense",
        "token_head.norm": "cls.predictions.transform.LayerNorm",
    }
    parts = {
        "collect": "attention.output.dense",
        "attended": "attention.output.LayerNorm",
        "widen": "intermediate.dense",
        "narrow": "output.dense",
        "fed": "output.LayerNorm",
    }
    found = {"cls.predictions.bias": ours["token_head.bias"]}
    for kind in ("weight", "bias"):
        found |= {f"{new}.{kind}": ours[f"{old}.{kind}"] for old, new in names.items() if f"{old}.{kind}" in ours}
        for layer in range(layers):
            here, there = f"encoder.blocks.{layer}", f"bert.encoder.layer.{layer}"
            found |= {f"{there}.{new}.{kind}": ours[f"{here}.{old}.{kind}"] for old, new in parts.items()}
            split = zip(("query", "key", "value"), ours[f"{here}.attend.{kind}"].chunk(3), strict=True)
            found |= {f"{there}.attention.self.{name}.{kind}": tensor for name, tensor in split}
    return found


@pytest.mark.parametrize("direction", ["bidirectional", "left_to_right"])
def test_padding_changes_nothing(direction: str) -> None:
    method, _ = tiny_bert(direction=direction, nsp=False)
    tokens, lengths = some_tokens(method), torch.tensor([20, 7, 13])
    for row, length in enumerate(lengths.tolist()):
        noisy = tokens.clone()
        noisy[row, length:] = 7
        alone = last(method, tokens[row : row + 1, :length], lengths[row : row + 1], padded=False)[0]
        for whole in (last(method, tokens, lengths), last(method, noisy, lengths)):
            assert (whole[row, :length] - alone).abs().max() < 1e-5


@pytest.mark.parametrize("training", [True, False])
def test_left_to_right_no_output_depends_on_what_follows(training: bool) -> None:
    method, _ = tiny_bert(direction="left_to_right", nsp=False)
    method.train(training)
    tokens, lengths = some_tokens(method, 1), torch.tensor([20])
    before = last(method, tokens, lengths, padded=False)
    for place in range(20):
        changed = tokens.clone()
        changed[0, place] = 5 + (changed[0, place] - 4) % (len(method.wordpiece) - 5)
        apart = (last(method, changed, lengths, padded=False) - before).abs().amax(-1)[0]
        assert (apart[:place] < 1e-6).all()
        assert apart[place:].min() > 1e-6


def test_both_directions_see_everything_if_bidirectional() -> None:
    method, _ = tiny_bert()
    tokens, lengths = some_tokens(method, 1), torch.tensor([20])
    changed = tokens.clone()
    changed[0, 10] = 5 + (changed[0, 10] - 4) % (len(method.wordpiece) - 5)
    apart = last(method, tokens, lengths, padded=False) - last(method, changed, lengths, padded=False)
    assert apart.abs().amax(-1).min() > 1e-6


def test_the_decoder_is_the_embedding() -> None:
    method, source = tiny_bert()
    assert not [name for name, _ in method.stage.named_parameters() if "decoder" in name]
    drawn = draw(method, source)
    hidden = method.stage.hidden(drawn)
    before, targets = method.stage.guesses(hidden, drawn)
    entry = int(targets[0])
    with torch.no_grad():
        method.stage.encoder.tokens.weight[entry] *= 2
    after, _ = method.stage.guesses(hidden, drawn)
    assert torch.allclose(after[:, entry], 2 * before[:, entry])
    others = torch.arange(len(method.wordpiece)) != entry
    assert torch.equal(after[:, others], before[:, others])


def test_initial_losses_are_those_of_guessing() -> None:
    method, source = tiny_bert(vocabulary=500, width=64)
    drawn = draw(method, source, torch.arange(40))
    with torch.no_grad():
        terms = method.stage(drawn)
    assert abs(float(terms.sums["tokens"] / drawn.weights["tokens"]) - math.log(len(method.wordpiece))) < 0.1
    assert abs(float(terms.sums["next"] / drawn.weights["next"]) - math.log(2)) < 0.05


@pytest.mark.parametrize("deviation", [0.02, 0.1])
def test_weights_start_within_two_deviations(deviation: float) -> None:
    method, _ = tiny_bert(width=64, deviation=deviation)
    for module in method.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            weight = module.weight.detach()
            assert float(weight.abs().max()) <= 2 * deviation
            if weight.numel() > 4000:  # the deviation of a normal that is cut off at 2 of its own
                assert abs(float(weight.std()) / (0.8796 * deviation) - 1) < 0.04
        if isinstance(module, nn.Linear):
            assert not module.bias.any()


def test_only_selected_tokens_are_learned_from() -> None:
    method, source = tiny_bert(nsp=False)
    drawn = draw(method, source)
    hidden = method.stage.hidden(drawn).detach().requires_grad_()
    logits, targets = method.stage.guesses(hidden, drawn)
    assert len(targets) == int(drawn.weights["tokens"]) == int((drawn.tensors["targets"] != NOTHING).sum())
    nn.functional.cross_entropy(logits, targets, reduction="sum").backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    reached = hidden.grad.abs().amax(-1) > 0
    selected = torch.zeros(len(IDS), method.config.max_length, dtype=torch.bool)
    selected.scatter_(1, drawn.tensors["positions"], drawn.tensors["targets"] != NOTHING)
    assert torch.equal(reached, selected[:, : reached.shape[1]])


def test_sequences_that_are_not_asked_what_follows_count_nothing_there() -> None:
    method, source = tiny_bert(source_of(["a b\nc d e", "b", "c d\na a", "e", ""] * 4))
    drawn = draw(method, source, torch.arange(20))
    labels = drawn.tensors["next"]
    assert labels.view(4, 5)[:, [1, 3, 4]].eq(UNASKED).all()
    assert int(drawn.weights["next"]) == 8
    with torch.no_grad():
        terms = method.stage(drawn)
        logits = method.stage.next_head(method.stage.hidden(drawn)[:, 0])  # type: ignore[misc]
    expected = nn.functional.cross_entropy(logits[labels != UNASKED], labels[labels != UNASKED], reduction="sum")
    assert torch.allclose(terms.sums["next"], expected)
    assert set(labels.tolist()) == {NEXT, ELSEWHERE, UNASKED}


def test_a_batch_without_anything_to_predict_loses_nothing() -> None:
    method, _ = tiny_bert()
    drawn = draw(method, source_of(["", " \n"]), torch.arange(2))
    with torch.no_grad():
        terms = method.stage(drawn)
    assert {name: float(weight) for name, weight in drawn.weights.items()} == {"tokens": 0.0, "next": 0.0}
    assert {name: float(value) for name, value in terms.sums.items()} == {"tokens": 0.0, "next": 0.0}


def test_the_share_of_padding_is_told() -> None:
    method, source = tiny_bert()
    drawn = draw(method, source)
    padding, computed = method.stage(drawn).monitors["padding"]
    lengths = drawn.tensors["lengths"]
    assert int(computed) == len(lengths) * int(lengths.max())
    assert int(padding) == int((lengths.max() - lengths).sum())


def test_dropout_is_active_in_training_only() -> None:
    method, source = tiny_bert(dropout=0.3)
    drawn = draw(method, source)
    method.train()
    assert not torch.equal(method.stage.hidden(drawn), method.stage.hidden(drawn))
    method.eval()
    assert torch.equal(method.stage.hidden(drawn), method.stage.hidden(drawn))
