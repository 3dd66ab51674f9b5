"""Which tokens are predicted, and what stands in their place."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from methods._keys import Keys
from methods._wordpiece import CLS, MASK, PAD, SEP
from methods.bert._config import BertConfig

#: The target of a place where nothing is predicted.
NOTHING = -1


class Masked(NamedTuple):
    """A batch with something to predict: room for P predictions in each sequence."""

    tokens: Tensor  #: int64 [N, L]; as the encoder sees them
    positions: Tensor  #: int64 [N, P]; where the output is read
    targets: Tensor  #: int64 [N, P]; the token that was there, or NOTHING


def is_text(tokens: Tensor) -> Tensor:
    """Neither padding nor [CLS] nor [SEP]: bool, of the shape of `tokens`."""
    return (tokens != PAD) & (tokens != CLS) & (tokens != SEP)


def mask(tokens: Tensor, lengths: Tensor, keys: Keys, config: BertConfig, vocabulary: int) -> Masked:
    """Selects max(1, round(selected x length)) tokens of each sequence, no special ones and at most `predictions`, and
    puts [MASK] or a random entry of the whole vocabulary, special ones included, in the place of some.

    Fewer where the sequence has fewer that are not special: none in [CLS] [SEP].

    Args:
        tokens, lengths: int64 [N, L], [N].
    """
    candidate = is_text(tokens)
    count = (lengths.double() * config.selected).round().long().clamp_min(1)  # half to even, as Python's round
    count = count.clamp_max(config.predictions).minimum(candidate.sum(1))
    room = min(config.predictions, tokens.shape[1])
    lots = keys.fold("select").uniform(tokens.shape[1]).masked_fill(~candidate, -1.0)
    positions = lots.topk(room, dim=1).indices  # candidates first
    selected = torch.arange(room, device=tokens.device) < count[:, None]
    originals = tokens.gather(1, positions)
    die = keys.fold("replace").uniform(room)
    random = keys.fold("random").integers(vocabulary, room)
    seen = torch.where(die < config.masked, MASK, originals)
    seen = torch.where((die >= config.masked) & (die < config.masked + config.replaced), random, seen)
    seen = torch.where(selected, seen, originals)
    return Masked(tokens.scatter(1, positions, seen), positions, torch.where(selected, originals, NOTHING))


def next_tokens(tokens: Tensor) -> Masked:
    """Every token that is not special, to be predicted from those before it; nothing is masked."""
    following = tokens[:, 1:]
    positions = torch.arange(following.shape[1], device=tokens.device).expand_as(following)
    return Masked(tokens, positions, torch.where(is_text(following), following, NOTHING))
