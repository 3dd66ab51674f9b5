"""Sound: which sample is in which frame, what a context has heard, and features of whole recordings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.pretrain import build
from methods import Features, Keys, Spec
from methods.cpc import AudioConfig, Cpc, CpcConfig
from methods.cpc import _audio_encoding as encoding
from methods.cpc._waves import Waves
from tests.toys import ToyColumn, ToySource, toy_source

RATE = 8000
TINY = AudioConfig(
    rate=RATE, kernels=(10, 8, 4), strides=(5, 4, 2), channels=6, context=5, ahead=3, window=640
)  # a hop of 40
CONFIG = CpcConfig(audio=TINY)


def recordings(lengths: Sequence[int], rate: int = RATE) -> ToySource:
    rng = np.random.default_rng(0)
    rows = [(0.3 * rng.standard_normal(length)).clip(-1, 1).astype(np.float32) for length in lengths]
    groups = ToyColumn([np.int64(index % 3) for index in range(len(rows))])
    spec = Spec(modality="audio", shape=(), size=len(rows), groups=True, rate=rate)
    return ToySource(spec, {"audio": ToyColumn(rows)}, groups)


def tiny(source: ToySource, config: CpcConfig = CONFIG) -> Cpc:
    method, _ = build(Cpc, config, source, 0)
    assert isinstance(method, Cpc)
    return method.eval()


def encoded(method: Cpc, source: ToySource, ids: Sequence[int]) -> dict[str, Features]:
    with torch.no_grad():
        return dict(method.encode(method.examples(source, torch.tensor(ids))))


def changed_frames(before: Tensor, after: Tensor) -> list[int]:
    return ((before - after).abs().amax(-1) > 1e-7).nonzero()[:, 0].tolist()


def test_the_papers_encoder_has_its_receptive_field_and_frames() -> None:
    waves = Waves(AudioConfig(), 16000)
    assert (waves.hop, waves.sees, waves.frames(20480)) == (160, 465, 128)
    assert waves(torch.zeros(1, 20480), torch.tensor([20480])).shape == (1, 128, 512)


def test_a_frame_depends_on_its_receptive_field_and_on_no_other_sample() -> None:
    """By what reaches the samples going backwards; all units are made linear, so that none hides a sample."""
    torch.manual_seed(0)
    waves = Waves(AudioConfig(channels=8), 16000)
    for layer in waves.layers:
        torch.nn.init.uniform_(layer.weight, 0.1, 1.0)
    audio = torch.rand(1, 20480, requires_grad=True)
    for frame in (0, 1, 70, 127):
        (reached,) = torch.autograd.grad(waves(audio, torch.tensor([20480]))[0, frame].sum(), audio)
        seen = reached[0].nonzero()[:, 0]
        first = 160 * frame - waves.before
        assert (int(seen[0]), int(seen[-1])) == (max(first, 0), min(first + 464, 20479))
        assert len(seen) == int(seen[-1] - seen[0]) + 1


def test_a_context_has_heard_the_past_and_nothing_else() -> None:
    """Other samples after what frame t sees leave c up to t to the bit; other samples before change it."""
    source = recordings([2000])
    method = tiny(source)
    waves = method.stage.tower.waves
    assert isinstance(waves, Waves)
    audio = method.examples(source, torch.tensor([0]))["audio"]
    frame = 20
    end = waves.hop * frame - waves.before + waves.sees  # the first sample that it does not see
    later, earlier = audio.clone(), audio.clone()
    later[:, end:] = -later[:, end:]
    earlier[:, : waves.hop] *= -1
    with torch.no_grad():
        whole, after, before = (
            method.encode({"audio": each, "samples": torch.tensor([2000])})["c"].local
            for each in (audio, later, earlier)
        )
    assert whole is not None
    assert after is not None
    assert before is not None
    assert torch.equal(whole[0, : frame + 1], after[0, : frame + 1])
    assert changed_frames(whole[0], after[0])[0] == frame + 1
    assert frame in changed_frames(whole[0], before[0])


@pytest.mark.parametrize("at_once", [1 << 24, 2000])
def test_features_are_the_same_alone_among_others_and_in_pieces(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they are padded to, and however few frames are held at a time."""
    source = recordings([1003, 40, 5, 2417, 635])
    method = tiny(source)
    whole = encoded(method, source, [3])
    monkeypatch.setattr(encoding, "AT_ONCE", at_once)
    together = encoded(method, source, [0, 1, 2, 3, 4])
    torch.testing.assert_close(together["c"].pooled[3:4], whole["c"].pooled, atol=1e-5, rtol=0)
    for row, frames in enumerate([25, 1, 1, 60, 15]):
        alone = encoded(method, source, [row])
        for name, width in (("z", 6), ("c", 5)):
            features, mask, local = alone[name], together[name].mask, together[name].local
            assert features.local is not None
            assert local is not None
            assert mask is not None
            assert features.local.shape == (1, frames, width)
            assert features.mask is None
            assert mask[row].tolist() == [frame < frames for frame in range(60)]
            torch.testing.assert_close(local[row, :frames], features.local[0], atol=1e-5, rtol=0)
            torch.testing.assert_close(together[name].pooled[row], features.pooled[0], atol=1e-5, rtol=0)
            torch.testing.assert_close(features.pooled[0], features.local[0].mean(0), atol=1e-6, rtol=0)
            assert torch.equal(together[name].centers, 40.0 * torch.arange(60))


def test_pieces_are_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """No map of the convolutions is larger than was allowed by more than what pieces see of their neighbours."""
    source = recordings([2417, 2417])
    method = tiny(source)
    largest: list[int] = []
    waves = method.stage.tower.waves
    assert isinstance(waves, Waves)
    waves.layers[0].register_forward_hook(lambda _module, _inputs, output: largest.append(output.numel()))
    monkeypatch.setattr(encoding, "AT_ONCE", 1000)
    encoded(method, source, [0, 1])
    assert len(largest) > 4
    assert max(largest) <= 1000 + 6 * waves.sees // 5


def test_gradients_reach_the_encoder_through_features() -> None:
    source = recordings([700, 900])
    method = tiny(source)
    method.encode(method.examples(source, torch.arange(2)))["c"].pooled.square().sum().backward()
    assert all(parameter.grad is not None for parameter in method.stage.tower.parameters())


def test_windows_are_cut_anywhere_and_short_recordings_are_padded() -> None:
    source = recordings([5000, 640, 101])
    method = tiny(source)
    ids = torch.zeros(200, dtype=torch.int64)
    row = torch.tensor(source.columns["audio"].row(0))
    batch = method.sample(source, ids, Keys.of(0, "windows", torch.arange(200)))
    starts = [int((row[: 5000 - 639] == window[0]).nonzero()[0, 0]) for window in batch["audio"]]
    assert all(
        torch.equal(row[start : start + 640], window) for start, window in zip(starts, batch["audio"], strict=True)
    )
    assert min(starts) < 200
    assert max(starts) > 4160
    batch = method.sample(source, torch.tensor([1, 2]), Keys.of(0, "windows", torch.arange(2)))
    assert batch["samples"].tolist() == [640, 101]
    assert torch.equal(batch["audio"][0], torch.tensor(source.columns["audio"].row(1)))
    assert torch.equal(batch["audio"][1, :101], torch.tensor(source.columns["audio"].row(2)))
    assert not batch["audio"][1, 101:].any()
    drawn = method.stage.draw(batch, Keys.of(0, "draw", torch.arange(2)))
    assert drawn.tensors["valid"][..., 0].sum(1).tolist() == [16, 2]
    assert float(drawn.weights["info_nce"]) == (15 + 14 + 13) + 1


def test_frames_last_as_long_at_every_rate() -> None:
    """10 ms, or a little less; a window has as many of them."""
    small = CpcConfig(audio=AudioConfig(**Cpc.presets["small"].config["audio"])).audio
    for rate, hop in ((8000, 80), (16000, 160), (22050, 208), (44100, 432)):
        waves = Waves(small, rate)
        assert waves.hop == hop
        method = tiny(recordings([rate, rate], rate), CpcConfig(audio=small))
        batch = method.sample(recordings([rate, rate], rate), torch.arange(2), Keys.of(0, "x", torch.arange(2)))
        assert waves.frames(batch["audio"].shape[1]) == small.window // 80


def test_companions_come_with_each_example() -> None:
    source = recordings([700, 800, 900, 1000, 1100, 1200, 1300])  # speakers 0, 1, 2, 0, 1, 2, 0
    config = CpcConfig(audio=TINY, negatives="same_speaker_excluding_current", companions=2)
    method = tiny(source, config)
    ids = torch.tensor([0, 1, 6])
    batch = method.sample(source, ids, Keys.of(0, "x", ids))
    assert batch["audio"].shape == (9, 640)
    assert batch["present"].tolist() == [[True] * 3, [True, True, False], [True] * 3]
    drawn = method.stage.draw(batch, Keys.of(0, "draw", ids))
    assert drawn.tensors["valid"].any((1, 2)).tolist() == [True] * 5 + [False] + [True] * 3
    terms = method.stage(drawn)
    expected = (2 * np.log(1 + 32) + np.log(1 + 16)) / 3
    assert float(terms.monitors["log_n"][0] / terms.monitors["log_n"][1]) == pytest.approx(expected, rel=1e-5)


def test_what_can_never_be_predicted_is_refused() -> None:
    spec = Spec(modality="audio", shape=(), size=9, rate=RATE)
    assert Cpc.fits(CONFIG, spec) is None
    reason = Cpc.fits(CpcConfig(audio=AudioConfig(window=1600)), Spec(**{**vars(spec), "rate": 16000}))
    assert reason is not None
    assert "10 frame(s), and 12 ahead" in reason
    with pytest.raises(ValueError, match=r"longest of 2 recordings has 60 samples.* takes 80"):
        build(Cpc, CONFIG, recordings([60, 41]), 0)
    for wrong in ({"kernels": (4,)}, {"kernels": (4, 8, 4, 4, 4)}, {"strides": (1, 4, 2, 2, 2)}, {"ahead": 0}):
        with pytest.raises(ValueError, match=r"kernel|ahead"):
            AudioConfig(**wrong)


@torch.no_grad()
def test_silence_and_clipped_sound_go_through() -> None:
    source = recordings([900, 900, 900])
    rows = [np.zeros(900, dtype=np.float32), np.ones(900, dtype=np.float32), np.sign(source.columns["audio"].row(2))]
    broken = ToySource(source.spec, {"audio": ToyColumn(rows)}, source.groups)
    method = tiny(broken)
    ids = torch.arange(3)
    keys = Keys.of(0, "x", ids)
    terms = method.stage(method.stage.draw(method.sample(broken, ids, keys), keys))
    assert torch.isfinite(terms.sums["info_nce"])
    assert all(torch.isfinite(features.pooled).all() for features in encoded(method, broken, [0, 1, 2]).values())


def test_it_learns_and_draws_what_it_learned() -> None:
    """Tones that last 40 ms are told from others far above chance; the gallery shows it."""
    source = toy_source("audio", 32)
    method, _ = build(Cpc, CpcConfig(audio=TINY), source, 0)
    assert isinstance(method, Cpc)
    optimizer = torch.optim.Adam(method.stage.parameters(), lr=5e-3)
    for step in range(60):
        keys = Keys.of(0, "steps", torch.arange(8) + 8 * step)
        drawn = method.stage.draw(method.sample(source, torch.arange(8) + 8 * (step % 4), keys), keys)
        terms = method.stage(drawn)
        optimizer.zero_grad()
        torch.autograd.backward(terms.sums["info_nce"] / drawn.weights["info_nce"])
        optimizer.step()
    bound, asked = terms.monitors["mutual_information"]
    assert float(bound / asked) > 0.3
    held_out = toy_source("audio", 16, seed=1)
    (curve,) = method.eval().gallery(held_out)
    assert "told from others" in curve.title
    grouped = ToySource(
        Spec(**{**vars(held_out.spec), "groups": True}),
        held_out.columns,
        ToyColumn([np.int64(i % 2) for i in range(16)]),
    )
    curve, speakers = method.gallery(grouped)
    assert "16 held-out windows of 2 speakers" in speakers.caption
    for panel in (curve, speakers):
        assert panel.images.ndim == 5
        assert float(panel.images.min()) < 0.5 < float(panel.images.max()) <= 1.0
