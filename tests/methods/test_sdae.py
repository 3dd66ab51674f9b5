from __future__ import annotations

import copy
import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.torch import load, save
from scipy import stats

from methods import Drawn, Keys, Spec, roster
from methods.sdae import Corruption, Denoiser, Emphasis, SdaeConfig, StackedDenoisingAutoencoder, corrupt
from tests.methods.random_images import RandomImages

Kind = Literal["masking", "salt_and_pepper", "gaussian"]
KINDS: tuple[Kind, ...] = ("masking", "salt_and_pepper", "gaussian")
SHAPE = (1, 6, 7)


class Images(RandomImages):
    """No pixel is zero, so that masked ones can be told."""

    def __init__(self, count: int = 24, shape: tuple[int, ...] = SHAPE) -> None:
        super().__init__(count, shape, least=1)


def build(images: Images, seed: int = 0, **config: Any) -> StackedDenoisingAutoencoder:
    torch.manual_seed(seed)
    return StackedDenoisingAutoencoder(SdaeConfig(**{"width": 16, **config}), images.spec, {})


def keyed(step: int, count: int) -> Keys:
    return Keys.of(0, f"test/{step}", torch.arange(count))


def train(method: StackedDenoisingAutoencoder, images: Images, steps: int = 5, rate: float = 0.1) -> list[list[float]]:
    """Greedy training by a plain loop; the losses of every stage."""
    losses: list[list[float]] = []
    for stage in method.stages():
        losses.append([])
        for step in range(steps):
            ids = torch.arange(len(images))
            drawn = stage.draw(method.sample(images, ids, keyed(step, len(ids))), keyed(step, len(ids)))
            loss = stage(drawn).sums["reconstruction"] / drawn.weights["reconstruction"]
            losses[-1].append(loss.item())
            gradients = torch.autograd.grad(loss, list(stage.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(stage.parameters(), gradients, strict=True):
                    parameter.sub_(rate * gradient)
    return losses


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


# --- corruption


@pytest.mark.parametrize("level", [0.1, 0.25, 0.4, 0.5, 1.0])
@pytest.mark.parametrize("size", [10, 42, 784])
def test_masking_imposes_exactly_that_many_zeros_on_every_example(level: float, size: int) -> None:
    clean = torch.full((50, size), 0.5)
    corrupted, chosen = corrupt(clean, keyed(0, 50), Corruption(level=level))
    assert ((corrupted == 0).sum(1) == round(level * size)).all()
    assert torch.equal(corrupted == 0, chosen)
    assert torch.equal(corrupted[~chosen], clean[~chosen])


def test_components_that_were_zero_before_count_among_the_chosen() -> None:
    clean = (torch.arange(40 * 100).view(40, 100) % 2).float()
    corrupted, chosen = corrupt(clean, keyed(0, 40), Corruption(level=0.25))
    assert (chosen.sum(1) == 25).all()
    assert ((corrupted != clean).sum(1) < 25).all()


def test_every_component_is_masked_equally_often() -> None:
    _, chosen = corrupt(torch.ones(4000, 20), keyed(0, 4000), Corruption(level=0.25))
    assert stats.chisquare(chosen.sum(0).numpy()).pvalue > 1e-3


def test_salt_and_pepper_are_equally_frequent_on_exactly_the_chosen() -> None:
    clean = torch.full((500, 100), 0.5)
    corrupted, chosen = corrupt(clean, keyed(0, 500), Corruption(kind="salt_and_pepper", level=0.4))
    assert (chosen.sum(1) == 40).all()
    assert torch.equal(corrupted != 0.5, chosen)
    assert set(corrupted[chosen].tolist()) == {0.0, 1.0}
    salt = int(corrupted[chosen].sum())
    assert stats.binomtest(salt, int(chosen.sum()), 0.5).pvalue > 1e-3


@pytest.mark.parametrize("kind", ["masking", "salt_and_pepper"])
def test_by_coins_the_count_is_binomial(kind: Kind) -> None:
    _, chosen = corrupt(torch.full((2000, 100), 0.5), keyed(0, 2000), Corruption(kind=kind, level=0.25, exact=False))
    counts = chosen.sum(1).double()
    assert stats.binomtest(int(counts.sum()), 200_000, 0.25).pvalue > 1e-3
    assert 0.9 < counts.var().item() / (100 * 0.25 * 0.75) < 1.1


def test_gaussian_noise_has_the_level_as_standard_deviation() -> None:
    clean = torch.rand(500, 100)
    corrupted, chosen = corrupt(clean, keyed(0, 500), Corruption(kind="gaussian", level=0.3))
    assert chosen.all()
    assert stats.kstest((corrupted - clean).numpy().ravel() / 0.3, "norm").pvalue > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exact", [True, False])
def test_noise_belongs_to_the_example_and_is_fresh_at_every_presentation(kind: Kind, exact: bool) -> None:
    corruption, clean = Corruption(kind=kind, level=0.3, exact=exact), torch.full((12, 30), 0.5)
    whole, _ = corrupt(clean, keyed(0, 12), corruption)
    order = torch.tensor([7, 2, 11])
    some, _ = corrupt(clean[order], Keys.of(0, "test/0", order), corruption)
    assert torch.equal(some, whole[order])
    again, _ = corrupt(clean, keyed(1, 12), corruption)
    assert (again != whole).any(1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_corruption_leaves_its_input_as_it_was(kind: Kind) -> None:
    clean = torch.rand(5, 30)
    before = clean.clone()
    corrupt(clean, keyed(0, 5), Corruption(kind=kind, level=0.5))
    assert torch.equal(clean, before)


def test_level_zero_is_the_plain_autoencoder_to_the_bit() -> None:
    images = Images()
    trained = []
    for kind in KINDS:
        for exact in (True, False):
            method = build(images, corruption=Corruption(kind=kind, level=0.0, exact=exact))
            train(method, images)
            trained.append(method.state_dict())
    for other in trained[1:]:
        assert all(torch.equal(other[name], value) for name, value in trained[0].items())

    plain = build(images, seed=0)  # the same weights, trained by a loop that knows of no corruption
    inputs = images.pixels.flatten(1).float() / 255
    for stage in plain.stages():
        for _ in range(5):
            code = torch.sigmoid(inputs @ stage.layer.weight.t() + stage.layer.bias)
            output = torch.sigmoid(code @ stage.layer.weight + stage.decoder_bias)
            loss = -(inputs * output.log() + (1 - inputs) * (1 - output).log()).sum(1).mean()
            gradients = torch.autograd.grad(loss, list(stage.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(stage.parameters(), gradients, strict=True):
                    parameter.sub_(0.1 * gradient)
        inputs = stage.layer(inputs).detach()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(trained[0][name], value, rtol=1e-4, atol=1e-5)


# --- the loss and its gradient


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("emphasis", [Emphasis(), Emphasis(corrupted=1.0, clean=0.5)])
def test_one_step_is_that_of_the_textbook(loss: str, tied: bool, emphasis: Emphasis) -> None:
    """Against numpy in float64: the loss, its gradient by hand, and one step of gradient descent."""
    images = Images(8)
    method = build(images, loss=loss, tied=tied, emphasis=emphasis)
    stage = method.stages()[0]
    drawn = stage.draw(method.examples(images, torch.arange(8)), keyed(0, 8))
    x, noisy = (drawn.tensors[name].double().numpy() for name in ("clean", "corrupted"))
    alpha = np.where(x != noisy, emphasis.corrupted, emphasis.clean)  # no pixel of these images is 0 by itself

    w, b, c = (
        tensor.detach().double().numpy() for tensor in (stage.layer.weight, stage.layer.bias, stage.decoder_bias)
    )
    decoder = w.T if stage.decoder_weight is None else stage.decoder_weight.detach().double().numpy()
    y = sigmoid(noisy @ w.T + b)
    a = y @ decoder.T + c
    if loss == "cross_entropy":
        z = sigmoid(a)
        value = -(alpha * (x * np.log(z) + (1 - x) * np.log(1 - z))).sum()
        delta_out = alpha * (z - x)
    else:
        value = (alpha * (a - x) ** 2).sum()
        delta_out = 2 * alpha * (a - x)
    delta_hidden = (delta_out @ decoder) * y * (1 - y)
    encoder_part, decoder_part = delta_hidden.T @ noisy, delta_out.T @ y
    step = {"layer.bias": delta_hidden.sum(0), "decoder_bias": delta_out.sum(0)}
    if tied:
        step["layer.weight"] = encoder_part + decoder_part.T
    else:
        step["layer.weight"], step["decoder_weight"] = encoder_part, decoder_part

    before = {name: parameter.detach().double().numpy() for name, parameter in stage.named_parameters()}
    optimizer = torch.optim.SGD(stage.parameters(), lr=0.05)
    terms = stage(drawn)
    assert terms.sums["reconstruction"].item() == pytest.approx(value, rel=1e-6)
    assert drawn.weights["reconstruction"].item() == 8
    (terms.sums["reconstruction"] / drawn.weights["reconstruction"]).backward()
    optimizer.step()
    assert set(before) == set(step)
    for name, parameter in stage.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), before[name] - 0.05 * step[name] / 8, rtol=0, atol=1e-6)


def in_double(stage: Denoiser, drawn: Drawn) -> tuple[Denoiser, Drawn]:
    return copy.deepcopy(stage).double(), Drawn({k: v.double() for k, v in drawn.tensors.items()}, drawn.weights)


def test_the_tied_gradient_is_the_sum_of_its_two_terms() -> None:
    images = Images(4)
    drawn = build(images).stages()[0].draw({"image": images.pixels}, keyed(0, 4))
    tied, drawn = in_double(build(images, tied=True).stages()[0], drawn)
    untied, _ = in_double(build(images, tied=False).stages()[0], drawn)
    untied.load_state_dict({**tied.state_dict(), "decoder_weight": tied.layer.weight.detach().t()})
    assert untied.decoder_weight is not None
    for stage in (tied, untied):
        stage(drawn).sums["reconstruction"].backward()
    assert tied.layer.weight.grad is not None
    assert untied.layer.weight.grad is not None
    assert untied.decoder_weight.grad is not None
    both = untied.layer.weight.grad + untied.decoder_weight.grad.t()
    torch.testing.assert_close(tied.layer.weight.grad, both)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_the_gradient_agrees_with_finite_differences(loss: str) -> None:
    images = Images(3, (1, 2, 3))
    method = build(images, width=4, loss=loss, emphasis=Emphasis(corrupted=1.0, clean=0.5))
    original = method.stages()[0]
    stage, drawn = in_double(original, original.draw({"image": images.pixels}, keyed(0, 3)))
    stage(drawn).sums["reconstruction"].backward()
    for parameter in stage.parameters():
        assert parameter.grad is not None
        flat, gradient = parameter.detach().view(-1), parameter.grad.view(-1)
        for index in range(len(flat)):
            sides = []
            for shift in (1e-6, -2e-6):
                flat[index] += shift
                sides.append(stage(drawn).sums["reconstruction"].item())
            flat[index] += 1e-6
            assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(gradient[index].item(), rel=1e-5, abs=1e-6)


def test_the_loss_is_summed_over_components_and_averaged_over_examples() -> None:
    """At zero weights every reconstruction is 1/2: log 2 per component, whatever the image."""
    for count in (1, 9):
        images = Images(count)
        stage = build(images).stages()[0]
        with torch.no_grad():
            stage.layer.weight.zero_()
        drawn = stage.draw({"image": images.pixels}, keyed(0, count))
        mean = stage(drawn).sums["reconstruction"] / drawn.weights["reconstruction"]
        assert mean.item() == pytest.approx(math.prod(SHAPE) * math.log(2), rel=1e-6)


def test_extreme_logits_keep_the_loss_finite() -> None:
    images = Images(4)
    stage = build(images).stages()[0]
    with torch.no_grad():
        stage.decoder_bias.fill_(-500.0)
    drawn = stage.draw({"image": images.pixels}, keyed(0, 4))
    loss = stage(drawn).sums["reconstruction"]
    assert loss.item() == pytest.approx(500 * drawn.tensors["clean"].sum().item(), rel=0.05)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("kind", ["masking", "salt_and_pepper"])
def test_full_emphasis_gives_uncorrupted_pixels_no_gradient(loss: str, kind: Kind) -> None:
    images = Images(1)
    corruption = Corruption(kind=kind, level=0.25)
    emphasis = Emphasis(corrupted=1.0, clean=0.0)
    stage = build(images, corruption=corruption, emphasis=emphasis, loss=loss).stages()[0]
    drawn = stage.draw({"image": images.pixels}, keyed(0, 1))
    _, chosen = corrupt(drawn.tensors["clean"], keyed(0, 1), corruption)
    stage(drawn).sums["reconstruction"].backward()
    gradient = stage.decoder_bias.grad
    assert gradient is not None
    assert (gradient[~chosen[0]] == 0).all()
    assert (gradient[chosen[0]] != 0).all()


# --- the stack


def test_the_target_is_clean_and_only_the_input_is_corrupted() -> None:
    images = Images()
    stage = build(images).stages()[0]
    drawn = stage.draw({"image": images.pixels}, keyed(0, len(images)))
    assert torch.equal(drawn.tensors["clean"], images.pixels.flatten(1).float() / 255)
    assert not torch.equal(drawn.tensors["corrupted"], drawn.tensors["clean"])


@pytest.mark.parametrize("kind", KINDS)
def test_later_layers_see_the_clean_encoding_and_corrupt_it_themselves(kind: Kind) -> None:
    images = Images()
    method = build(images, corruption=Corruption(kind=kind, level=0.25))
    train(method, images)
    batch = method.examples(images, torch.arange(len(images)))
    codes = method.encode(batch)
    for depth, stage in enumerate(method.stages()[1:], start=1):
        drawn = stage.draw(batch, keyed(0, len(images)))
        clean = codes[f"layer{depth}"].pooled
        assert torch.equal(drawn.tensors["clean"], clean)
        expected, _ = corrupt(clean, keyed(0, len(images)), Corruption(kind=kind, level=0.25))
        assert torch.equal(drawn.tensors["corrupted"], expected)
        other = stage.draw(batch, keyed(1, len(images)))
        assert torch.equal(other.tensors["clean"], clean)  # no noise comes up the stack


def test_a_stage_trains_its_own_layer_only() -> None:
    images = Images()
    method = build(images)
    first, second, third = method.stages()
    names = {name for name, _ in second.named_parameters()}
    assert names == {"layer.weight", "layer.bias", "decoder_bias"}
    assert sum(stage.share for stage in (first, second, third)) == pytest.approx(1)
    before = copy.deepcopy(method.state_dict())
    drawn = second.draw({"image": images.pixels}, keyed(0, len(images)))
    second(drawn).sums["reconstruction"].backward()
    torch.optim.SGD(second.parameters(), lr=0.1).step()
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"denoisers.1.{name}" for name in names}


def test_a_copy_of_a_stage_is_trained_and_its_weights_brought_back() -> None:
    """As the engine does it."""
    images = Images()
    direct, by_copy = build(images), build(images)
    train(direct, images, steps=1)
    for original in by_copy.stages():
        copied = copy.deepcopy(original)
        drawn = original.draw({"image": images.pixels}, keyed(0, len(images)))
        loss = copied(drawn).sums["reconstruction"] / drawn.weights["reconstruction"]
        loss.backward()
        torch.optim.SGD(copied.parameters(), lr=0.1).step()
        original.load_state_dict(copied.state_dict())
    for name, value in direct.state_dict().items():
        torch.testing.assert_close(by_copy.state_dict()[name], value)


def test_the_decoder_takes_no_part_in_encoding() -> None:
    images = Images()
    method = build(images, tied=False)
    batch = method.examples(images, torch.arange(len(images)))
    before = method.encode(batch)
    with torch.no_grad():
        for stage in method.stages():
            assert stage.decoder_weight is not None
            stage.decoder_weight.fill_(9.0)
            stage.decoder_bias.fill_(9.0)
    after = method.encode(batch)
    assert list(after) == ["layer1", "layer2", "layer3"]
    assert all(torch.equal(after[name].pooled, before[name].pooled) for name in after)
    assert all(features.pooled.shape == (24, 16) and features.local is None for features in after.values())


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_learns(loss: str, kind: Kind) -> None:
    images = Images()
    method = build(images, loss=loss, corruption=Corruption(kind=kind, level=0.1))
    for losses in train(method, images, steps=60, rate=0.03):
        assert np.mean(losses[-5:]) < 0.9 * losses[0]


def test_initial_weights_keep_their_bound_and_come_from_the_global_generator() -> None:
    images = Images()
    method = build(images, width=400, tied=False)
    for stage in method.stages():
        outputs, inputs = stage.layer.weight.shape
        bound = 4 * math.sqrt(6 / (inputs + outputs))
        assert stage.decoder_weight is not None
        for weight in (stage.layer.weight, stage.decoder_weight):
            assert stats.kstest(weight.detach().numpy().ravel(), "uniform", (-bound, 2 * bound)).pvalue > 1e-4
        assert not stage.layer.bias.any()
        assert not stage.decoder_bias.any()
    again, other = build(images, width=400, tied=False), build(images, seed=1, width=400, tied=False)
    name = "denoisers.2.layer.weight"
    assert torch.equal(again.state_dict()[name], method.state_dict()[name])
    assert not torch.equal(other.state_dict()[name], method.state_dict()[name])


def test_weights_survive_safetensors() -> None:
    images = Images()
    method, other = build(images, tied=False), build(images, seed=1, tied=False)
    other.load_state_dict(load(save(method.state_dict())))
    batch = method.examples(images, torch.arange(4))
    assert torch.equal(other.encode(batch)["layer3"].pooled, method.encode(batch)["layer3"].pooled)


# --- what the harness asks


def test_gallery_shows_filters_around_grey_and_three_rows_of_reconstructions() -> None:
    images = Images(4)
    method = build(images, width=23)
    filters, reconstructions = method.gallery(images)
    assert filters.images.shape == (3, 10, 6, 7)
    assert reconstructions.images.shape == (3, 4, 6, 7)
    for panel in (filters, reconstructions):
        assert panel.images.dtype == np.float32
        assert panel.images.min() >= 0
        assert panel.images.max() <= 1
    weights = method.stages()[0].layer.weight.detach().numpy()
    np.testing.assert_allclose(
        filters.images[1, 2].ravel() - 0.5, 0.5 * weights[12] / np.abs(weights[12]).max(), atol=1e-6
    )
    np.testing.assert_array_equal(reconstructions.images[0, 3], images.pixels[3, 0].numpy() / np.float32(255))
    assert ((reconstructions.images[1] == 0).sum((1, 2)) == round(0.25 * 42)).all()


def test_gallery_of_colour_images_is_in_colour() -> None:
    images = Images(2, (3, 4, 5))
    filters, reconstructions = build(images).gallery(images)
    assert filters.images.shape == (2, 10, 4, 5, 3)
    np.testing.assert_array_equal(
        reconstructions.images[0, 1], images.pixels[1].permute(1, 2, 0).numpy() / np.float32(255)
    )


def test_only_images_fit() -> None:
    config = SdaeConfig()
    assert StackedDenoisingAutoencoder.fits(config, Spec(modality="image", shape=SHAPE, size=9)) is None
    for modality in ("video", "audio", "text"):
        reason = StackedDenoisingAutoencoder.fits(config, Spec(modality=modality, shape=(), size=9))
        assert reason is not None
        assert modality in reason
    spec = Spec(modality="image", shape=SHAPE, size=9)
    assert StackedDenoisingAutoencoder.primary(SdaeConfig(layers=2), spec) == {"class": "layer2"}


def test_presets_make_valid_configs() -> None:
    assert roster()["sdae"] is StackedDenoisingAutoencoder
    presets = StackedDenoisingAutoencoder.presets
    configs = {name: TypeAdapter(SdaeConfig).validate_python(presets[name].config) for name in presets}
    assert configs["paper"] == SdaeConfig()
    assert configs["small"].width == 500
    for preset in presets.values():
        assert (preset.training.steps is None) != (preset.training.epochs is None)


@pytest.mark.parametrize("level", [-0.1, 1.5, math.nan, math.inf])
def test_a_fraction_out_of_range_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match=r"corruption\.level"):
        Corruption(kind="masking", level=level)


def test_contradicting_settings_are_refused() -> None:
    assert Corruption(kind="gaussian", level=1.5).level == 1.5
    full = Emphasis(corrupted=1.0, clean=0.0)
    with pytest.raises(ValueError, match="gaussian noise leaves none"):
        SdaeConfig(corruption=Corruption(kind="gaussian", level=0.1), emphasis=full)
    with pytest.raises(ValueError, match="nothing would be learned"):
        SdaeConfig(corruption=Corruption(level=0.0), emphasis=full)
    for weights in ({"corrupted": -1.0}, {"corrupted": 0.0, "clean": 0.0}, {"clean": math.nan}):
        with pytest.raises(ValueError, match="emphasis"):
            Emphasis(**weights)
    for sizes in ((0, 10), (3, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            SdaeConfig(layers=sizes[0], width=sizes[1])
