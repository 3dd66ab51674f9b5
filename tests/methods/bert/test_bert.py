"""BERT as a method: presets, settings, and the contract where preset "small" does not try it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from harness.engine import Compute
from harness.feed import Feed
from harness.order import Order
from harness.pretrain import pretrain
from methods import Keys, Method, Spec, roster
from methods._sentences import Corpus
from methods.bert import Bert, BertConfig
from tests.contract import checks
from tests.contract.subjects import Subject, settings
from tests.methods.bert.texts import source_of, tiny, tiny_bert
from tests.toys import toy_source

VARIANTS: dict[str, dict[str, object]] = {
    "pairs": {},
    "no nsp": {"nsp": False},
    "left to right": {"nsp": False, "direction": "left_to_right"},
}


def subject(**config: object) -> Subject:
    return Subject("bert", Bert, tiny(**config), Bert.presets["small"].training, toy_source("text"))


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize(
    "check",
    [
        checks.gradients_reach_what_is_trained,
        checks.draw_is_keyed,
        checks.draw_is_per_example,
        checks.sums_add_up,
        checks.small_batch_is_overfitted,
        checks.encoding_ignores_batch_mates,
    ],
    ids=lambda check: check.__name__,
)
def test_every_variant_keeps_the_contract(check: Callable[[Subject], None], variant: dict[str, object]) -> None:
    check(subject(**variant))


def test_masks_and_pairs_are_fresh_every_epoch() -> None:
    method, source = tiny_bert()
    size = len(source)
    feed = Feed(
        method,
        method.stage,
        0,
        source,
        Order(0, size),
        seed=0,
        batch_size=size,
        rank=0,
        world=1,
        accumulate=1,
        device=torch.device("cpu"),
    )
    epochs = []
    for epoch, (drawn,) in feed.steps(0, 3):
        order = Order(0, size).ids(range(epoch * size, (epoch + 1) * size)).argsort()
        epochs.append({name: tensor[order] for name, tensor in drawn.tensors.items()})
    for one, other in ((0, 1), (0, 2), (1, 2)):
        apart = (epochs[one]["tokens"] != epochs[other]["tokens"]).any(1)
        assert apart.float().mean() > 0.9
        assert 0.2 < (epochs[one]["next"] == epochs[other]["next"]).float().mean() < 0.8


@pytest.mark.parametrize("name", ["tiny", "small", "medium", "paper"])
def test_presets_are_settings_of_the_method(name: str) -> None:
    preset = Bert.presets[name]
    config = settings(BertConfig, preset.config)
    assert isinstance(config, BertConfig)
    training = preset.training
    assert (training.optimizer, training.betas, training.epsilon) == ("adamw", (0.9, 0.999), 1e-6)
    assert (training.weight_decay, training.schedule, training.clip_norm) == (0.01, "linear", 1.0)
    assert training.warmup_steps > 0


def test_the_paper_preset_is_base() -> None:
    config, training = BertConfig(), Bert.presets["paper"].training
    assert Bert.presets["paper"].config == {}
    assert (config.layers, config.width, config.heads, config.vocabulary, config.max_length) == (
        12,
        768,
        12,
        30_000,
        512,
    )
    assert (config.dropout, config.deviation, config.selected, config.masked, config.replaced) == (
        0.1,
        0.02,
        0.15,
        0.8,
        0.1,
    )
    assert (training.batch_size, training.steps, training.warmup_steps) == (256, 1_000_000, 10_000)
    assert training.learning_rate == 1e-4
    assert Bert.coupling(config) == {"dropout"}
    with torch.device("meta"):
        method = _empty(config, 30_522)
    assert sum(parameter.numel() for parameter in method.parameters()) == 110_106_428  # as released


def _empty(config: BertConfig, vocabulary: int) -> Method:
    state = {"vocabulary": [f"w{number}" for number in range(vocabulary)]}
    return Bert(config, Spec(modality="text", shape=(), size=2), state)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"width": 100, "heads": 3}, "width 100 is not divisible by 3 heads"),
        ({"direction": "left_to_right"}, "set nsp: false"),
        ({"masked": 0.8, "replaced": 0.3}, "together at most 1"),
        ({"masked": -0.1}, "at least 0"),
        ({"selected": 0.0}, "selected is 0.0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"deviation": 0.0}, "deviation is 0.0"),
        ({"max_predictions": 0}, "max_predictions is 0"),
        ({"max_length": 7}, "max_length is 7"),
        ({"vocabulary": 5}, "vocabulary is 5"),
        ({"short_sequences": 1.5}, "short_sequences is 1.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BertConfig(**config)  # type: ignore[arg-type]


def test_other_modalities_are_not_applicable() -> None:
    reason = Bert.fits(BertConfig(), Spec(modality="image", shape=(3, 8, 8), size=4))
    assert reason == "it reads text, not image"
    assert roster()["bert"] is Bert
    assert Bert.pairs


def test_it_trains_on_documents_of_every_sort() -> None:
    """Empty ones, single sentences, sentences beyond the limit, bytes that are no UTF-8."""
    documents: list[str | bytes] = [
        "",
        "aw ax\nay",
        "one",
        "ax " * 200 + "\nby",
        b"aw \xff\xfe bx\nby \xe6\x9d",
        "\n\n \n",
        "東京 \nx",
    ]
    source = source_of(documents * 4)
    training = type(Bert.presets["small"].training)(steps=6, batch_size=9, optimizer="adamw", learning_rate=1e-3)
    done = pretrain(Bert, tiny(), training, source, source, seed=0, compute=Compute(engine="torch"))
    assert done.result["proof"]["parameter_change"] > 0
    with torch.no_grad():
        for features in done.method.encode(done.method.examples(source, torch.arange(7))).values():
            assert features.pooled.isfinite().all()


def test_the_corpus_is_tokenised_once_and_forgotten_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    method, source = tiny_bert()
    read = []
    tokenise = Corpus.read.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(Corpus, "read", classmethod(lambda cls, *given: read.append(1) or tokenise(cls, *given)))
    for seed in range(3):
        method.sample(source, torch.arange(4), Keys.of(seed, "x", torch.arange(4)))
    assert len(read) == 1
    for _ in range(3):
        method.sample(toy_source("text", size=4), torch.arange(2), Keys.of(0, "x", torch.arange(2)))
    assert len(method.corpora._read) <= 2
