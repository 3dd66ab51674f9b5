"""The gallery: held-out text with words left out, and what is believed to stand there."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from methods._keys import Keys
from methods._method import Batch, TextPanel
from methods._wordpiece import MASK, PAD
from methods.bert._masking import NOTHING
from methods.bert._pairs import NEXT, UNASKED
from methods.bert._stage import Pretraining

#: Words shown of each sequence, guesses shown of each word, and letters in a line.
_WORDS, _GUESSES, _COLUMNS = 6, 3, 110


@torch.no_grad()
def draw_guesses(stage: Pretraining, vocabulary: Sequence[str], batch: Batch, keys: Keys) -> Iterator[TextPanel]:
    """A panel from held-out sequences, with a stage in evaluation mode; none if there is nothing to guess."""
    drawn = stage.draw(batch, keys)
    hidden = stage.hidden(drawn)
    logits, targets = stage.guesses(hidden, drawn)
    if not len(targets):
        return
    row, slot = (drawn.tensors["targets"] != NOTHING).nonzero(as_tuple=True)
    reads_ahead = int(stage.config.direction == "left_to_right")
    places = drawn.tensors["positions"][row, slot] + reads_ahead
    likely = logits.softmax(1).topk(min(_GUESSES, logits.shape[1]), dim=1)
    lines: list[str] = []
    for index, tokens in enumerate(drawn.tensors["tokens"].tolist()):
        mine = (row == index).nonzero()[:, 0]
        mine = mine[torch.linspace(0, len(mine) - 1, min(_WORDS, len(mine))).long().to(mine.device)]
        mine = mine[places[mine].argsort()]
        if not len(mine):
            continue
        numbers = {int(places[one]): number for number, one in enumerate(mine.tolist(), start=1)}
        lines += textwrap.wrap(_text(tokens, vocabulary, numbers, hide=bool(reads_ahead)), _COLUMNS)
        for number, one in enumerate(mine.tolist(), start=1):
            believed = zip(likely.indices[one].tolist(), likely.values[one].tolist(), strict=True)
            shown = ", ".join(f"{vocabulary[token]} {share:.0%}" for token, share in believed)
            mark = "right" if int(likely.indices[one, 0]) == int(targets[one]) else "wrong"
            lines.append(f"  <{number}> {vocabulary[int(targets[one])]}: {mark}; {shown}")
        lines += [*_next(stage, hidden[index], int(drawn.tensors["next"][index])), ""]
    accuracy = float((logits.argmax(1) == targets).float().mean())
    hidden_ones = "each read from what stands before it" if reads_ahead else "of which most are hidden"
    yield TextPanel(
        "What is believed to stand there",
        f"Held-out sequences with up to {_WORDS} of the predicted tokens numbered, {hidden_ones}; below, what stood "
        f"there, and the likeliest guesses. {accuracy:.1%} of all {len(targets)} predictions are right.",
        lines[:-1],
    )


def _text(tokens: Sequence[int], vocabulary: Sequence[str], numbers: Mapping[int, int], *, hide: bool) -> str:
    """Tokens as running text, those to be guessed as <1> where they are hidden, and as <1>seen where they are not."""
    words: list[str] = []
    for place, token in enumerate(tokens):
        if token == PAD:
            break
        piece = vocabulary[token]
        if place in numbers:
            words.append(f"<{numbers[place]}>{'' if hide or token == MASK else piece}")
        elif piece.startswith("##") and words:
            words[-1] += piece.removeprefix("##")
        else:
            words.append(piece)
    return " ".join(words)


def _next(stage: Pretraining, hidden: Tensor, label: int) -> Iterator[str]:
    if stage.next_head is None or label == UNASKED:
        return
    follows = float(stage.next_head(hidden[:1]).softmax(1)[0, NEXT])
    yield f"  second piece follows: {follows:.0%}; it {'does' if label == NEXT else 'does not'}"
