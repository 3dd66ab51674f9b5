"""Texts: the sentences of a document are predicted from those before them (section 3.3).

An example is a document, one sentence a line. Departures from the paper, and what it leaves open:

- Words are WordPieces, so that texts to be judged have no unknown words; the paper keeps whole words and maps those
  that its corpus lacks from word2vec.
- The paper does not give the kernel of the convolution and the width of words, nor how many sentences and words a
  sequence in training has.
- A sequence begins with an empty context, wherever in its document it begins.
- Texts of several sentences have the mean of their vectors.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from methods._keys import Keys
from methods._method import Batch, Features, Source, Spec, State, TaskKind
from methods._sentences import Corpora, all_sentences, sentences_of
from methods._wordpiece import PAD, WordPiece, train_vocabulary
from methods.cpc._config import CpcConfig
from methods.cpc._text_encoder import AT_ONCE, SentenceEncoder, encode_sentences
from methods.cpc._tower import Observed, Tower


class TextTower(Tower):
    """z [B, sentences, 1, width] and c [B, sentences, 1, context]. Representations: "z", the mean over a text's
    sentences, which the paper's classifiers see; "c", the context at its last sentence."""

    def __init__(self, config: CpcConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.config = config.text
        self.width, self.context, self.ahead = self.config.width, self.config.context, self.config.ahead
        self.wordpiece = WordPiece(state["vocabulary"], self.config.lowercase)
        self.corpora = Corpora(self.wordpiece)
        self.encoder = SentenceEncoder(len(self.wordpiece), self.config.embedding, self.config.kernel, self.width)
        self.recur = nn.GRU(self.width, self.context, batch_first=True)

    @classmethod
    def fits(cls, config: CpcConfig, spec: Spec) -> str | None:
        return None

    @classmethod
    def primary(cls, config: CpcConfig) -> Mapping[TaskKind, str]:
        """Of whole texts. It has no vectors of words, and so no tasks at positions and no spans."""
        return {"class": "z", "pair": "z", "regression": "z"}

    @classmethod
    def fit(cls, config: CpcConfig, source: Source, keys: Keys) -> State:
        """The WordPiece vocabulary of the corpus, whatever the keys.

        Raises:
            ValueError: no document has a second sentence to predict.
        """
        texts: list[str] = []
        most = 0
        for sentences in all_sentences(source):
            texts += sentences
            most = max(most, len(sentences))
        if most < 2:
            raise ValueError(
                f"none of the {len(source)} documents has two sentences or more (one sentence a line), so that there "
                "is no next sentence to predict: pretrain on texts of several sentences (pretrain_on)"
            )
        return {"vocabulary": train_vocabulary(texts, config.text.vocabulary, config.text.lowercase)}

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        """Sentences in a row of each document: `words` int64 [B, sentences, words], padded; `lengths` int64
        [B, sentences], 0 where there is no sentence."""
        corpus, most = self.corpora.of(source), self.config.words
        words = np.full((len(ids), self.config.sentences, most), PAD, dtype=np.int64)
        lengths = np.zeros(words.shape[:2], dtype=np.int64)
        dice = keys.fold("start").uniform(1)[:, 0].tolist()
        for row, (document, die) in enumerate(zip(ids.tolist(), dice, strict=True)):
            begin, end = corpus.documents[document : document + 2].tolist()
            count = min(end - begin, self.config.sentences)
            first = begin + int(die * (end - begin - count + 1))
            for place in range(count):
                tokens = corpus.piece(first + place, first + place + 1)[:most]
                words[row, place, : len(tokens)] = tokens
                lengths[row, place] = len(tokens)
        return {"words": torch.from_numpy(words), "lengths": torch.from_numpy(lengths)}

    def draw(self, batch: Batch, keys: Keys) -> Mapping[str, Tensor]:
        """No dice but those of `sample`."""
        return {"words": batch["words"], "lengths": batch["lengths"], "valid": batch["lengths"][..., None] > 0}

    def observe(self, tensors: Mapping[str, Tensor]) -> Observed:
        words, lengths = tensors["words"], tensors["lengths"]
        row, place = (lengths > 0).nonzero(as_tuple=True)
        longest = max(int(lengths.max()), 1)
        found = self.encoder(words[row, place, :longest], lengths[row, place])
        z = found.new_zeros(*lengths.shape, self.width).index_put((row, place), found)
        return Observed(z[:, :, None], self.recur(z)[0][:, :, None])

    def examples(self, source: Source, ids: Tensor) -> Batch:
        """Whole texts: `words` int64 [N, W], sentence after sentence, padded; `lengths` int64 [N, S], of each sentence,
        0 where there is none."""
        texts = [sentences_of(source, index) for index in ids.tolist()]
        tokens = self.wordpiece.tokens([sentence for sentences in texts for sentence in sentences])
        rows = [[each for each in (next(tokens) for _ in sentences) if each] for sentences in texts]
        words = np.full((len(rows), max(sum(map(len, row)) for row in rows)), PAD, dtype=np.int64)
        lengths = np.zeros((len(rows), max(max(map(len, rows)), 1)), dtype=np.int64)
        for index, row in enumerate(rows):
            lengths[index, : len(row)] = [len(each) for each in row]
            words[index, : lengths[index].sum()] = [token for each in row for token in each]
        return {"words": torch.from_numpy(words), "lengths": torch.from_numpy(lengths)}

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        """A text without words has z and c 0."""
        at_once = max(AT_ONCE // batch["lengths"].shape[1], 1)
        parts = zip(torch.split(batch["words"], at_once), torch.split(batch["lengths"], at_once), strict=True)
        z, c = (torch.cat(found) for found in zip(*(self._encoded(*part) for part in parts), strict=True))
        return {"z": Features(z), "c": Features(c)}

    def _encoded(self, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, width] and c [N, context] of some texts."""
        real = torch.arange(words.shape[1], device=words.device) < lengths.sum(1, keepdim=True)
        row, place = (lengths > 0).nonzero(as_tuple=True)
        z = self.encoder.embed.weight.new_zeros(*lengths.shape, self.width)
        if len(row):
            z = z.index_put((row, place), encode_sentences(self.encoder, words[real], lengths[row, place]))
        counts = (lengths > 0).sum(1)
        contexts = self.recur(z)[0]
        last = contexts[torch.arange(len(lengths), device=words.device), (counts - 1).clamp_min(0)]
        return z.sum(1) / counts[:, None].clamp_min(1), last * (counts > 0)[:, None]
