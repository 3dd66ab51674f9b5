"""Colorization as a method."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.engine import Compute
from harness.pretrain import build, pretrain
from methods import Drawn, Keys, Spec, Training
from methods.colorization import Colorization, ColorizationConfig, _encoding
from methods.colorization._clips import clips
from methods.colorization._color import gray, prepare
from methods.colorization._networks import Embedder, build_embedder
from methods.colorization._pointing import ABSENT
from tests.methods.moving_videos import moving, numbered, source_of

SMALL = ColorizationConfig(network="small", size=None, references=2)
PAPER = ColorizationConfig()


def drawn_from(method: Colorization, count: int = 4) -> Drawn:
    ids = torch.arange(count)
    keys = Keys.of(0, "sample", ids)
    return method.stage.draw(method.sample(moving(count), ids, keys), keys.fold("draw"))


def small(config: ColorizationConfig = SMALL) -> Colorization:
    method, _ = build(Colorization, config, moving(4), 0)
    assert isinstance(method, Colorization)
    return method.eval()


def values(clip: Tensor) -> list[int]:
    """The gray value of each frame of a clip from `numbered`."""
    return clip[:, 0, 0, 0].tolist()  # type: ignore[no-any-return]


def test_clips_are_evenly_spaced_and_end_in_the_target() -> None:
    source, ids = numbered([9, 9, 9]), torch.arange(3).repeat(40)
    keys = Keys.of(0, "clips", torch.arange(120))
    found = clips(source, ids, keys, ColorizationConfig(references=3, stride=2))
    targets = set()
    for row, clip in zip(ids.tolist(), found, strict=True):
        frames = [value - 10 * row for value in values(clip)]
        assert frames == list(range(frames[0], frames[0] + 7, 2))
        targets.add(frames[-1])
    assert targets == {6, 7, 8}, "every frame that has enough before it"


def test_short_videos_repeat_their_first_frame() -> None:
    ids = torch.tensor([0] * 20 + [1] * 20)
    found = clips(numbered([2, 4]), ids, Keys.of(0, "c", torch.arange(40)), ColorizationConfig(references=3, stride=2))
    assert {tuple(values(clip)) for clip in found[:20]} == {(0, 0, 0, 1)}
    assert {tuple(values(clip)) for clip in found[20:]} == {(10, 10, 11, 13)}


def test_a_video_of_one_frame_is_named() -> None:
    source = numbered([3, 1])
    with pytest.raises(ValueError, match="video 1 has 1 frame"):
        Colorization.fit(SMALL, source, Keys.of(0, "fit"))
    with pytest.raises(ValueError, match="video 1 has 1 frame"):
        clips(source, torch.tensor([1]), Keys.of(0, "c", torch.zeros(1, dtype=torch.int64)), SMALL)


@pytest.mark.parametrize(
    ("config", "shape", "reason"),
    [
        (SMALL, (1, 8, 8), "1 channel"),
        (SMALL, (3, 9, 8), "cells of 2 x 2"),
        (SMALL, (3, 480, 854), "cells, more than"),
        (SMALL, (3, 200, 200), "pairs of target and reference pixels"),
        (ColorizationConfig(size=(100, 100)), (3, 480, 854), "cells of 8 x 8"),
    ],
)
def test_what_does_not_fit_is_refused(config: ColorizationConfig, shape: tuple[int, ...], reason: str) -> None:
    said = Colorization.fits(config, Spec(modality="video", shape=shape, size=9))
    assert said is not None
    assert reason in said


def test_what_fits() -> None:
    assert Colorization.fits(PAPER, Spec(modality="video", shape=(3, 480, 854), size=9)) is None
    assert "image" in (Colorization.fits(PAPER, Spec(modality="image", shape=(3, 256, 256), size=9)) or "")


@pytest.mark.parametrize(
    "values",
    [{"references": 0}, {"stride": 0}, {"clusters": 1}, {"targets": 0}, {"temperature": 0.0}, {"size": (0, 8)}],
)
def test_impossible_settings_are_told(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        ColorizationConfig(**values)  # type: ignore[arg-type]


@torch.no_grad()
def test_the_color_of_the_target_does_not_enter() -> None:
    method = small()
    drawn = drawn_from(method)
    before = method.stage.answer(drawn)
    shuffled = drawn.tensors["target_colors"].roll(17, 1)
    after = method.stage.answer(drawn._replace(tensors={**drawn.tensors, "target_colors": shuffled}))
    assert torch.equal(before.distribution, after.distribution)
    assert before.loss != after.loss
    recolored = drawn.tensors["reference_colors"].roll(17, 1)
    other = method.stage.answer(drawn._replace(tensors={**drawn.tensors, "reference_colors": recolored}))
    assert not torch.allclose(before.distribution, other.distribution), "those of the references do"


@torch.no_grad()
def test_features_do_not_see_color() -> None:
    """A video and its gray copy of the same lightness differ by what rounding to bytes leaves."""
    method, source = small(), moving(2)
    ids = torch.arange(2)
    batch = dict(method.examples(source, ids))
    levels = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1).expand(-1, 3, 1, 1)
    ladder = gray(prepare(levels, None)).flatten()  # lightness of each gray
    wanted = method.stage.see(batch["video"])[0]
    nearest = (wanted[..., None] - ladder).abs().argmin(-1).to(torch.uint8)
    bleached = method.encode({**batch, "video": nearest[:, :, None].expand(-1, -1, 3, -1, -1)})
    swapped = method.encode({**batch, "video": batch["video"].flip(2)})  # blue first: other lightness
    for name, features in method.encode(batch).items():
        scale = 0.01 * features.pooled.abs().max()
        assert (features.pooled - bleached[name].pooled).abs().max() < scale, name
        assert (features.pooled - swapped[name].pooled).abs().max() > 5 * scale, name


@torch.no_grad()
def test_mixtures_are_whole_in_half_precision() -> None:
    method = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        copied = method.stage.answer(drawn_from(method))
    assert copied.distribution.dtype == copied.loss.dtype == torch.float32
    assert torch.allclose(copied.distribution.sum(-1), torch.ones(()), atol=1e-5)


def test_some_target_pixels_lose_as_they_do_among_all() -> None:
    """Every pixel is drawn once: the loss over all places in another order is the same; fewer weigh less."""
    whole, method = drawn_from(small()), small(ColorizationConfig(network="small", size=None, references=2, targets=90))
    some = drawn_from(method)
    places = some.tensors["places"]
    assert places.shape == (4, 90)
    assert all(len(set(row)) == 90 for row in places.tolist())
    assert torch.equal(some.tensors["target_colors"], whole.tensors["target_colors"].gather(1, places))
    assert float(some.weights["color"]) == float((some.tensors["target_colors"] != ABSENT).sum())
    with torch.no_grad():
        everything = method.stage.answer(whole).distribution
        expected = everything.gather(1, places[..., None].expand(-1, -1, 16))
        assert torch.allclose(method.stage.answer(some).distribution, expected, atol=1e-5)


def test_it_learns_to_copy_better_than_guessing() -> None:
    """On held-out clips, from 100 short steps."""
    training = Training(steps=100, batch_size=8, optimizer="adam", learning_rate=2e-3)
    config = ColorizationConfig(network="small", size=None, references=1)
    held_out = moving(16, seed=1)
    done = pretrain(Colorization, config, training, moving(64), held_out, seed=0, compute=Compute(engine="torch"))
    assert isinstance(done.method, Colorization)
    ids = torch.arange(16)
    keys = Keys.of(0, "held out", ids)
    with torch.no_grad():
        drawn = done.method.stage.draw(done.method.sample(held_out, ids, keys), keys)
        monitors = done.method.stage(drawn).monitors
    scores = {name: float(total / weight) for name, (total, weight) in monitors.items()}
    assert scores["accuracy"] > scores["majority"] + 0.3, scores
    assert done.result["proof"]["held_out_final"] < 0.6 * done.result["proof"]["held_out_initial"]


def temporal() -> Embedder:
    """The paper's network, with statistics as after some training."""
    torch.manual_seed(0)
    return build_embedder(PAPER).eval()


@torch.no_grad()
def test_long_videos_in_pieces_are_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    video = torch.from_numpy(moving(1, frames=13, side=16).columns["video"].row(0))[None]
    config = ColorizationConfig(size=(16, 16))
    network, frames = temporal(), torch.tensor([13])
    whole = _encoding.encode(video, frames, network, config)
    monkeypatch.setattr(_encoding, "AT_ONCE", 3 * 16 * 16)
    for name, features in _encoding.encode(video, frames, network, config).items():
        local, expected = features.local, whole[name].local
        assert local is not None
        assert expected is not None
        assert torch.allclose(local, expected, atol=1e-5), name


@torch.no_grad()
def test_context_is_how_far_the_network_sees() -> None:
    network = temporal()
    video = torch.rand(1, 13, 16, 16)
    changed = video.clone()
    changed[:, 0] = torch.rand(16, 16)
    difference = (network(video)[1] - network(changed)[1]).abs().amax((0, 2, 3, 4))
    assert (difference[: network.context + 1] > 0).all()
    assert not difference[network.context + 1 :].any()


def test_the_papers_sizes() -> None:
    with torch.device("meta"):
        network = build_embedder(PAPER)
        trunk, embedding = network(torch.zeros(2, 4, 256, 256))
    assert trunk.shape == (2, 4, 32, 32, 256)
    assert embedding.shape == (2, 4, 32, 32, 64)


@torch.no_grad()
def test_shapes_centers_and_padding() -> None:
    method = small()
    videos = [moving(1, frames, seed=frames).columns["video"].row(0) for frames in (3, 5)]
    source = source_of(videos)
    found = method.encode(method.examples(source, torch.tensor([0, 1])))
    alone = method.encode(method.examples(source, torch.tensor([0])))
    for name, channels in (("trunk", 64), ("embedding", 64)):
        features = found[name]
        assert features.local is not None
        assert features.mask is not None
        assert features.centers is not None
        assert features.local.shape == (2, 5, 12, 12, channels)
        assert features.mask.shape == (2, 5, 12, 12)
        assert features.mask[:, :, 0, 0].tolist() == [[True] * 3 + [False] * 2, [True] * 5]
        assert features.centers.shape == (5, 12, 12, 3)
        assert features.centers[4, 3, 2].tolist() == [4.0, 6.5, 4.5]
        assert features.pooled.shape == (2, 16 * channels)
        assert alone[name].mask is None
        assert torch.allclose(features.pooled[0], alone[name].pooled[0], atol=1e-5)


def test_gradients_flow_through_encoding() -> None:
    method = small()
    features = method.encode(method.examples(moving(2), torch.arange(2)))["embedding"]
    torch.autograd.backward(features.pooled.square().sum())
    assert all(parameter.grad is not None for parameter in method.parameters())


def test_gallery() -> None:
    pictures, palette = small().gallery(moving(8))
    assert pictures.images.shape == (6, 2 + 4, 24, 24, 3)
    assert palette.images.shape == (1, 16, 8, 8, 3)
    for panel in (pictures, palette):
        assert panel.images.min() >= 0
        assert panel.images.max() <= 1
