"""What the loss is, as papers.md has it: over candidates, for a fixed context."""

from __future__ import annotations

import math

import pytest
import torch

from methods.cpc import CpcConfig
from methods.cpc._info_nce import Block, contrast, predict
from tests.methods.cpc.given import AHEAD, CONTEXT, WIDTH, batch, draw, stage


def test_the_softmax_is_over_candidates_with_the_context_fixed() -> None:
    """A candidate that scores high with every context costs every other context dearly, and its own nothing. Were the
    softmax over contexts, neither would change."""
    generator = torch.Generator().manual_seed(0)
    predictions, candidates = torch.randn(2, 6, WIDTH, generator=generator, dtype=torch.float64)
    scores = predictions @ candidates.T
    found = contrast(predictions, candidates, torch.arange(6), [Block(0, 6, 0, 6)])
    over_candidates = -scores.log_softmax(1).diagonal().sum()
    over_contexts = -scores.log_softmax(0).diagonal().sum()
    assert abs(float(over_candidates - over_contexts)) > 0.1
    torch.testing.assert_close(found.loss, over_candidates)
    # a shift of all scores of one context changes nothing, a shift of all scores of one candidate does
    longer = [torch.cat([part, torch.ones(6, 1).double()], 1) for part in (predictions, candidates)]
    by_context = contrast(
        torch.cat([predictions, torch.arange(6.0).double()[:, None]], 1),
        longer[1],
        torch.arange(6),
        [Block(0, 6, 0, 6)],
    )
    torch.testing.assert_close(by_context.loss, found.loss)
    by_candidate = contrast(
        longer[0], torch.cat([candidates, torch.arange(6.0).double()[:, None]], 1), torch.arange(6), [Block(0, 6, 0, 6)]
    )
    assert abs(float(by_candidate.loss - found.loss)) > 0.1


def test_the_estimate_never_exceeds_log_n() -> None:
    """Not even where every positive is told with certainty."""
    latents = 100 * torch.eye(8)
    found = contrast(latents, latents, torch.arange(8), [Block(0, 8, 0, 8)])
    assert found.correct.all()
    assert 0 <= float(found.loss) < 1e-6
    made = stage(CpcConfig())
    for seed in range(5):
        terms = made(draw(made, batch(4, seed=seed)))
        bound, log_n = terms.monitors["mutual_information"][0], terms.monitors["log_n"][0]
        assert bound <= log_n


def test_the_order_of_candidates_is_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    predictions, candidates = torch.randn(2, 9, WIDTH, generator=generator, dtype=torch.float64)
    positives = torch.randint(9, (9,), generator=generator)
    order = torch.randperm(9, generator=generator)
    first = contrast(predictions, candidates, positives, [Block(0, 9, 0, 9)])
    again = contrast(predictions, candidates[order], order.argsort()[positives], [Block(0, 9, 0, 9)])
    torch.testing.assert_close(again.loss, first.loss)
    assert torch.equal(again.correct, first.correct)


def test_a_false_negative_is_a_candidate_like_any_other() -> None:
    """A copy of the positive halves its likelihood, and it is above all others no more."""
    latents = 100 * torch.eye(4)
    alone = contrast(latents[:1], latents, torch.tensor([0]), [Block(0, 1, 0, 4)])
    copied = contrast(latents[:1], torch.cat([latents, latents[:1]]), torch.tensor([0]), [Block(0, 1, 0, 5)])
    assert float(alone.loss) == pytest.approx(0.0, abs=1e-6)
    assert alone.correct.item()
    assert float(copied.loss) == pytest.approx(math.log(2), rel=1e-6)
    assert not copied.correct.item()


@torch.no_grad()
def test_each_step_ahead_has_weights_of_its_own() -> None:
    """Changing W_3 changes what is said of three steps ahead, and of nothing else."""
    made = stage(CpcConfig())
    assert made.weights.shape == (AHEAD, CONTEXT, WIDTH)
    drawn = draw(made, batch(4))
    contexts = drawn.tensors["c"].flatten(0, 2)
    before = predict(contexts, made.weights)
    for step in range(AHEAD):
        torch.testing.assert_close(before[:, step], contexts @ made.weights[step])
    made.weights[2] *= -1
    changed = (predict(contexts, made.weights) != before).flatten(1).view(-1, AHEAD, WIDTH).any(-1).any(0)
    assert changed.tolist() == [False, False, True]


@torch.no_grad()
def test_accuracy_is_chance_where_positives_are_shuffled() -> None:
    """And one where latents are told by their contexts."""
    made = stage(CpcConfig())
    given = batch(40, steps=20, lanes=1)
    terms = made(draw(made, given))  # contexts and latents are drawn apart
    right = sum(float(terms.monitors[f"accuracy_{step}"][0]) for step in range(1, AHEAD + 1))
    asked = sum(float(terms.monitors[f"accuracy_{step}"][1]) for step in range(1, AHEAD + 1))
    chance = 1 / float(given["valid"].sum())
    assert asked > 1000
    assert abs(right - asked * chance) < 5 * math.sqrt(asked * chance)


def test_logits_are_cut_into_pieces_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> list[torch.Tensor]:
        made = stage(CpcConfig(negatives="mixed_excluding_current"))
        drawn = draw(made, batch(4))
        z = drawn.tensors["z"].requires_grad_()
        loss = made(drawn).sums["info_nce"]
        return [loss, *torch.autograd.grad(loss, [z, made.weights])]

    whole = found()
    monkeypatch.setattr("methods.cpc._info_nce._AT_ONCE", {"cpu": 100})
    for one, other in zip(whole, found(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
