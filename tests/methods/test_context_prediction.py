"""Context prediction: towers, fusion, loss, features of whole images, gallery."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from harness.report.gallery import tile_sheet
from methods import Drawn, Keys, Panel, Spec, roster
from methods.context_prediction import ContextPrediction, ContextPredictionConfig
from methods.context_prediction._pictures import _neighbours
from methods.context_prediction._sampling import ABSENT
from methods.context_prediction._stage import RelativePosition
from methods.context_prediction._towers import build_tower, centers
from tests.methods.context_images import RandomImages, build, configured

IDS = torch.arange(6)


def drawn(method: ContextPrediction, images: RandomImages, ids: Tensor = IDS, purpose: str = "test") -> Drawn:
    keys = Keys.of(0, purpose, ids)
    return method.stages()[0].draw(method.sample(images, ids, keys), keys)


def settled(images: RandomImages, **values: Any) -> ContextPrediction:
    """In evaluation mode, with batch statistics that fit the images."""
    method = build(images, **values)
    with torch.no_grad():
        for step in range(30):
            method.stages()[0](drawn(method, images, purpose=f"step {step}"))
    return method.eval()


# --- towers and fusion


def test_normalisation_has_neither_scale_nor_shift_and_is_where_the_released_code_has_it() -> None:
    for tower in ("small", "resnet18"):
        stage = build(RandomImages(), tower=tower).stages()[0]
        norms = [module for module in stage.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        assert norms
        assert not any(norm.affine for norm in norms)
    paper = RelativePosition(configured(patch=96, tower="caffenet", sides=(10, 95)), caffenet(), torch.zeros(3, 1, 1))
    widths = [m.num_features for m in paper.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert widths == [384, 384, 256, 32, 32]  # conv3, conv4, conv5, fc6, fc7
    assert all(not list(m.parameters()) for m in paper.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))


def caffenet() -> Any:
    return build_tower(configured(patch=96, tower="caffenet", sides=(10, 95)), 3)


def test_the_paper_tower_has_the_released_shapes() -> None:
    tower = caffenet().eval()
    maps, shapes = torch.zeros(1, 3, 96, 96), []
    for layer in tower.trunk:
        maps = layer(maps)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            shapes.append(tuple(maps.shape[1:]))
    assert shapes == [
        *[(96, 24, 24), (96, 12, 12), (256, 12, 12), (256, 6, 6)],
        *[(384, 6, 6), (384, 6, 6), (256, 6, 6), (256, 3, 3)],
    ]
    assert tower.fc6[0].weight.shape == (32, 256, 3, 3)
    assert ContextPredictionConfig().units == 4096


def test_weights_start_as_xavier_in_caffe() -> None:
    method = build(RandomImages(), units=64)
    for module in method.modules():
        if isinstance(module, nn.Conv2d):
            bound = math.sqrt(3 / module.weight[0].numel())
            assert 0.95 * bound < module.weight.abs().max() <= bound
    fc7 = method.stages()[0].fusion.fc7.weight
    bound = math.sqrt(3 / 128)  # of a layer over two codes of 64
    assert 0.95 * bound < fc7.abs().max() <= bound * 1.0001


def test_fusing_is_a_network_on_both_codes_side_by_side() -> None:
    method = settled(RandomImages())
    fusion, codes = method.stages()[0].fusion, torch.randn(7, 32)
    first, second = torch.tensor([0, 3, 6, 2]), torch.tensor([1, 2, 0, 2])
    as_first, as_second = fusion.fc7.weight.chunk(2)
    plain = nn.functional.linear(
        torch.cat([codes[first], codes[second]], dim=1), torch.cat([as_first, as_second], dim=1)
    )
    assert torch.allclose(fusion(codes, first, second), fusion.rest(plain), atol=1e-5)


def test_the_code_of_a_patch_does_not_depend_on_its_partner() -> None:
    method = settled(RandomImages())
    tower, patches = method.stages()[0].tower, torch.randn(20, 3, 17, 17)
    alone = torch.cat([tower(patch[None]) for patch in patches])
    assert torch.allclose(tower(patches), alone, atol=1e-5)


@pytest.mark.parametrize(
    ("tower", "sampler", "color"),
    [
        *[
            ("small", sampler, color)
            for sampler in ("grid", "uniform")
            for color in ("drop", "drop_rms", "project", "none")
        ],
        ("resnet18", "uniform", "drop"),
    ],
)
def test_every_variant_trains(tower: str, sampler: str, color: str) -> None:
    images = RandomImages()
    method = build(images, tower=tower, sampler=sampler, color=color)
    stage = method.stages()[0]
    terms = stage(drawn(method, images))
    torch.autograd.backward(terms.sums["position"])
    for name, parameter in stage.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


# --- loss


def test_the_loss_is_a_sum_over_pairs_weighed_by_their_number() -> None:
    images = RandomImages()
    method = settled(images)
    stage, whole = method.stages()[0], drawn(method, images)
    parts = [drawn(method, images, ids) for ids in (IDS[:2], IDS[2:])]
    assert whole.weights["position"] == (whole.tensors["labels"] != ABSENT).sum()
    assert whole.weights["position"] == sum(part.weights["position"] for part in parts)
    assert torch.allclose(
        stage(whole).sums["position"], torch.stack([stage(part).sums["position"] for part in parts]).sum(), rtol=1e-5
    )


def test_pairs_reach_the_fusion_as_drawn() -> None:
    """Logits of every pair are those of its two patches, found by hand."""
    images = RandomImages()
    method = settled(images)
    stage, found = method.stages()[0], drawn(method, images)
    logits, labels = stage.answer(found)
    rows = iter(range(len(found.tensors["patches"])))
    by_hand = []
    for present, pairs, wanted in zip(*(found.tensors[name] for name in ("present", "pairs", "labels")), strict=True):
        place = {slot: next(rows) for slot in present.nonzero()[:, 0].tolist()}
        for (first, second), label in zip(pairs.tolist(), wanted.tolist(), strict=True):
            if label != ABSENT:
                by_hand.append((place[first], place[second], label))
    assert [label for *_, label in by_hand] == labels.tolist()
    codes = stage.tower(found.tensors["patches"])
    first, second, _ = torch.tensor(by_hand).unbind(1)
    assert torch.allclose(logits, stage.fusion(codes, first, second), atol=1e-5)


def test_monitors_tell_accuracy_and_frequency_of_every_label() -> None:
    images = RandomImages(40)
    method = settled(images)
    found = drawn(method, images, torch.arange(40))
    with torch.no_grad():
        monitors, (logits, labels) = method.stages()[0](found).monitors, method.stages()[0].answer(found)
    values = {name: float(total / weight) for name, (total, weight) in monitors.items()}
    assert values["accuracy"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    shares = [values[f"share_{label}"] for label in range(8)]
    assert sum(shares) == pytest.approx(1)
    assert values["majority"] == pytest.approx(max(shares))
    assert sum(shares[label] * values[f"accuracy_{label}"] for label in range(8)) == pytest.approx(values["accuracy"])
    assert shares[3] == pytest.approx(shares[4]) == pytest.approx(float((labels == 3).float().mean()))


# --- features


@pytest.mark.parametrize("color", ["none", "project"])
def test_features_of_an_image_are_the_codes_of_its_patches(color: Literal["none", "project"]) -> None:
    images = RandomImages()
    method = settled(images, color=color)
    local = method.encode(method.examples(images, IDS))["fc6"]
    assert local.local is not None
    assert local.centers is not None
    pixels = (images.pixels.float() - method.stages()[0].mean) * (5 / 255)
    if color == "project":
        from methods.context_prediction._color import project

        pixels = project(pixels)
    for row, column in ((0, 0), (3, 8), (11, 11)):
        down, across = (local.centers[row, column] - 8).long().tolist()  # a patch of 17 has its centre at 8
        patch = pixels[:, :, down : down + 17, across : across + 17]
        assert torch.allclose(local.local[:, row, column], method.stages()[0].tower(patch), atol=1e-4)


@pytest.mark.parametrize("color", ["drop", "drop_rms"])
def test_where_colours_are_dropped_features_are_the_mean_over_the_channel_kept(color: str) -> None:
    images = RandomImages()
    method = settled(images, color=color)
    tower, mean = method.stages()[0].tower, method.stages()[0].mean
    pixels = (images.pixels.float() - mean) * (5 / 255)
    codes = []
    for channel in range(3):
        one = torch.zeros_like(pixels)
        one[:, channel] = pixels[:, channel]
        if color == "drop_rms":
            one[:, channel] -= one[:, channel].mean((1, 2), keepdim=True)
            one *= 50 / 255 * 5 / one.square().mean((1, 2, 3), keepdim=True).sqrt()
        codes.append(tower.fc6(tower.trunk(one)))
    found = method.encode(method.examples(images, IDS))["fc6"].local
    assert found is not None
    assert torch.allclose(found, torch.stack(codes).mean(0).movedim(1, -1), atol=1e-4)


def test_pooled_features_are_means_over_a_grid_of_cells() -> None:
    images = RandomImages()
    method = settled(images)
    features = method.encode(method.examples(images, IDS))["fc6"]
    assert features.local is not None
    assert features.pooled.shape == (6, 4 * 4 * 32)
    corner = features.local[:, :3, :3].mean((1, 2))  # 12 x 12 positions in 4 x 4 cells
    assert torch.allclose(features.pooled.view(6, 32, 4, 4)[:, :, 0, 0], corner, atol=1e-5)


@pytest.mark.parametrize("tower", ["small", "resnet18", "caffenet"])
def test_positions_and_maps_agree(tower: Literal["small", "resnet18", "caffenet"]) -> None:
    built = build_tower(configured(tower=tower, patch=96), 3).eval()
    for length in (96, 101, 128):
        with torch.no_grad():
            maps = built.trunk(torch.zeros(1, 3, length, 130))
        for side, size in zip(maps.shape[2:], (length, 130), strict=True):
            places = centers([built.trunk], size)
            assert len(places) == side
            assert (places.diff() == places.diff()[0]).all()
            assert -1 < places[0] < places[-1] < size


def test_images_are_encoded_at_the_size_of_training_and_places_told_in_stored_pixels() -> None:
    images = RandomImages(2, (3, 48, 72))
    method = build(images, tower="small", pixels=(3 * 48 * 72, 5 * 48 * 72)).eval()  # twice the sides on average
    features = method.encode(method.examples(images, torch.arange(2)))["fc6"]
    assert features.local is not None
    assert features.centers is not None
    assert features.local.shape[1:3] == ((96 - 17) // 4 + 1, (144 - 17) // 4 + 1)
    first = features.centers[0, 0]
    assert torch.allclose(first, torch.full((2,), 8.5 / 2 - 0.5))
    assert torch.allclose(features.centers[1, 1] - first, torch.tensor([2.0, 2.0]))


def test_grey_images_are_learned_from_without_colour_handling() -> None:
    images = RandomImages(6, (1, 64, 64))
    method = settled(images, color="none")
    assert torch.isfinite(method.stages()[0](drawn(method, images)).sums["position"])
    assert method.encode(method.examples(images, IDS))["fc6"].pooled.shape == (6, 512)
    for panel in method.gallery(images):
        tile_sheet(panel)


def test_the_mean_is_that_of_the_corpus() -> None:
    images = RandomImages(70)
    state = ContextPrediction.fit(configured(), images, Keys.of(0, "fit"))
    assert torch.allclose(state["mean"], images.pixels.double().mean((0, 2, 3)).float())


# --- gallery


def test_the_gallery_tells_accuracy_and_shows_pictures() -> None:
    images = RandomImages(40)
    method = settled(images)
    panels = list(method.gallery(images))
    assert [panel.images.shape[0] for panel in panels] == [4, 3, 8]
    for panel in panels:
        tile_sheet(panel)
    _, answers, neighbours = panels
    assert "most frequent label would be right for 1" in answers.caption
    assert neighbours.images.shape[:2] == (8, 6)


def test_neighbours_of_a_patch_are_its_copies_in_other_images() -> None:
    images = RandomImages(12)
    method = settled(images, color="none")
    patches = torch.randint(0, 256, (24, 3, 17, 17), dtype=torch.uint8)
    owner = torch.arange(24) // 2
    strong = (torch.arange(12) * 2).view(2, 6)  # the first patch of each image
    patches[1::2] //= 8  # has more contrast than the second
    patches[strong[1]] = patches[strong[0]]  # images 6 to 11 hold copies of those of images 0 to 5
    panel: Panel = _neighbours(method.stages()[0], patches, owner)
    assert (panel.images[:6, 0] == panel.images[:6, 1]).all()
    assert not (panel.images[:6, 0] == panel.images[:6, 2]).all()


# --- what it takes


def test_it_is_found_by_its_name() -> None:
    assert roster()["context_prediction"] is ContextPrediction


def spec(*shape: int, modality: Literal["image", "audio"] = "image") -> Spec:
    return Spec(modality=modality, shape=shape, size=100)


def test_fits_says_what_is_wrong_with_numbers() -> None:
    fits, config = ContextPrediction.fits, configured()
    assert fits(config, spec(3, 64, 64)) is None
    assert fits(config, spec(3, 38, 38)) is None
    small = fits(config, spec(3, 64, 37))
    assert small is not None
    assert "64 x 37" in small
    assert "more than 37" in small
    assert "audio" in str(fits(config, spec(modality="audio")))
    digits = fits(configured(color="none"), spec(1, 8, 8))
    assert digits is not None
    assert "8 x 8" in digits
    gray = fits(config, spec(1, 64, 64))
    assert gray is not None
    assert "color: none" in gray
    assert fits(configured(color="none"), spec(1, 64, 64)) is None
    tiny = fits(configured(patch=9, sides=(4, 8)), spec(3, 64, 64))
    assert tiny is not None
    assert "13 at least" in tiny


def test_the_paper_preset_rescales_small_images_and_refuses_narrow_ones() -> None:
    config = ContextPredictionConfig()
    assert ContextPrediction.fits(config, spec(3, 64, 64)) is None
    assert ContextPrediction.fits(config, spec(3, 375, 500)) is None
    narrow = ContextPrediction.fits(config, spec(3, 100, 300))
    assert narrow is not None
    assert "223 x 670 when rescaled to 150000" in narrow


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"gap": 4, "jitter": 3}, "jitter"),
        ({"gap": -1, "jitter": 0}, "gap"),
        ({"sides": (4, 17)}, "sides"),
        ({"pixels": (9, 4)}, "pixels"),
        ({"pixelated": 1.5}, "pixelated"),
        ({"units": 0}, "units"),
        ({"white": 0.0}, "white"),
        ({"colour": "drop"}, "colour"),
    ],
)
def test_contradicting_settings_are_refused_by_name(values: dict[str, Any], named: str) -> None:
    preset = ContextPrediction.presets["small"].config
    with pytest.raises(ValidationError, match=named):
        TypeAdapter(ContextPredictionConfig).validate_python({**preset, **values})


def test_batch_statistics_tie_examples_together() -> None:
    assert ContextPrediction.coupling(configured()) == {"batch_statistics"}
