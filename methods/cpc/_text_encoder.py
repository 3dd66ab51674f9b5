"""From the words of sentences to a vector each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods._sentences import of_like_length
from methods._wordpiece import PAD

#: Words, padding included, that go through the encoder together.
AT_ONCE = 1 << 14


class SentenceEncoder(nn.Module):
    """Embedding, a convolution along the words, a rectifier, the mean over the words."""

    def __init__(self, vocabulary: int, embedding: int, kernel: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedding, padding_idx=PAD)  # so that padding is 0, as are the borders
        self.convolve = nn.Conv1d(embedding, width, kernel, padding=kernel // 2)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """int64 [M, L], padded behind, and [M] -> [M, width]; 0 for no words."""
        heard = functional.relu(self.convolve(self.embed(words).mT))
        real = torch.arange(words.shape[1], device=words.device) < lengths[:, None]
        vectors: Tensor = (heard * real[:, None]).sum(2) / lengths[:, None].clamp_min(1)
        return vectors


def padded_rows(words: Tensor, starts: Tensor, lengths: Tensor, longest: int) -> Tensor:
    """Pieces of one run of words, int64 [W]: those of the given starts and lengths [M], as rows [M, longest]."""
    place = torch.arange(longest, device=words.device)
    index = (starts[:, None] + place).clamp_max(len(words) - 1)
    return torch.where(place < lengths[:, None], words[index], PAD)


def encode_sentences(encoder: SentenceEncoder, words: Tensor, lengths: Tensor) -> Tensor:
    """Any number of sentences of any length, those of like length together: int64 [W], one sentence after the other,
    and [M] -> [M, width]."""
    sizes: list[int] = lengths.tolist()
    pieces = of_like_length(sizes, AT_ONCE)
    starts = lengths.cumsum(0) - lengths
    parts = []
    for piece in pieces:
        rows = torch.tensor(piece, device=words.device)
        parts.append(encoder(padded_rows(words, starts[rows], lengths[rows], sizes[piece[-1]]), lengths[rows]))
    order = [row for piece in pieces for row in piece]
    return torch.cat(parts)[torch.tensor(order, device=words.device).argsort()]
