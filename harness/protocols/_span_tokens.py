"""Between byte spans, in which answers are given, and tokens, which encoders have features of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.protocols._protocol import EncodedSplit
from harness.targets import texts
from methods import Features, Source

#: Tokens in an answer, at most: as in the evaluation of SQuAD by Devlin et al. 2018 (their code's max_answer_length).
LONGEST = 30
_WHITESPACE = np.isin(np.arange(256), np.frombuffer(b" \t\n\v\f\r", np.uint8))


class Real(NamedTuple):
    """The real tokens of N examples, one example after the other, and where each lies in its text."""

    local: Tensor  #: [M, D]
    lengths: Tensor  #: int64 [N], on the device of `local`
    begins: NDArray[np.int64]  #: [M], bytes


def real(features: Features) -> Real:
    """Without padding, special tokens and tokens of the question.

    Raises:
        ValueError: the representation has no features per token, or does not say where its tokens lie.
    """
    local, centers = features.local, features.centers
    if local is None or centers is None:
        raise ValueError("answering spans needs `local` and `centers` in the encoder's features: one row per token")
    mask = features.mask
    if mask is None:
        mask = torch.ones(local.shape[:2], dtype=torch.bool, device=local.device)
    begins = centers.to(mask.device).expand(mask.shape)[mask]
    return Real(local[mask], mask.sum(1), begins.round().long().cpu().numpy())


def ends(begins: NDArray[np.int64], text: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where tokens that begin there end: before the next one, or where whitespace begins. The last one, after which
    the encoder may have read no further, ends with its word.

    Args:
        begins: int64 [L], ascending.
        text: uint8 [B].
    """
    if not len(begins):
        return begins
    blank = np.append(_WHITESPACE[text], True)
    places = np.arange(len(blank))
    word_end = np.minimum.accumulate(np.where(blank, places, len(text))[::-1])[::-1]  # first whitespace from here on
    found: NDArray[np.int64] = np.minimum(np.append(begins[1:], len(text)), word_end[np.minimum(begins, len(text))])
    return found


def place(answer: NDArray[np.int64], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[int, int] | None:
    """The first and the last token of an answer (begin, end in bytes), None if the encoder did not read all of it."""
    touched = np.flatnonzero((begins < answer[1]) & (ends > answer[0]))
    if not len(touched) or (touched[-1] == len(ends) - 1 and ends[-1] < answer[1]):
        return None
    return int(touched[0]), int(touched[-1])


class Placed(NamedTuple):
    """The tokens of some examples in bytes, and their answers in tokens."""

    begins: list[NDArray[np.int64]]
    ends: list[NDArray[np.int64]]

    def lengths(self) -> Tensor:
        """Tokens of each example: int64 [N]."""
        return torch.tensor([len(own) for own in self.begins])

    def places(self, answers: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """First and last token of each example's first accepted answer: int64 [N, 2]; -1 where it was not read."""
        found = [
            place(accepted[0], own, until) for accepted, own, until in zip(answers, self.begins, self.ends, strict=True)
        ]
        return np.array([(-1, -1) if each is None else each for each in found], np.int64).reshape(-1, 2)

    def bytes(self, spans: NDArray[np.int64]) -> NDArray[np.int64]:
        """Spans of tokens, first and last (int64 [N, 2]), in bytes; (0, 0) for an example without tokens."""
        found = [
            (own[first], until[last]) if len(own) else (0, 0)
            for (first, last), own, until in zip(spans, self.begins, self.ends, strict=True)
        ]
        return np.array(found, np.int64).reshape(-1, 2)


def placed(source: Source, ids: Tensor, lengths: Tensor, begins: NDArray[np.int64]) -> Placed:
    """Of the examples `ids`, whose real tokens begin at `begins`, one example after the other."""
    each = np.split(begins, np.cumsum(lengths.cpu().numpy())[:-1])
    text = source.columns["text"]
    return Placed(each, [ends(own, text.row(index)) for own, index in zip(each, ids.tolist(), strict=True)])


def tokens_of(split: EncodedSplit) -> Placed:
    """Of all examples of a part."""
    begins, ends, first = [], [], 0
    for features in split.stream():
        found = real(features)
        ids = split.ids[first : first + len(found.lengths)]
        where = placed(split.source, ids, found.lengths, found.begins)
        begins += where.begins
        ends += where.ends
        first += len(ids)
    return Placed(begins, ends)


def strings(source: Source, ids: Tensor, spans: NDArray[np.int64]) -> list[str]:
    """The text of one span of each example (int64 [N, 2], bytes), as metrics of answers compare it."""
    return [texts(source, index, span[None])[0] for index, span in zip(ids.tolist(), spans, strict=True)]


def accepted(source: Source, ids: Tensor, answers: Sequence[NDArray[np.int64]]) -> list[list[str]]:
    """The texts of all accepted answers (int64 [A, 2]) of each example."""
    return [texts(source, index, own) for index, own in zip(ids.tolist(), answers, strict=True)]


def best_spans(starts: Tensor, stops: Tensor, longest: int = LONGEST) -> Tensor:
    """The first and last token with the highest sum of start and stop, first <= last < first + longest; of equal ones
    the shorter, then the earlier.

    Args:
        starts, stops: [..., N, L], minus infinity where there is no token.

    Returns:
        int64 [..., N, 2].
    """
    tokens = starts.shape[-1]
    best = starts.new_full(starts.shape[:-1], -torch.inf)
    span = torch.zeros(*best.shape, 2, dtype=torch.int64, device=starts.device)
    for further in range(min(longest, tokens)):
        value, first = (starts[..., : tokens - further] + stops[..., further:]).max(-1)
        better = value > best
        best = torch.where(better, value, best)
        span[better] = torch.stack([first, first + further], dim=-1)[better]
    return span
