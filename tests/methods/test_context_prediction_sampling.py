"""Where patches lie and which pairs they make."""

from __future__ import annotations

import random
from itertools import product

import pytest
import torch
from torch import Tensor

from methods.context_prediction import ContextPrediction, ContextPredictionConfig
from methods.context_prediction._sampling import ABSENT, OFFSETS, Layout, lay_out
from methods.context_prediction._stage import rescaled
from tests.methods.context_images import configured, keyed

SIZE = (80, 120)


def layout(config: ContextPredictionConfig, count: int = 400, size: tuple[int, int] = SIZE) -> Layout:
    return lay_out(torch.tensor(size).expand(count, 2), keyed(count), config, size)


def pairs(found: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """Of all pairs that are there: corner of the first, of the second, label."""
    image, pair = (found.labels != ABSENT).nonzero(as_tuple=True)
    first, second = found.pairs[image, pair].unbind(1)
    assert found.present[image, first].all()
    assert found.present[image, second].all()
    return found.corners[image, first], found.corners[image, second], found.labels[image, pair]


def test_labels_read_like_a_page_and_a_reversed_pair_has_seven_minus_label() -> None:
    assert OFFSETS == ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
    for label, (down, right) in enumerate(OFFSETS):
        assert OFFSETS[7 - label] == (-down, -right)


@pytest.mark.parametrize("sampler", ["grid", "uniform"])
def test_the_second_patch_lies_where_the_label_says(sampler: str) -> None:
    config = configured(sampler=sampler, gap=6, jitter=3)
    first, second, labels = pairs(layout(config))
    expected = torch.tensor(OFFSETS)[labels] * config.pitch
    off = (second - first) - expected
    # Both patches of a pair are jittered, each by whole pixels on its own.
    assert off.unique().tolist() == list(range(-2 * config.jitter, 2 * config.jitter + 1))


@pytest.mark.parametrize("sampler", ["grid", "uniform"])
@pytest.mark.parametrize(("gap", "jitter"), [(6, 3), (6, 1), (2, 1), (0, 0)])
def test_patches_keep_the_gap_less_twice_the_jitter_and_stay_in_the_image(sampler: str, gap: int, jitter: int) -> None:
    config = configured(sampler=sampler, gap=gap, jitter=jitter)
    found = layout(config)
    first, second, _ = pairs(found)
    between = ((second - first).abs() - config.patch).amax(1)  # of two squares: along the axis that parts them most
    at_border = _clamped(first, config) | _clamped(second, config)
    assert between[~at_border].min() >= gap - 2 * jitter
    assert between.min() >= 0
    there = found.corners[found.present]
    assert there.min() >= 0
    assert (there <= torch.tensor(SIZE) - config.patch).all()


def _clamped(corners: Tensor, config: ContextPredictionConfig) -> Tensor:
    return ((corners == 0) | (corners == torch.tensor(SIZE) - config.patch)).any(1)


def test_all_pairs_of_neighbours_in_a_grid_are_there_in_both_orders() -> None:
    found = layout(configured(), count=50)
    for image in range(50):
        there = found.labels[image] != ABSENT
        rows = {
            (first, second, label)
            for (first, second), label in zip(
                found.pairs[image][there].tolist(), found.labels[image][there].tolist(), strict=True
            )
        }
        assert {(second, first, 7 - label) for first, second, label in rows} == rows
        cells = found.present[image].nonzero()[:, 0].tolist()
        columns = (SIZE[1] + 2) // 19
        places = [divmod(cell, columns) for cell in cells]
        touching = sum(max(abs(a - c), abs(b - d)) == 1 for (a, b), (c, d) in product(places, places))  # king's moves
        assert len(rows) == there.sum() == touching


def test_the_origin_of_a_grid_is_uniform_over_one_pitch() -> None:
    config = configured(jitter=0)
    origins = layout(config, 8000).corners[:, 0]
    for axis in range(2):
        shares = torch.bincount(origins[:, axis], minlength=config.pitch) / 8000
        assert len(shares) == config.pitch
        assert (shares - 1 / config.pitch).abs().max() < 0.012


def test_grids_of_one_image_are_independent_and_never_paired_across() -> None:
    found = layout(configured(grids=3), count=60)
    assert (
        found.pairs[..., 0] // (found.present.shape[1] // 3) == found.pairs[..., 1] // (found.present.shape[1] // 3)
    ).all()
    corner = found.corners.view(60, 3, -1, 2)[:, :, 0]
    assert (corner[:, 0] != corner[:, 1]).any(1).float().mean() > 0.9


def test_labels_of_the_grid_are_as_frequent_as_in_the_released_code() -> None:
    """A plain loop over the released sampler's rules, and the frequencies that papers.md gives for it."""
    config = ContextPredictionConfig(grids=1)
    shapes = [(375, 500), (500, 375), (333, 500), (500, 333), (500, 500), (300, 400), (400, 300), (281, 500)]
    dice = random.Random(0)
    counted, ours = [0] * 8, torch.zeros(8)
    for height, width in shapes:
        for _ in range(1500):
            scale = (dice.randint(*config.pixels or (0, 0)) / (height * width)) ** 0.5
            rows, columns = (
                (int(side * scale) + config.gap - dice.randint(0, config.pitch - 1)) // config.pitch
                for side in (height, width)
            )
            for row, column, (label, (down, right)) in product(range(rows), range(columns), enumerate(OFFSETS)):
                counted[label] += 0 <= row + down < rows and 0 <= column + right < columns
        keys = keyed(1500, f"{height} x {width}")
        low, high = config.pixels or (0, 0)
        stored = torch.tensor([[height, width]]).expand(1500, 2)
        sizes = rescaled(stored, low + keys.fold("pixels").integers(high - low + 1))
        largest = rescaled(stored[:1], torch.tensor([high]))[0].tolist()
        labels = lay_out(sizes, keys, config, (largest[0], largest[1])).labels
        ours += torch.bincount(labels[labels != ABSENT], minlength=8)
    brute, mine = torch.tensor(counted) / sum(counted), ours / ours.sum()
    assert (mine - brute).abs().max() < 0.003
    diagonal, vertical, horizontal = mine[[0, 2, 5, 7]], mine[[1, 6]], mine[[3, 4]]
    assert ((diagonal - 0.102).abs() < 0.005).all()
    assert ((vertical - 0.145).abs() < 0.008).all()
    assert ((horizontal - 0.153).abs() < 0.008).all()


def test_the_uniform_sampler_takes_every_place_and_every_neighbour_that_fits_equally_often() -> None:
    config = configured(sampler="uniform", jitter=0, pairs=4)
    side = 3 * config.patch + 2 * config.gap + 3
    found = layout(config, 4000, (side, side))
    corner, _, label = pairs(found)
    assert len(corner) == 16000  # somewhere in such an image there is always a neighbour
    shares = torch.bincount(corner[:, 0], minlength=side - config.patch + 1) / len(corner)
    assert (shares - 1 / len(shares)).abs().max() < 0.005
    central = ((corner >= config.pitch) & (corner < side - config.patch - config.pitch + 1)).all(1)
    assert central.sum() > 50
    middle = torch.bincount(label[central], minlength=8) / central.sum()
    assert (middle - 1 / 8).abs().max() < 4 * (1 / 8 / float(central.sum())) ** 0.5


def test_a_first_patch_without_room_for_any_neighbour_makes_no_pair() -> None:
    config = configured(sampler="uniform", gap=4, jitter=0)
    found = layout(config, 200, (40, 40))  # from the middle, 21 pixels lead outside in all directions
    missing = found.labels == ABSENT
    assert missing.any()
    assert not missing.all()
    assert torch.equal(found.present.view(200, -1, 2).all(-1), ~missing)
    pairs(found)


def test_images_of_different_sizes_get_grids_of_their_own_size() -> None:
    config = configured(jitter=0)
    sizes = torch.tensor([[60, 120], [120, 60]]).repeat(100, 1)
    found = lay_out(sizes, keyed(200), config, (120, 120))
    fits = (found.corners + config.patch <= sizes[:, None]).all(-1)
    assert fits[found.present].all()
    across = found.corners[..., 1].masked_fill(~found.present, 0).amax(1)
    assert across[0::2].float().mean() > across[1::2].float().mean() + 40


def test_a_batch_of_the_paper_preset_is_that_of_the_released_code() -> None:
    training = ContextPrediction.presets["paper"].training
    config, count = ContextPredictionConfig(), 400
    assert config.pixels is not None
    patches = found = 0
    for shape in ((375, 500), (333, 500), (500, 500)):
        pixels = torch.linspace(*config.pixels, count).long()
        largest = rescaled(torch.tensor([shape]), torch.tensor([config.pixels[1]]))[0].tolist()
        sizes = rescaled(torch.tensor([shape]).expand(count, 2), pixels)
        drawn = lay_out(sizes, keyed(count), config, (largest[0], largest[1]))
        patches += int(drawn.present.sum())
        found += int((drawn.labels != ABSENT).sum())
    batches = 3 * count / training.batch_size
    assert 460 < patches / batches < 512, "as many whole grids as 512 patches hold"
    assert training.learning_rate * batches / found == pytest.approx(1e-5, rel=0.05), "on the sum over pairs"
