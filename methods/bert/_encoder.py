"""The Transformer encoder (Vaswani et al. 2017, normalised after each block), with BERT's three embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.bert._config import BertConfig

#: Of the released code's layer normalisation.
EPSILON = 1e-12


class Block(nn.Module):
    """Self-attention and a feed-forward network, each beside a shortcut and normalised after it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.causal = config.direction == "left_to_right"
        self.dropout = config.dropout
        self.attend = nn.Linear(width, 3 * width)  # queries, keys and values in one product
        self.collect = nn.Linear(width, width)
        self.attended = nn.LayerNorm(width, EPSILON)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.fed = nn.LayerNorm(width, EPSILON)

    def forward(self, inputs: Tensor, allowed: Tensor | None) -> Tensor:
        """[N, L, width] -> the same. `allowed`: bool [N, 1, 1, L], which tokens may be looked at; None: all."""
        split = self.attend(inputs).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = split.unbind()
        dropout = self.dropout if self.training else 0.0
        heard = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=allowed, dropout_p=dropout, is_causal=self.causal
        )
        gathered = self.collect(heard.transpose(1, 2).flatten(2))
        middle: Tensor = self.attended(inputs + functional.dropout(gathered, dropout))
        fed = self.narrow(functional.gelu(self.widen(middle), approximate="tanh"))
        outputs: Tensor = self.fed(middle + functional.dropout(fed, dropout))
        return outputs


class Encoder(nn.Module):
    """Tokens in context."""

    def __init__(self, config: BertConfig, vocabulary: int) -> None:
        super().__init__()
        self.causal = config.direction == "left_to_right"
        self.dropout = config.dropout
        self.tokens = nn.Embedding(vocabulary, config.width)
        self.positions = nn.Embedding(config.max_length, config.width)
        self.segments = nn.Embedding(2, config.width)
        self.norm = nn.LayerNorm(config.width, EPSILON)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(self, tokens: Tensor, segments: Tensor, lengths: Tensor, *, padded: bool) -> list[Tensor]:
        """The output of each block, first to last: [N, L, width] each.

        What stands at or beyond a sequence's length changes nothing before it.

        Args:
            tokens, segments: int64 [N, L].
            lengths: int64 [N].
            padded: whether some length is below L.
        """
        places = torch.arange(tokens.shape[1], device=tokens.device)
        embedded = self.tokens(tokens) + self.segments(segments) + self.positions(places)
        hidden = functional.dropout(self.norm(embedded), self.dropout, self.training)
        # Padding comes last, so that looking left only never sees it.
        allowed = (places < lengths[:, None])[:, None, None] if padded and not self.causal else None
        outputs = []
        for block in self.blocks:
            hidden = block(hidden, allowed)
            outputs.append(hidden)
        return outputs


def initialise(module: nn.Module, deviation: float) -> None:
    """As the released code: weights from a truncated normal, biases 0, scales of normalisation 1."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.trunc_normal_(part.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
