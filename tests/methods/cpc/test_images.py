"""Images: grids of gray patches, and rows that see nothing below them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods import Keys, Spec
from methods.cpc._config import CpcConfig, ImageConfig
from methods.cpc._image import ImageTower
from methods.cpc._image_encoders import ResNet
from methods.cpc._image_patches import Grid, Places, centers, cut, draw_places, gray, lay_grid, middle_places

SMALL = ImageConfig(
    rescaled=None, crop=None, patch=16, overlap=8, kept=14, encoder="small", width=32, blocks=2, hidden=16, ahead=3
)


def tower(side: int = 64, channels: int = 3, **config: object) -> ImageTower:
    torch.manual_seed(0)
    image = ImageConfig(**{**SMALL.__dict__, **config})  # type: ignore[arg-type]
    return ImageTower(CpcConfig(image=image), Spec(modality="image", shape=(channels, side, side), size=8), {})


def pictures(count: int = 4, side: int = 64, channels: int = 3, seed: int = 0) -> Tensor:
    dice = np.random.default_rng(seed)
    return torch.from_numpy(dice.integers(0, 256, (count, channels, side, side), dtype=np.uint8))


def keys(count: int = 4, seed: int = 0) -> Keys:
    return Keys.of(seed, "test", torch.arange(count))


def by_hand(image: Tensor, places: Places, index: int, grid: Grid, config: ImageConfig) -> Tensor:
    """Patches of one gray image [H, W], cut one by one."""
    top, left = places.corner[index].tolist()
    area = image[top : top + grid.area[0], left : left + grid.area[1]]
    area = area.flip(1) if places.flipped[index] else area
    patches = torch.zeros(*grid.cells, config.patch, config.patch)
    frame, kept = (config.patch - config.kept) // 2, config.kept
    for row in range(grid.cells[0]):
        for column in range(grid.cells[1]):
            down, right = places.offsets[index, row, column].tolist()
            y, x = row * config.stride + down, column * config.stride + right
            patches[row, column, frame : frame + kept, frame : frame + kept] = area[y : y + kept, x : x + kept]
    return patches


def test_the_papers_grid_has_seven_rows_of_seven() -> None:
    grid = lay_grid(375, 500, ImageConfig())
    assert grid.size == (300, 400)
    assert grid.cells == (7, 7)
    assert grid.area == (256, 256)


@pytest.mark.parametrize("kept", [16, 14, 11])
def test_patches_are_those_cut_one_by_one(kept: int) -> None:
    config = ImageConfig(**{**SMALL.__dict__, "kept": kept, "crop": 60})
    grid = lay_grid(64, 70, config)
    assert grid.cells == (6, 6)
    images = pictures()[..., :64].repeat(1, 1, 1, 2)[..., :70]
    places = draw_places(grid, keys(), config)
    assert len(places.corner.unique(dim=0)) > 1
    assert places.flipped.any()
    assert not places.flipped.all()
    found = cut(images, places, grid, config)
    for index, image in enumerate(gray(images)):
        torch.testing.assert_close(found[index], by_hand(image, places, index, grid, config))


def test_neighbours_share_what_overlaps() -> None:
    config = ImageConfig(**{**SMALL.__dict__, "kept": 16, "overlap": 6})
    grid = lay_grid(64, 64, config)
    patches = cut(pictures(), middle_places(4, grid, config, torch.device("cpu")), grid, config)
    assert torch.equal(patches[:, :-1, :, 10:], patches[:, 1:, :, :6])
    assert torch.equal(patches[:, :, :-1, :, 10:], patches[:, :, 1:, :, :6])


def test_dice_are_each_examples_own_and_each_patchs() -> None:
    drawn = tower().draw({"image": pictures()}, keys())["patches"]
    part = tower().draw({"image": pictures()[2:]}, keys()[slice(2, 4)])["patches"]
    assert torch.equal(drawn[2:], part)
    assert not torch.equal(drawn, tower().draw({"image": pictures()}, keys(seed=1))["patches"])
    config = ImageConfig()
    offsets = draw_places(lay_grid(300, 300, config), keys(64), config).offsets
    assert offsets.min() == 0
    assert offsets.max() == 4
    assert (offsets == offsets[:, :1, :1]).all(-1).float().mean() < 0.1  # else a patch's place would tell of another's


def test_colour_changes_nothing_that_gray_does_not() -> None:
    images = pictures()
    plain = gray(images).add(1).mul(127.5).round().to(torch.uint8)[:, None]
    assert (gray(images) - gray(plain)).abs().max() <= 0.51 / 127.5
    one, three = tower(channels=1), tower()
    one.load_state_dict(three.state_dict())
    for name, features in one.encode({"image": plain}).items():
        torch.testing.assert_close(features, three.encode({"image": plain.repeat(1, 3, 1, 1)})[name])


@pytest.mark.parametrize("encoder", ["small", "resnet_v2_101"])
def test_nothing_is_normalised_over_batch_rows_or_patch(encoder: str) -> None:
    for module in tower(encoder=encoder, width=16).modules():
        assert "Norm" not in type(module).__name__


def test_a_context_sees_its_row_and_those_above_and_none_below() -> None:
    one = tower(blocks=3)
    patches = one.draw({"image": pictures()}, keys())["patches"]
    before = one.observe({"patches": patches})
    for row in (1, 4):
        changed = patches.clone()
        changed[:, row] = torch.randn_like(changed[:, row])
        after = one.observe({"patches": changed})
        assert torch.equal(after.c[:, :row], before.c[:, :row])
        assert torch.equal(after.z[:, :row], before.z[:, :row])
        assert (after.c[:, row] != before.c[:, row]).any(-1).all()
        assert (after.c[:, row + 1] != before.c[:, row + 1]).any(-1).all()
    changed = patches.clone()
    changed[:, 2, 3] = 0
    seen = (one.observe({"patches": changed}).c != before.c).any(-1).any(0)
    assert seen[2].tolist() == [True] * 7  # three blocks see three columns to both sides
    assert seen[5, 3]


def test_the_grids_features_are_those_of_patches_from_the_middle() -> None:
    one, images = tower(), pictures()
    features = one.encode({"image": images})
    z = one.observe({"patches": cut(images, middle_places(4, one.grid, one.config, images.device), one.grid, SMALL)}).z
    local = features["z"].local
    assert local is not None
    torch.testing.assert_close(local, z)
    for each in features.values():
        assert each.local is not None
        torch.testing.assert_close(each.pooled, each.local.mean((1, 2)))


def test_features_do_not_depend_on_the_pieces_they_are_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    one, images = tower(), pictures()
    whole = one.encode({"image": images})
    monkeypatch.setattr("methods.cpc._image.AT_ONCE", 1)
    for name, features in one.encode({"image": images}).items():
        torch.testing.assert_close(features.pooled, whole[name].pooled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("side", "rescaled", "crop"), [(64, None, None), (67, None, 40), (128, 64, 56), (40, 64, 60)])
def test_centres_are_where_the_patches_lie(side: int, rescaled: int | None, crop: int | None) -> None:
    """On ramps, the mean of a patch says where its centre is."""
    config = ImageConfig(**{**SMALL.__dict__, "rescaled": rescaled, "crop": crop, "kept": 16})
    grid = lay_grid(side, side, config)
    ramp = torch.arange(side, dtype=torch.uint8).expand(side, side)
    images = torch.stack([ramp.T, ramp])[:, None]
    patches = cut(images, middle_places(2, grid, config, images.device), grid, config)
    found = (patches.mean((-2, -1)) + 1) * 127.5
    error = (found.movedim(0, -1) - centers(grid, config)).abs()
    assert error.max() < (0.01 if rescaled is None else 0.5)  # resampling has less to see at the rim


@pytest.mark.parametrize(
    ("shape", "cells"), [((1, 8, 8), "0 x 0"), ((1, 28, 28), "2 x 2"), ((3, 31, 200), "2 x 24"), ((3, 12, 64), "0 x 7")]
)
def test_images_without_enough_rows_are_refused(shape: tuple[int, int, int], cells: str) -> None:
    reason = ImageTower.fits(CpcConfig(image=SMALL), Spec(modality="image", shape=shape, size=9))
    assert reason is not None
    assert f"{shape[1]} x {shape[2]} hold a grid of {cells} patches" in reason
    assert "at least 3" in reason


def test_small_images_fit_with_smaller_patches() -> None:
    config = ImageConfig(**{**SMALL.__dict__, "patch": 8, "overlap": 4, "kept": 7})
    spec = Spec(modality="image", shape=(1, 28, 28), size=9)
    assert ImageTower.fits(CpcConfig(image=config), spec) is None
    one = ImageTower(CpcConfig(image=config), spec, {})
    assert one.grid.cells == (6, 6)
    assert one.encode({"image": pictures(side=28, channels=1)})["c"].pooled.shape == (4, 32)


def test_no_more_rows_are_predicted_than_there_are() -> None:
    assert tower(side=32).ahead == 2
    assert tower(side=64).ahead == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"overlap": 64}, "overlap is 64"),
        ({"kept": 65}, "kept is 65"),
        ({"patch": 6, "overlap": 3, "kept": 6}, "patch is 6"),
        ({"width": 24}, "width is 24"),
        ({"crop": 301}, "crop is 301, but images are rescaled to 300"),
        ({"flipped": 1.5}, "flipped is 1.5"),
        ({"blocks": 0}, "blocks is 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageConfig(**config)  # type: ignore[arg-type]


def test_the_papers_network_up_to_its_third_block() -> None:
    """Parameters of ResNet-v2-101 up to the third block, counted layer by layer, with biases in the place of
    normalisation and one input channel."""
    with torch.device("meta"):
        network = ResNet(1024)
        assert network(torch.empty(2, 1, 64, 64)).shape == (2, 1024)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 1 + 3 * (3 + 4 + 23) + 3
    weights = 49 * 64
    for inputs, inner, units in ((64, 64, 3), (256, 128, 4), (512, 256, 23)):
        weights += inputs * 4 * inner + inputs * inner + (units - 1) * 4 * inner * inner
        weights += units * (9 * inner * inner + 4 * inner * inner)
    assert sum(module.weight.numel() for module in convolutions) == weights


def test_without_normalisation_thirty_units_keep_the_scale() -> None:
    torch.manual_seed(0)
    network = ResNet(128)
    with torch.no_grad():
        outputs = network(torch.rand(8, 1, 64, 64) * 2 - 1)
    assert 0.1 < outputs.std() < 10
