"""papers.md section 5: which tokens are selected, and what becomes of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from methods import Keys
from methods._wordpiece import CLS, MASK, PAD, SEP, SPECIAL_TOKENS
from methods.bert._masking import NOTHING, Masked, is_text, mask, next_tokens
from tests.methods.bert.texts import tiny

VOCABULARY = 50


def sequences(lengths: Tensor, room: int) -> Tensor:
    """[CLS] text [SEP] text [SEP] of these lengths, in tokens of the vocabulary that are not special."""
    place = torch.arange(room)
    tokens = len(SPECIAL_TOKENS) + (place * 7 + torch.arange(len(lengths))[:, None]) % (VOCABULARY - 5)
    tokens[:, 0] = CLS
    tokens = tokens.where(place != lengths[:, None] // 2, SEP)
    tokens = tokens.where(place != lengths[:, None] - 1, SEP)
    return tokens.where(place < lengths[:, None], PAD)


def masked(count: int = 400, length: int = 64, seed: int = 0, **config: object) -> tuple[Tensor, Tensor, Masked]:
    lengths = torch.full((count,), length)
    tokens = sequences(lengths, 64)
    keys = Keys.of(seed, "masks", torch.arange(count))
    return tokens, lengths, mask(tokens, lengths, keys, tiny(max_length=64, **config), VOCABULARY)


def test_the_number_of_selected_tokens_is_exact_for_every_length() -> None:
    lengths = torch.arange(5, 65).repeat(4)
    tokens = sequences(lengths, 64)
    drawn = mask(tokens, lengths, Keys.of(0, "masks", torch.arange(len(lengths))), tiny(max_length=64), VOCABULARY)
    expected = [max(1, round(0.15 * length)) for length in lengths.tolist()]
    assert (drawn.targets != NOTHING).sum(1).tolist() == expected


def test_no_more_than_max_predictions_are_selected() -> None:
    _, _, drawn = masked(max_predictions=4)
    assert (drawn.targets != NOTHING).sum(1).unique().tolist() == [4]
    assert drawn.targets.shape[1] == 4


def test_special_tokens_and_padding_are_never_selected_and_all_others_are_alike() -> None:
    tokens, _, drawn = masked(count=4000, length=40)
    chosen = torch.zeros_like(tokens).scatter_add(1, drawn.positions, (drawn.targets != NOTHING).long())
    assert chosen.max() == 1
    assert not chosen[~is_text(tokens)].any()
    often = chosen.sum(0)[is_text(tokens)[0]].double() / len(tokens)
    share = 6 / 37  # round(.15 * 40) of the tokens that are not special
    assert (often - share).abs().max() < 4.5 * math.sqrt(share * (1 - share) / len(tokens))


def test_a_sequence_without_text_has_nothing_to_predict() -> None:
    tokens = torch.tensor([[CLS, SEP] + [PAD] * 62])
    drawn = mask(tokens, torch.tensor([2]), Keys.of(0, "masks"), tiny(max_length=64), VOCABULARY)
    assert (drawn.targets == NOTHING).all()
    assert torch.equal(drawn.tokens, tokens)


def test_tokens_that_are_not_selected_are_as_they_were() -> None:
    tokens, _, drawn = masked()
    selected = torch.zeros_like(tokens, dtype=torch.bool)
    selected.scatter_(1, drawn.positions, drawn.targets != NOTHING)
    assert torch.equal(drawn.tokens[~selected], tokens[~selected])
    assert torch.equal(tokens.gather(1, drawn.positions)[drawn.targets != NOTHING], drawn.targets[drawn.targets >= 0])


@pytest.mark.parametrize("shares", [(0.8, 0.1), (1.0, 0.0), (0.0, 1.0), (0.5, 0.25), (0.0, 0.0)])
def test_shares_of_masked_replaced_and_kept_tokens(shares: tuple[float, float]) -> None:
    _, _, drawn = masked(count=3000, masked=shares[0], replaced=shares[1])
    valid = drawn.targets != NOTHING
    seen, targets = drawn.tokens.gather(1, drawn.positions)[valid], drawn.targets[valid]
    total = len(seen)
    # A random token is [MASK], or the token itself, once in VOCABULARY times each.
    expected = {
        "masked": shares[0] + shares[1] / VOCABULARY,
        "kept": 1 - sum(shares) + shares[1] / VOCABULARY,
    }
    found = {"masked": float((seen == MASK).double().mean()), "kept": float((seen == targets).double().mean())}
    for name, share in expected.items():
        assert abs(found[name] - share) <= 4 * math.sqrt(share * (1 - share) / total), name


def test_replacements_are_of_the_whole_vocabulary_and_drawn_after_selection() -> None:
    _, _, drawn = masked(count=3000, masked=0.0, replaced=1.0)
    valid = drawn.targets != NOTHING
    seen = drawn.tokens.gather(1, drawn.positions)[valid]
    counts = torch.bincount(seen, minlength=VOCABULARY).double()
    expected = len(seen) / VOCABULARY
    chi_square = float(((counts - expected).square() / expected).sum())
    assert len(counts) == VOCABULARY
    assert chi_square < 49 + 4 * math.sqrt(2 * 49)  # 49 degrees of freedom


def test_masks_are_keyed_by_example_and_fresh_at_every_presentation() -> None:
    first, again, other = masked(seed=0)[2], masked(seed=0)[2], masked(seed=1)[2]
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert (first.tokens != other.tokens).any(1).all()


def test_left_to_right_every_token_is_predicted_from_the_one_before() -> None:
    tokens = sequences(torch.tensor([20, 64]), 64)
    drawn = next_tokens(tokens)
    assert torch.equal(drawn.tokens, tokens)
    valid = drawn.targets != NOTHING
    assert valid.sum(1).tolist() == [17, 61]
    assert torch.equal(tokens.gather(1, drawn.positions + 1)[valid], drawn.targets[valid])
