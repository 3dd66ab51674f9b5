"""Labels carried by affinity: against the definition written out cell by cell, and what must not matter."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from harness.protocols._affinity import Rule, tiles
from harness.protocols._carrying import carried
from harness.protocols.propagate import PAPER

RULES = [
    PAPER,
    replace(PAPER, similarity="cosine", temperature=0.1, keep_first=True, references=2),
    replace(PAPER, similarity="euclidean", temperature=0.3, radius=2.0),
    replace(PAPER, similarity="dot", top_k=5, keep_first=True),
    replace(PAPER, similarity="cosine", temperature=0.1, top_k=3, radius=1.5, references=1),
    replace(PAPER, similarity="euclidean", temperature=0.1, top_k=4, radius=2.5, references=2, keep_first=True),
    replace(PAPER, similarity="euclidean", temperature=0.1, top_k=99, radius=1.0, references=2),
]


def _random(videos: int = 3, frames: int = 6, height: int = 5, width: int = 7, channels: int = 3) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(videos, frames, height, width, 8, generator=generator)
    first = torch.rand(videos, height, width, channels, generator=generator)
    return features, torch.full((videos,), frames), first / first.sum(-1, keepdim=True)


def _all(features: Tensor, lengths: Tensor, first: Tensor, rules: list[Rule], **block: int) -> dict[Rule, Tensor]:
    return dict(carried(features, lengths, first, rules, **block))


def _by_definition(features: Tensor, first: Tensor, rule: Rule) -> Tensor:
    """One video, [T, h, w, D] and [h, w, C]."""
    frames, height, width = features.shape[:3]
    variance = float((features - features.mean((0, 1, 2))).square().sum(-1).mean())
    cells = list(product(range(height), range(width)))
    labels = torch.zeros(frames, height, width, first.shape[-1])
    labels[0] = first
    for frame in range(1, frames):
        context = [frame - lag for lag in range(1, rule.references + 1) if frame >= lag]
        if rule.keep_first and 0 not in context:
            context.append(0)
        for y, x in cells:
            target = features[frame, y, x]
            found = []
            for source, (v, u) in product(context, cells):
                if rule.radius is not None and math.hypot(v - y, u - x) > rule.radius:
                    continue
                key = features[source, v, u]
                score = float(target @ key)
                if rule.similarity == "cosine":
                    score /= float(target.norm() * key.norm())
                if rule.similarity == "euclidean":
                    score = -float((target - key).square().sum()) / 2 / variance
                found.append((score, labels[source, v, u]))
            found.sort(key=lambda pair: -pair[0])
            found = found[: rule.top_k]
            weights = torch.softmax(torch.tensor([score for score, _ in found]) / rule.temperature, 0)
            labels[frame, y, x] = torch.stack([label for _, label in found]).T @ weights
    return labels


@pytest.mark.parametrize("rule", RULES)
def test_labels_are_carried_as_defined(rule: Rule) -> None:
    features, lengths, first = _random()
    (labels,) = _all(features, lengths, first, [rule]).values()
    for video in range(2):
        expected = _by_definition(features[video], first[video], rule)
        # among the most alike, nearness shifts scores by up to 1e-4 of their scale
        assert torch.allclose(labels[video], expected, atol=1e-5 if rule.top_k is None else 5e-3)


def test_rules_that_share_work_get_what_each_gets_alone() -> None:
    features, lengths, first = _random()
    together = _all(features, lengths, first, RULES)
    assert set(together) == set(RULES)
    for rule in RULES:
        alone = _all(features, lengths, first, [rule])[rule]
        assert torch.allclose(together[rule], alone, atol=1e-6)


@pytest.mark.parametrize("block", [20, 300, 5000])
def test_the_size_of_blocks_does_not_matter(block: int) -> None:
    features, lengths, first = _random(videos=2, frames=4, height=5, width=9)
    whole, cut = _all(features, lengths, first, RULES), _all(features, lengths, first, RULES, block=block)
    for rule in RULES:
        assert torch.allclose(whole[rule], cut[rule], atol=1e-5)


@pytest.mark.parametrize("radius", [None, 0.5, 3.0, 100.0])
@pytest.mark.parametrize("limit", [1, 2000, 10**9])
def test_tiles_cover_each_cell_once_with_all_keys_in_reach_and_keep_the_limit(radius: float | None, limit: int) -> None:
    seen: list[int] = []
    for tile in tiles(9, 14, radius, limit, torch.device("cpu")):
        assert tile.pairs <= limit or len(tile.targets) == 1
        assert tile.distance().shape == (len(tile.targets), len(tile.keys))
        for place, target in enumerate(tile.targets.tolist()):
            y, x = divmod(target, 14)
            near = {
                14 * v + u
                for v, u in product(range(9), range(14))
                if radius is None or math.hypot(v - y, u - x) <= radius
            }
            assert near <= set(tile.keys.tolist())
            apart = dict(zip(tile.keys.tolist(), tile.distance()[place].tolist(), strict=True))
            assert all(apart[14 * v + u] == (v - y) ** 2 + (u - x) ** 2 for v, u in (divmod(key, 14) for key in near))
        seen += tile.targets.tolist()
    assert sorted(seen) == list(range(9 * 14))


def test_labels_stay_distributions() -> None:
    features, lengths, first = _random()
    for labels in _all(features, lengths, first, RULES).values():
        assert torch.allclose(labels.sum(-1), torch.ones(labels.shape[:-1]), atol=1e-5)
        assert float(labels.min()) >= 0


def test_identical_frames_of_large_distinct_features_are_copied() -> None:
    features, lengths, first = _random()
    unit = torch.nn.functional.normalize(features, dim=-1)  # else a longer vector is more alike than oneself
    still = 30 * unit[:, :1].expand(-1, 6, -1, -1, -1)
    for rule in RULES:
        # only the dot product grows with the norm; for the others a low temperature does the same
        sharp = rule if rule.similarity == "dot" else replace(rule, temperature=1e-3)
        (labels,) = _all(still, lengths, first, [sharp]).values()
        assert torch.allclose(labels, first[:, None].expand_as(labels), atol=1e-4), rule


def test_renamed_objects_are_carried_alike() -> None:
    features, lengths, first = _random()
    order = [2, 0, 1]
    for rule in RULES:
        (plain,) = _all(features, lengths, first, [rule]).values()
        (renamed,) = _all(features, lengths, first[..., order], [rule]).values()
        assert torch.equal(renamed, plain[..., order])


@pytest.mark.parametrize("garbage", [7.0, math.nan, math.inf])
def test_what_stands_behind_a_videos_end_does_not_matter(garbage: float) -> None:
    features, _, first = _random()
    lengths = torch.tensor([6, 3, 5])
    padded = features.clone()
    padded[1, 3:], padded[2, 5:] = garbage, garbage
    together = _all(padded, lengths, first, RULES)
    for rule in RULES:
        for video, length in enumerate(lengths.tolist()):
            cut = features[video : video + 1, :length]
            (alone,) = _all(cut, torch.tensor([length]), first[video : video + 1], [rule]).values()
            assert torch.allclose(together[rule][video, :length], alone[0], atol=1e-6)


def test_only_earlier_frames_are_looked_at() -> None:
    features, lengths, first = _random()
    changed = features.clone()
    changed[:, 4:] += 1
    for rule in RULES:
        if rule.similarity == "euclidean":
            continue  # its unit is the variance of the whole video
        (before,), (after,) = (_all(given, lengths, first, [rule]).values() for given in (features, changed))
        # the scale by which nearness is counted is that of the whole video too
        assert torch.allclose(before[:, :4], after[:, :4], atol=1e-3)
        assert not torch.allclose(before[:, 4:], after[:, 4:], atol=1e-3)


def test_cells_without_contrast_keep_their_own_labels() -> None:
    """All keys are equally alike: nearness decides, so that labels spread evenly and do not drift."""
    features = torch.ones(1, 4, 9, 9, 2)
    first = torch.zeros(1, 9, 9, 1)
    first[0, 4, 4] = 1
    for top_k in (1, 5):
        rule = replace(PAPER, top_k=top_k, radius=3.0, references=1)
        (labels,) = _all(features, torch.tensor([4]), first, [rule]).values()
        last = labels[0, -1, ..., 0]
        assert torch.allclose(last, last.flip(0), atol=1e-4)
        assert torch.allclose(last, last.flip(1), atol=1e-4)
        assert int(last.argmax()) == 4 * 9 + 4
        if top_k == 1:
            assert torch.equal(last, first[0, ..., 0])


def test_a_radius_below_one_copies() -> None:
    features, lengths, first = _random()
    for top_k in (None, 1, 4):
        (labels,) = _all(features, lengths, first, [replace(PAPER, radius=0.5, top_k=top_k)]).values()
        assert torch.allclose(labels, first[:, None].expand_as(labels), atol=1e-6)
