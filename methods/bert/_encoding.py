"""Features of whole texts, however long: windows, and the way back from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods._method import Batch, Features, Source
from methods._sentences import of_like_length
from methods._wordpiece import CLS, PAD, SEP, WordPiece
from methods.bert._config import SPECIAL, BertConfig
from methods.bert._encoder import Encoder
from methods.bert._stage import NextSentenceHead

#: Representations are of so many layers at most, the last ones, as in the paper's feature-based experiments.
LAYERS = 4
#: Tokens, padding included, that go through the encoder together.
_AT_ONCE = 1 << 14


def read_examples(source: Source, ids: Tensor, wordpiece: WordPiece, config: BertConfig) -> dict[str, Tensor]:
    """Texts as tokens, and those of the column `second` where there is one.

    What of `second` has no room beside the text, and beyond half of the room, is cut off; the text never is.

    Returns:
        text: int64 [N, A], padded; starts: float32 [N, A], the byte at which each token begins; text_length: int64 [N].
        second: int64 [N, B], and second_length: int64 [N].
    """
    column = source.columns["text"]
    texts, starts = [], []
    for tokens, begins in wordpiece.located([column.row(index).tobytes() for index in ids.tolist()]):
        texts.append(tokens)
        starts.append(begins)
    lengths = [len(tokens) for tokens in texts]
    batch = {
        "text": _padded(texts, config.max_length, np.int64),
        "starts": _padded(starts, config.max_length, np.float32),
        "text_length": torch.tensor(lengths),
    }
    if "second" in source.columns:
        column, room = source.columns["second"], config.max_length - SPECIAL
        read = wordpiece.located([column.row(index).tobytes() for index in ids.tolist()])
        seconds = [tokens[: max(room - length, room // 2)] for (tokens, _), length in zip(read, lengths, strict=True)]
        batch["second"] = _padded(seconds, config.max_length, np.int64)
        batch["second_length"] = torch.tensor([len(tokens) for tokens in seconds])
    return batch


def _padded(rows: Sequence[Sequence[int] | NDArray[np.int64]], multiple: int, dtype: type[np.generic]) -> Tensor:
    """Rows of one length, a multiple of `multiple`: batches of short texts then have one shape, and can be kept."""
    longest = max((len(row) for row in rows), default=0)
    whole = np.full((len(rows), max(-(-longest // multiple), 1) * multiple), PAD, dtype=dtype)
    for index, row in enumerate(rows):
        whole[index, : len(row)] = row
    return torch.from_numpy(whole)


class Windows(NamedTuple):
    """M pieces of N texts: overlapping ones of a text that is longer than its room, else the text itself."""

    owner: NDArray[np.int64]  #: [M]; ascending
    start: NDArray[np.int64]  #: [M]; its first token in the text
    taken: NDArray[np.int64]  #: [M]; its tokens
    best: NDArray[np.int64]  #: [N, longest text]; the window in which a token has most context on its poorer side


def windows(lengths: Sequence[int], rooms: Sequence[int]) -> Windows:
    """Windows advance by half the room; the last ends where the text does."""
    owner: list[int] = []
    start: list[int] = []
    best = np.zeros((len(lengths), max(lengths, default=0)), dtype=np.int64)
    for index, (length, room) in enumerate(zip(lengths, rooms, strict=True)):
        first = len(owner)
        last = max(length - room, 0)
        begins = [*range(0, last, max(room // 2, 1)), last]
        owner += [index] * len(begins)
        start += begins
        place = np.arange(length) - np.array(begins)[:, None]
        best[index, :length] = first + np.minimum(place, room - 1 - place).argmax(0)
    owners, starts = np.array(owner, dtype=np.int64), np.array(start, dtype=np.int64)
    taken = np.minimum(np.array(lengths, dtype=np.int64), np.array(rooms, dtype=np.int64))[owners]
    return Windows(owners, starts, taken, best)


def encode(batch: Batch, encoder: Encoder, head: NextSentenceHead | None, config: BertConfig) -> dict[str, Features]:
    """The last layers under "layer1", ...: local [N, A, width], the mean over tokens as pooled. See `Bert`."""
    text, device = batch["text"], batch["text"].device
    lengths: list[int] = batch["text_length"].tolist()
    pairs = "second" in batch
    seconds: list[int] = batch["second_length"].tolist() if pairs else [0] * len(lengths)
    rooms = [config.max_length - (SPECIAL if pairs else SPECIAL - 1) - length for length in seconds]
    cut = windows(lengths, rooms)
    owner, start, taken, best = (torch.from_numpy(part).to(device) for part in cut)
    other = batch["second"] if pairs else text.new_empty(len(lengths), 0)
    others = torch.tensor(seconds, device=device)[owner]
    tokens, segments = _assembled(text, other, owner, start, taken, others, pairs)
    whole = taken + others + (SPECIAL if pairs else SPECIAL - 1)
    layers = _in_pieces(encoder, tokens, segments, whole)

    longest = max(lengths, default=0)
    real = torch.arange(longest, device=device) < batch["text_length"][:, None]
    place = torch.arange(longest, device=device) - start[best] + 1
    flat = (best * tokens.shape[1] + place).where(real, 0)
    first = torch.searchsorted(owner, torch.arange(len(lengths), device=device))  # each text's first window
    centers = batch["starts"][:, :longest]
    features = {}
    for number, hidden in enumerate(layers, start=config.layers - len(layers) + 1):
        local = hidden.flatten(0, 1)[flat]
        pooled = _mean(local, real)
        if pairs:
            place_of_second = torch.arange(hidden.shape[1], device=device) - (taken[:, None] + 2)
            of_second = (place_of_second >= 0) & (place_of_second < others[:, None])
            each = _mean(hidden, of_second)
            mean = torch.zeros_like(pooled).index_add(0, owner, each.to(pooled.dtype))
            mean = mean / torch.bincount(owner, minlength=len(lengths))[:, None]
            pooled = torch.cat([pooled, mean, (pooled - mean).abs(), pooled * mean], dim=1)
        features[f"layer{number}"] = Features(pooled, local, real, centers)
    if config.direction == "bidirectional":
        features["cls"] = Features(layers[-1][first, 0])
    if head is not None:
        features["pooler"] = Features(head.pool(layers[-1][first, 0]))
    return features


def _assembled(
    text: Tensor, other: Tensor, owner: Tensor, start: Tensor, taken: Tensor, others: Tensor, pairs: bool
) -> tuple[Tensor, Tensor]:
    """Tokens and segments of each window, [CLS] window [SEP] or [CLS] window [SEP] second [SEP]: int64 [M, L]."""
    whole = taken + others + (SPECIAL if pairs else SPECIAL - 1)
    place = torch.arange(int(whole.max()) if len(whole) else 0, device=text.device)
    middle = taken[:, None] + 1
    inside = (start[:, None] + place - 1).clamp(0, text.shape[1] - 1)
    tokens = text[owner[:, None], inside]
    if other.shape[1]:
        behind = (place - middle - 1).clamp(0, other.shape[1] - 1)
        tokens = torch.where(place > middle, other[owner[:, None], behind], tokens)
    tokens = torch.where(place == 0, CLS, tokens)
    tokens = torch.where((place == middle) | (place == whole[:, None] - 1), SEP, tokens)
    tokens = torch.where(place < whole[:, None], tokens, PAD)
    return tokens, ((place > middle) & (place < whole[:, None])).long()


def _in_pieces(encoder: Encoder, tokens: Tensor, segments: Tensor, lengths: Tensor) -> list[Tensor]:
    """The last layers' outputs, [M, L, width] each. Sequences of like length go through the encoder together, so that
    few of its products are of padding."""
    sizes: list[int] = lengths.tolist()
    pieces = of_like_length(sizes, _AT_ONCE) or [[]]
    parts: list[list[Tensor]] = []
    for piece in pieces:
        rows = torch.tensor(piece, device=tokens.device, dtype=torch.int64)
        longest = sizes[piece[-1]] if piece else 0
        outputs = encoder(
            tokens[rows, :longest],
            segments[rows, :longest],
            lengths[rows],
            padded=bool(piece) and sizes[piece[0]] < longest,
        )
        room = tokens.shape[1] - longest
        parts.append([functional.pad(output, (0, 0, 0, room)) for output in outputs[-LAYERS:]])
    order = [row for piece in pieces for row in piece]
    back = torch.tensor(order, device=tokens.device, dtype=torch.int64).argsort()
    return [torch.cat(layer)[back] for layer in zip(*parts, strict=True)]


def _mean(values: Tensor, real: Tensor) -> Tensor:
    """Over the real positions; 0 where there are none: [N, L, D], bool [N, L] -> [N, D]."""
    return (values * real[..., None]).sum(1) / real.sum(1, keepdim=True).clamp_min(1)
