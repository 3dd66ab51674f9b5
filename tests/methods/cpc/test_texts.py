"""Texts: sentences become vectors by their own words alone, and contexts by the sentences before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from methods import Features, Keys
from methods._wordpiece import UNK
from methods.cpc import Cpc
from methods.cpc._config import CpcConfig, TextConfig
from methods.cpc._text import TextTower
from methods.cpc._text_encoder import SentenceEncoder
from tests.methods.bert.texts import source_of
from tests.toys import ToySource

CONFIG = CpcConfig(
    text=TextConfig(vocabulary=80, embedding=8, width=12, context=10, ahead=2, sentences=4, words=5, kernel=3)
)
DOCUMENTS = [
    "the cat sat\nthe dog ran far\n\n a bird flew \nit rained\nthe end",
    "one two\nthree",
    "alone here",
    "",
    "the cat ran on and on and on and on\nthe dog sat",
]


def tower(documents: Sequence[str | bytes] = DOCUMENTS, config: CpcConfig = CONFIG) -> tuple[TextTower, ToySource]:
    source = source_of(documents)
    state = TextTower.fit(config, source, Keys.of(0, "fit"))
    torch.manual_seed(0)
    return TextTower(config, source.spec, state), source


def encode(one: TextTower, *texts: str | bytes) -> dict[str, Features]:
    return dict(one.encode(one.examples(source_of(texts), torch.arange(len(texts)))))


def sample(one: TextTower, source: ToySource, ids: Sequence[int], seed: int = 0) -> dict[str, Tensor]:
    wanted = torch.tensor(ids)
    keys = Keys.of(seed, "test", wanted)
    return dict(one.draw(one.sample(source, wanted, keys), keys))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_sentence_is_the_mean_over_its_words_and_no_padding(kernel: int) -> None:
    torch.manual_seed(0)
    encoder = SentenceEncoder(20, 6, kernel, 7)
    rows, lengths = torch.randint(1, 20, (4, 6)), torch.tensor([6, 1, 4, 2])
    rows[torch.arange(6) >= lengths[:, None]] = 0
    found = encoder(rows, lengths)
    weight, bias = encoder.convolve.weight, encoder.convolve.bias
    assert bias is not None
    for row, (words, length) in enumerate(zip(rows, lengths.tolist(), strict=True)):
        heard = []
        for place in range(length):
            total = bias.clone()
            for tap in range(kernel):
                at = place + tap - kernel // 2
                if 0 <= at < length:
                    total = total + weight[:, :, tap] @ encoder.embed.weight[words[at]]
            heard.append(functional.relu(total))
        torch.testing.assert_close(found[row], torch.stack(heard).mean(0))


def test_contexts_see_no_later_sentence() -> None:
    one, source = tower()
    drawn = sample(one, source, [0, 4])
    before = one.observe(drawn)
    changed = dict(drawn, words=drawn["words"].clone())
    changed["words"][:, 1, :2] = torch.where(drawn["words"][:, 1, :2] == UNK, UNK + 4, UNK)
    after = one.observe(changed)
    assert torch.equal(after.c[:, 0], before.c[:, 0])
    assert torch.equal(after.z[:, 0], before.z[:, 0])
    assert not torch.equal(after.c[:, 1], before.c[:, 1])
    assert not torch.equal(after.c[0, 2], before.c[0, 2])  # document 4 has no third


def test_sentences_are_the_lines_that_hold_words() -> None:
    one, _ = tower()
    batch = one.examples(source_of(DOCUMENTS), torch.arange(5))
    assert (batch["lengths"] > 0).sum(1).tolist() == [5, 2, 1, 0, 2]
    (tokens,) = one.wordpiece.tokens(["the dog ran far"])
    first = int(batch["lengths"][0, 0])
    assert batch["words"][0, first : first + len(tokens)].tolist() == tokens


def test_training_sees_sentences_in_a_row_cut_to_their_room() -> None:
    one, source = tower()
    texts = [line.strip() for line in DOCUMENTS[0].split("\n") if line.strip()]
    whole = [ids[:5] for ids in one.wordpiece.tokens(texts)]
    starts = set()
    for seed in range(20):
        drawn = sample(one, source, [0, 4], seed)
        found = [
            row[:length].tolist() for row, length in zip(drawn["words"][0], drawn["lengths"][0].tolist(), strict=True)
        ]
        starts.add(whole.index(found[0]))
        assert found == whole[whole.index(found[0]) : whole.index(found[0]) + 4]
        assert drawn["lengths"][1].tolist()[0] == 5  # of more than five words
        assert drawn["valid"][1, :, 0].tolist() == [True, True, False, False]
    assert starts == {0, 1}


def test_windows_are_each_documents_own_dice() -> None:
    one, source = tower([DOCUMENTS[0]] * 12)
    drawn, part = sample(one, source, range(12)), sample(one, source, range(7, 12))
    assert len(drawn["words"].unique(dim=0)) > 1
    for name in drawn:
        assert torch.equal(drawn[name][7:], part[name])


@pytest.mark.parametrize("at_once", [1, 1 << 14])
def test_a_text_has_the_features_that_it_has_alone(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("_text", "_text_encoder"):
        monkeypatch.setattr(f"methods.cpc.{module}.AT_ONCE", at_once)
    one, _ = tower()
    together = encode(one, *DOCUMENTS, "word " * 300)
    for row, text in enumerate(DOCUMENTS):
        for name, features in encode(one, text).items():
            torch.testing.assert_close(together[name].pooled[row], features.pooled[0], rtol=1e-5, atol=1e-6)


def test_a_text_is_the_mean_of_its_sentences_and_its_context_that_at_the_last() -> None:
    one, _ = tower(config=CpcConfig(text=replace(CONFIG.text, words=40)))
    sentences = ["the dog ran far", "a bird flew", "it rained"]
    text = encode(one, "\n".join(sentences))
    torch.testing.assert_close(text["z"].pooled[0], encode(one, *sentences)["z"].pooled.mean(0))
    observed = one.observe(sample(one, source_of(["\n".join(sentences)]), [0]))
    torch.testing.assert_close(observed.z[0, :3, 0].mean(0), text["z"].pooled[0])
    torch.testing.assert_close(observed.c[0, 2, 0], text["c"].pooled[0])


def test_unknown_words_are_spelt_and_unknown_characters_are_known_as_such() -> None:
    one, _ = tower()
    features = encode(one, "catdog", "東", "§", b"\xff\xfe cat", "cat")["z"].pooled
    assert features[1].any()
    torch.testing.assert_close(features[1], features[2])
    torch.testing.assert_close(features[3], features[4])  # bytes that are no text are left out
    assert not torch.equal(features[0], features[4])


def test_no_words_have_no_features_and_do_not_fail() -> None:
    one, _ = tower()
    for texts in (["", " \n\t\n"], ["", "the cat"]):
        features = encode(one, *texts)
        assert not features["z"].pooled[0].any()
        assert not features["c"].pooled[0].any()
        assert features["c"].pooled.isfinite().all()


def test_documents_of_one_sentence_are_asked_nothing() -> None:
    source = source_of(DOCUMENTS)
    method = Cpc(CONFIG, source.spec, Cpc.fit(CONFIG, source, Keys.of(0, "fit")))
    (stage,) = method.stages()
    ids = torch.tensor([0, 1, 2, 3])
    keys = Keys.of(0, "test", ids)
    drawn = stage.draw(method.sample(source, ids, keys), keys)
    assert drawn.tensors["asked"].flatten(1).sum(1).tolist() == [3 + 2, 1, 0, 0]
    for some in (ids[2:], ids[3:]):
        keys = Keys.of(0, "test", some)
        drawn = stage.draw(method.sample(source, some, keys), keys)
        loss = stage(drawn).sums["info_nce"]
        torch.autograd.backward(loss)
        assert loss.item() == 0


@pytest.mark.parametrize("documents", [["one", "two words"], ["", " \n"], ["one\n\n \n"]])
def test_a_corpus_without_next_sentences_is_refused(documents: list[str]) -> None:
    with pytest.raises(ValueError, match=f"none of the {len(documents)} documents has two sentences"):
        tower(documents)


def test_the_vocabulary_is_the_corpus_whatever_the_keys() -> None:
    states = [TextTower.fit(CONFIG, source_of(DOCUMENTS), Keys.of(seed, "fit")) for seed in (0, 1)]
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kernel": 4}, "kernel is 4; it must be odd"),
        ({"sentences": 3}, "sentences is 3; to predict 3 ahead"),
        ({"vocabulary": 9}, "vocabulary is 9"),
        ({"words": 0}, "words is 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextConfig(**config)
