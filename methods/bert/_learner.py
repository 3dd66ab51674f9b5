"""BERT as a method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from methods._keys import Keys
from methods._method import (
    Batch,
    Coupling,
    Features,
    Method,
    Preset,
    Settings,
    Source,
    Spec,
    State,
    TaskKind,
    TextPanel,
    Training,
)
from methods._sentences import Corpora, all_sentences
from methods._wordpiece import SPECIAL_TOKENS, WordPiece, train_vocabulary
from methods.bert._config import BertConfig
from methods.bert._encoding import encode, read_examples
from methods.bert._guesses import draw_guesses
from methods.bert._pairs import assembled, sample_pairs
from methods.bert._stage import Pretraining


def training(*, steps: int, batch_size: int, learning_rate: float, warmup_steps: int) -> Training:
    """The paper's optimiser at another size."""
    return Training(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        optimizer="adamw",
        betas=(0.9, 0.999),
        epsilon=1e-6,
        weight_decay=0.01,
        schedule="linear",
        clip_norm=1.0,
    )


_PAPER = training(steps=1_000_000, batch_size=256, learning_rate=1e-4, warmup_steps=10_000)
#: Held-out documents of the gallery at most.
_GALLERY = 12


class Bert(Method):
    """Representations, of the last four layers at most: "layer1" to "layerL", local [N, A, width] for the tokens of
    `text`; pooled is their mean u, and for a pair of texts (u, v, |u - v|, u * v) with the mean v over the second.
    "cls" is the last layer's output at [CLS], "pooler" the layer on it that next sentence prediction trains.
    """

    name: ClassVar[str] = "bert"
    paper: ClassVar[str] = "Devlin et al., BERT: Pre-training of deep bidirectional Transformers, 2018"
    version: ClassVar[int] = 1
    pairs: ClassVar[bool] = True
    Config: ClassVar[type[Settings]] = BertConfig
    presets: ClassVar[Mapping[str, Preset]] = {
        # Chosen by losses on val of grammar, within two minutes of a core: words begin to be told by their neighbours
        # after so many updates, not so many tokens, hence short sequences, few of them, and larger weights to start
        # from. No dropout, since so short a training fits too little rather than too much.
        "small": Preset(
            config={
                "vocabulary": 2000,
                "layers": 3,
                "width": 96,
                "heads": 4,
                "max_length": 40,
                "deviation": 0.06,
                "dropout": 0.0,
                # Wettig et al. (EACL 2023): small models learn more from more predictions. Measured on val of grammar.
                "selected": 0.4,
            },
            training=training(steps=4000, batch_size=16, learning_rate=2e-3, warmup_steps=100),
        ),
        # The smallest and a middle one of the sizes that were released later, trained as the paper's.
        "tiny": Preset(config={"layers": 2, "width": 128, "heads": 2}, training=_PAPER),
        "medium": Preset(config={"layers": 8, "width": 512, "heads": 8}, training=_PAPER),
        "paper": Preset(training=_PAPER),
    }

    def __init__(self, config: BertConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.config = config
        self.wordpiece = WordPiece(state["vocabulary"], config.lowercase)
        self.corpora = Corpora(self.wordpiece)
        self.stage = Pretraining(config, len(self.wordpiece))

    @classmethod
    def fits(cls, config: BertConfig, spec: Spec) -> str | None:
        return None if spec.modality == "text" else f"it reads text, not {spec.modality}"

    @classmethod
    def coupling(cls, config: BertConfig) -> frozenset[Coupling]:
        return frozenset({"dropout"}) if config.dropout else frozenset()

    @classmethod
    def primary(cls, config: BertConfig, spec: Spec) -> Mapping[TaskKind, str]:
        """The last layer. The paper found the one before to tag a little better; on val of grammar they tag alike, and
        the last is better for pairs."""
        kinds: tuple[TaskKind, ...] = ("class", "pair", "regression", "position")
        if config.direction == "bidirectional":  # else no token of a text would see the question behind it
            kinds = (*kinds, "span")
        return dict.fromkeys(kinds, f"layer{config.layers}")

    @classmethod
    def fit(cls, config: BertConfig, source: Source, keys: Keys) -> State:
        """The WordPiece vocabulary of the corpus: a function of the corpus alone, whatever the keys.

        Raises:
            ValueError: the corpus holds no text, or next sentence prediction is asked where there are no two documents
                to tell apart.
        """
        documents = [sentences for sentences in all_sentences(source) if sentences]
        if config.nsp and (len(documents) < 2 or all(len(sentences) < 2 for sentences in documents)):
            longest = max((len(sentences) for sentences in documents), default=0)
            raise ValueError(
                f"nsp needs two documents that hold text, and one of two sentences or more (one sentence a line); this "
                f"corpus has {len(documents)} documents of at most {longest} sentences: set nsp: false"
            )
        texts = [sentence for sentences in documents for sentence in sentences]
        vocabulary = train_vocabulary(texts, config.vocabulary, config.lowercase)
        if len(vocabulary) == len(SPECIAL_TOKENS):
            raise ValueError(f"none of the {len(source)} documents holds any text to learn from")
        return {"vocabulary": vocabulary}

    def stages(self) -> Sequence[Pretraining]:
        return [self.stage]

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        """One sequence from each document: `tokens`, `segments` int64 [N, max_length]; `lengths`, `next` int64 [N]."""
        pairs = sample_pairs(self.corpora.of(source), ids, keys, self.config)
        return assembled(pairs, self.config.max_length)

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return read_examples(source, ids, self.wordpiece, self.config)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return encode(batch, self.stage.encoder, self.stage.next_head, self.config)

    def gallery(self, source: Source) -> Iterator[TextPanel]:
        """What is believed of words left out of held-out documents."""
        ids = torch.arange(min(_GALLERY, len(source)))
        keys = Keys.of(0, "bert.gallery", ids)
        device = self.stage.encoder.tokens.weight.device
        batch = {name: tensor.to(device) for name, tensor in self.sample(source, ids, keys).items()}
        return draw_guesses(self.stage, self.wordpiece.vocabulary, batch, keys.fold("stage.draw").to(device))
