"""The mathematics of colorization: papers.md section 3's invariants."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from methods.colorization._pointing import ABSENT, copy, logits, without_absent

CLIPS, TARGETS, REFERENCES, COLORS, DIMENSIONS = 2, 6, 15, 4, 5
#: What a softmax of probabilities cannot fall below for 16 colours: ln((e + 15) / e).
DOUBLE_SOFTMAX = math.log((math.e + 15) / math.e)


def features(scale: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(CLIPS, TARGETS, DIMENSIONS, generator=generator, dtype=torch.float64)
    references = torch.randn(CLIPS, REFERENCES, DIMENSIONS, generator=generator, dtype=torch.float64)
    return scale * targets, scale * references


def colors(count: int, seed: int = 1) -> Tensor:
    return torch.randint(COLORS, (CLIPS, count), generator=torch.Generator().manual_seed(seed))


def pointers(scale: float = 1.0) -> Tensor:
    targets, references = features(scale)
    return torch.bmm(targets, references.mT)


def test_logits_are_dot_products_over_the_temperature() -> None:
    targets, references = features()
    found = logits(targets, references, 0.5)
    assert torch.allclose(found, 2 * torch.einsum("nqd,npd->nqp", targets, references).float(), atol=1e-5)
    cosine = logits(3 * targets, references, 1.0, normalise=True)
    expected = functional.cosine_similarity(targets[:, :, None], references[:, None], dim=-1)
    assert torch.allclose(cosine, expected.float(), atol=1e-6)


def test_affinities_and_colors_are_distributions() -> None:
    pointing = pointers()
    assert torch.allclose(pointing.softmax(-1).sum(-1), torch.ones(CLIPS, TARGETS, dtype=torch.float64))
    distribution = copy(pointing, colors(REFERENCES), colors(TARGETS, 2), COLORS).distribution
    assert distribution.shape == (CLIPS, TARGETS, COLORS)
    assert (distribution >= 0).all()
    assert torch.allclose(distribution.sum(-1), torch.ones(CLIPS, TARGETS, dtype=torch.float64))


def test_equal_to_a_loop() -> None:
    """Eqs. 1 to 3, pixel by pixel, with plain Python's exp and log."""
    pointing, shown, true = pointers(), colors(REFERENCES), colors(TARGETS, 2)
    true = without_absent(true, shown, COLORS)
    true[0, 3] = ABSENT
    found = copy(pointing, shown, true, COLORS)
    loss = 0.0
    for clip in range(CLIPS):
        for j in range(TARGETS):
            weights = [math.exp(pointing[clip, j, i]) for i in range(REFERENCES)]
            copied = [0.0] * COLORS
            for i, weight in enumerate(weights):
                copied[int(shown[clip, i])] += weight / sum(weights)
            assert found.distribution[clip, j].tolist() == pytest.approx(copied, abs=1e-12)
            if true[clip, j] != ABSENT:
                loss -= math.log(copied[int(true[clip, j])])
    assert float(found.loss) == pytest.approx(loss, rel=1e-12)


def test_another_numbering_of_the_palette_numbers_the_answer_alike() -> None:
    pointing, shown, true = pointers(), colors(REFERENCES), colors(TARGETS, 2)
    numbers = torch.tensor([2, 0, 3, 1])
    before, after = copy(pointing, shown, true, COLORS), copy(pointing, numbers[shown], numbers[true], COLORS)
    assert torch.allclose(after.distribution[..., numbers], before.distribution, rtol=0, atol=1e-15)
    assert float(after.loss) == pytest.approx(float(before.loss), rel=1e-14)


def test_distinct_pixels_of_equal_frames_copy_themselves() -> None:
    """And the loss vanishes, which it cannot if the mixture goes through another softmax."""
    many = 16
    embeddings = 20 * torch.eye(many)[None]
    own = torch.randperm(many, generator=torch.Generator().manual_seed(0))[None]
    found = copy(logits(embeddings, embeddings, 1.0), own, own, many)
    assert torch.equal(found.distribution.argmax(-1), own)
    assert torch.allclose(found.distribution, functional.one_hot(own, many).float(), atol=1e-6)
    assert 0 <= float(found.loss) / many < 1e-4 < DOUBLE_SOFTMAX
    twice = functional.cross_entropy(found.distribution[0], own[0])
    assert float(twice) >= DOUBLE_SOFTMAX - 1e-6, "the bound is what the mistake cannot pass"


@pytest.mark.parametrize("scale", [1.0, 8.0, 40.0])
def test_far_behind_in_float32_is_as_in_float64(scale: float) -> None:
    """At the last scale, all references of a pixel's colour underflow: values and gradients stay right."""
    shown, true = colors(REFERENCES), colors(TARGETS, 2)
    found = []
    for dtype in (torch.float32, torch.float64):
        pointing = pointers(scale).to(dtype).requires_grad_()
        loss = copy(pointing, shown, true, COLORS).loss
        torch.autograd.backward(loss)
        assert pointing.grad is not None
        found.append((loss.detach().double(), pointing.grad.double()))
    (loss, slope), (exact, exact_slope) = found
    assert torch.allclose(loss, exact, rtol=1e-5)
    assert torch.allclose(slope, exact_slope, atol=1e-4)


def test_the_last_scale_does_underflow() -> None:
    likelihood = copy(pointers(40.0).float(), colors(REFERENCES), colors(TARGETS, 2), COLORS).distribution
    assert (likelihood.gather(2, colors(TARGETS, 2)[..., None]) < 1e-38).any()


def test_colors_that_no_reference_shows_are_left_out() -> None:
    shown, true = torch.tensor([[0, 2, 2], [1, 1, 1]]), torch.tensor([[0, 1, 2, 3], [0, 1, 2, 1]])
    expected = [[0, ABSENT, 2, ABSENT], [ABSENT, 1, ABSENT, 1]]
    assert without_absent(true, shown, COLORS).tolist() == expected
