"""The pretext tasks: predict the selected tokens, and whether the second piece of text follows the first."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods._keys import Keys
from methods._method import Batch, Drawn, LossTerms, Stage
from methods.bert._config import BertConfig
from methods.bert._encoder import EPSILON, Encoder, initialise
from methods.bert._masking import NOTHING, Masked, mask, next_tokens
from methods.bert._pairs import UNASKED


class TokenHead(nn.Module):
    """What each output says of its token. The last product is with the embeddings themselves, plus a free bias."""

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden: Tensor, embeddings: Tensor) -> Tensor:
        """Logits: [M, width] and [V, width] -> [M, V]."""
        code = self.norm(functional.gelu(self.dense(hidden), approximate="tanh"))
        return functional.linear(code, embeddings, self.bias)


class NextSentenceHead(nn.Module):
    """Whether the second piece follows: a tanh layer on the output of [CLS], then two logits."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pooler = nn.Linear(width, width)
        self.answer = nn.Linear(width, 2)

    def pool(self, first: Tensor) -> Tensor:
        """[N, width] -> the same."""
        return torch.tanh(self.pooler(first))

    def forward(self, first: Tensor) -> Tensor:
        """Logits of NEXT and ELSEWHERE: [N, width] -> [N, 2]."""
        logits: Tensor = self.answer(self.pool(first))
        return logits


class Pretraining(Stage):
    """The mean loss of the predicted tokens plus, if asked, the mean loss of next sentence prediction."""

    def __init__(self, config: BertConfig, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.encoder = Encoder(config, vocabulary)
        self.token_head = TokenHead(config.width, vocabulary)
        self.next_head = NextSentenceHead(config.width) if config.nsp else None
        initialise(self, config.deviation)

    @torch.no_grad()
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        """Masks anew at every presentation; left to right there are no dice but those of `sample`."""
        tokens, lengths = batch["tokens"], batch["lengths"]
        masked = self._masked(tokens, lengths, keys)
        weights = {"tokens": (masked.targets != NOTHING).sum().float()}
        if self.next_head is not None:
            weights["next"] = (batch["next"] != UNASKED).sum().float()
        kept = {name: batch[name] for name in ("segments", "lengths", "next")}
        return Drawn({**masked._asdict(), **kept}, weights)

    def _masked(self, tokens: Tensor, lengths: Tensor, keys: Keys) -> Masked:
        if self.config.direction == "left_to_right":
            return next_tokens(tokens)
        return mask(tokens, lengths, keys, self.config, self.vocabulary)

    def forward(self, drawn: Drawn) -> LossTerms:
        """Monitors: accuracy of both tasks, and the share of computed tokens that are padding."""
        tensors = drawn.tensors
        hidden = self.hidden(drawn)
        logits, targets = self.guesses(hidden, drawn)
        sums = {"tokens": functional.cross_entropy(logits, targets, reduction="sum")}
        with torch.no_grad():
            right = (logits.argmax(1) == targets).sum().float()
            computed = drawn.weights["tokens"].new_tensor(hidden.shape[0] * hidden.shape[1])
            monitors = {
                "token_accuracy": (right, drawn.weights["tokens"]),
                "padding": (computed - tensors["lengths"].sum(), computed),
            }
        if self.next_head is not None:
            answers, labels = self.next_head(hidden[:, 0]).float(), tensors["next"]
            sums["next"] = functional.cross_entropy(answers, labels, ignore_index=UNASKED, reduction="sum")
            monitors["next_accuracy"] = ((answers.argmax(1) == labels).sum().float(), drawn.weights["next"])
        return LossTerms(sums, monitors)

    def hidden(self, drawn: Drawn) -> Tensor:
        """The encoder's last outputs, padding trimmed to the longest sequence of the batch: [N, L, width]."""
        lengths = drawn.tensors["lengths"]
        shortest, longest = torch.stack([lengths.min(), lengths.max()]).tolist()  # the GPU waits here, once a step
        tokens, segments = (drawn.tensors[name][:, :longest] for name in ("tokens", "segments"))
        return self.encoder(tokens, segments, lengths, padded=shortest < longest)[-1]  # type: ignore[no-any-return]

    def guesses(self, hidden: Tensor, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Logits and targets where something is predicted, and nowhere else: float [M, V], int64 [M]."""
        row, slot = (drawn.tensors["targets"] != NOTHING).nonzero(as_tuple=True)
        place = row * hidden.shape[1] + drawn.tensors["positions"][row, slot]
        chosen = hidden.flatten(0, 1).index_select(0, place)
        logits: Tensor = self.token_head(chosen, self.encoder.tokens.weight)
        return logits.float(), drawn.tensors["targets"][row, slot]
