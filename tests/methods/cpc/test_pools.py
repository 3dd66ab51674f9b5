"""InfoNCE of every pool, against a loop over contexts, steps and candidates."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from methods import Drawn, Keys, Spec
from methods.cpc import Cpc, CpcConfig
from methods.cpc._config import Pool
from methods.cpc._pools import companions
from methods.cpc._speakers import Speakers
from methods.cpc._stage import PRESENT, Predicting
from tests.methods.cpc.given import AHEAD, batch, draw, stage
from tests.toys import ToyColumn, ToySource

POOLS = get_args(Pool)
every_pool = pytest.mark.parametrize("pool", POOLS)


def configured(pool: Pool) -> CpcConfig:
    return CpcConfig(negatives=pool, companions=2)


class Expected:
    """Sums by a loop: over examples, times, lanes and steps ahead, and for each over all candidates in turn."""

    def __init__(self, made: Predicting, drawn: Drawn) -> None:
        pool, together = made.config.negatives, 1 + companions(made.config)
        z, c, valid = (drawn.tensors[name] for name in ("z", "c", "valid"))
        self.loss, self.count, self.log_n = 0.0, 0, 0.0
        self.right = [[0, 0] for _ in range(AHEAD)]
        for row in range(0, len(z), together):
            for time, lane in valid[row].nonzero().tolist():
                for step in range(1, AHEAD + 1):
                    if time + step >= z.shape[1] or not valid[row, time + step, lane]:
                        continue
                    predicted = made.weights[step - 1].T @ c[row, time, lane]
                    positive = float(z[row, time + step, lane] @ predicted)
                    negatives = []
                    for other, when, where in valid.nonzero().tolist():
                        itself = (other, when, where) == (row, time + step, lane)
                        if not itself and allowed(pool, row, other, together):
                            negatives.append(float(z[other, when, where] @ predicted))
                    if negatives:
                        scores = torch.tensor([positive, *negatives], dtype=torch.float64)
                        self.loss -= float(scores.log_softmax(0)[0])
                        self.log_n += float(torch.tensor(len(scores)).double().log())
                        self.count += 1
                        self.right[step - 1][0] += positive > max(negatives)
                        self.right[step - 1][1] += 1


def allowed(pool: Pool, row: int, other: int, together: int) -> bool:
    match pool:
        case "mixed":
            return True
        case "mixed_excluding_current":
            return other != row
        case "same_speaker":
            return row <= other < row + together
        case "same_speaker_excluding_current":
            return row < other < row + together
        case "current_sequence":
            return other == row


@every_pool
@torch.no_grad()
def test_all_at_once_is_what_a_loop_finds(pool: Pool) -> None:
    config = configured(pool)
    made = stage(config)
    drawn = draw(made, batch(4, 1 + companions(config)))
    expected = Expected(made, drawn)
    terms = made(drawn)
    assert float(drawn.weights["info_nce"]) == expected.count > 0
    assert float(terms.sums["info_nce"]) == pytest.approx(expected.loss, rel=1e-6)
    assert float(terms.monitors["log_n"][0]) == pytest.approx(expected.log_n, rel=1e-6)
    bound = float(terms.monitors["mutual_information"][0])
    assert bound == pytest.approx(expected.log_n - expected.loss, rel=1e-4)
    for step, (right, asked) in enumerate(expected.right, start=1):
        assert [float(part) for part in terms.monitors[f"accuracy_{step}"]] == [right, asked]


@every_pool
def test_without_weights_the_loss_is_that_of_guessing(pool: Pool) -> None:
    config = configured(pool)
    made = stage(config)
    torch.nn.init.zeros_(made.weights)
    drawn = draw(made, batch(4, 1 + companions(config)))
    terms = made(drawn)
    torch.testing.assert_close(terms.sums["info_nce"].float(), terms.monitors["log_n"][0].float())


def test_without_weights_all_steps_of_a_batch_are_equally_likely() -> None:
    made = stage(CpcConfig())
    torch.nn.init.zeros_(made.weights)
    given = batch(4)
    terms, drawn = made(draw(made, given)), draw(made, given)
    mean = terms.sums["info_nce"] / drawn.weights["info_nce"]
    torch.testing.assert_close(mean, given["valid"].sum().float().log())


@every_pool
def test_gradients_are_those_of_the_loss(pool: Pool) -> None:
    """By finite differences, along random directions of latents, contexts and weights."""
    config = configured(pool)
    made = stage(config)
    drawn = draw(made, batch(3, 1 + companions(config), steps=5))
    inputs = [drawn.tensors["z"].requires_grad_(), drawn.tensors["c"].requires_grad_(), made.weights]
    gradients = torch.autograd.grad(made(drawn).sums["info_nce"], inputs)
    generator = torch.Generator().manual_seed(0)
    for tensor, gradient in zip(inputs, gradients, strict=True):
        direction = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype) * 1e-3
        with torch.no_grad():
            tensor += direction
            above = made(drawn).sums["info_nce"].double()
            tensor -= 2 * direction
            below = made(drawn).sums["info_nce"].double()
            tensor += direction
        assert float(above - below) == pytest.approx(float(2 * (gradient * direction).sum()), rel=2e-3, abs=1e-5)


@torch.no_grad()
def test_a_sequence_alone_asks_nothing_where_its_own_steps_are_no_negatives() -> None:
    for pool, own in (("mixed_excluding_current", 1), ("same_speaker_excluding_current", 3)):
        made = stage(configured(pool))
        given = batch(1, own)
        given[PRESENT][:, 1:] = False
        drawn = draw(made, given)
        assert float(drawn.weights["info_nce"]) == 0
        assert float(made(drawn).sums["info_nce"]) == 0


def test_steps_that_are_not_real_take_no_part() -> None:
    """Whatever stands there, and no gradient reaches it."""
    made = stage(CpcConfig())
    given = batch(4)
    drawn = draw(made, given)
    loss = made(drawn).sums["info_nce"]
    padding = ~given["valid"]
    other = {**given, "z": given["z"].clone(), "c": given["c"].clone()}
    other["z"][padding], other["c"][padding] = 1e3, -1e3
    assert torch.equal(made(draw(made, other)).sums["info_nce"], loss)
    z = drawn.tensors["z"].requires_grad_()
    (gradient,) = torch.autograd.grad(made(drawn).sums["info_nce"], z)
    assert not gradient[padding].any()
    assert gradient[given["valid"]].any()


def speakers() -> ToySource:
    """Eleven recordings: 0, 3, 6, 9 of one speaker, 1, 4, 7, 10 of another, 2, 5 of a third, 8 of a fourth."""
    groups = [0, 1, 2, 0, 1, 2, 0, 1, 3, 0, 1]
    column = ToyColumn(torch.tensor(groups).numpy()[:, None].astype("int64"))
    flat = ToyColumn([row[0] for row in column.rows])
    return ToySource(Spec(modality="audio", shape=(), size=11, groups=True, rate=8000), {}, flat)


def test_companions_are_others_of_the_same_speaker_each_once() -> None:
    found = Speakers(speakers())
    ids = torch.tensor([0, 2, 8, 4])
    seen: list[set[int]] = [set() for _ in ids]
    for seed in range(40):
        others, there = found.others(ids, Keys.of(seed, "companions", ids), 2)
        assert there.tolist() == [[True, True], [True, False], [False, False], [True, True]]
        assert others[1].tolist() == [5, 2]
        assert others[2].tolist() == [8, 8]
        for known, row, real in zip(seen, others.tolist(), there.tolist(), strict=True):
            real_ones = [one for one, is_there in zip(row, real, strict=True) if is_there]
            assert len(set(real_ones)) == len(real_ones)
            known.update(real_ones)
    assert seen == [{3, 6, 9}, {5}, set(), {1, 7, 10}]
    again, _ = found.others(ids[1:], Keys.of(39, "companions", ids)[1:], 2)
    assert torch.equal(again, others[1:]), "companions depend on batch-mates"


def test_negatives_of_the_same_speaker_need_groups() -> None:
    spec = Spec(modality="audio", shape=(), size=9, rate=16000)
    for pool in POOLS:
        reason = Cpc.fits(CpcConfig(negatives=pool), spec)
        assert (reason is not None and "groups" in reason) == pool.startswith("same_speaker")
        assert Cpc.fits(CpcConfig(negatives=pool), Spec(**{**vars(spec), "groups": True})) is None


def test_what_ties_batch_mates_is_said() -> None:
    for pool in POOLS:
        assert Cpc.coupling(CpcConfig(negatives=pool)) == ({"negatives"} if pool.startswith("mixed") else set())


def test_other_ranks_hold_no_negatives_of_ones_own() -> None:
    with pytest.raises(ValueError, match="across_ranks"):
        CpcConfig(negatives="current_sequence", across_ranks=True)
