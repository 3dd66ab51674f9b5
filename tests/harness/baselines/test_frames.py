"""MFCC and log-mel of audio: against another library, and what every frame must be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from harness.baselines import roster
from harness.features import Encodings
from harness.positions import at_positions
from methods import Features, Spec
from tests.toys import ToyColumn, ToySource, toy_source

NAMES = ("mfcc", "log_mel")
RATES = (8000, 11025, 16000, 22050, 44100, 48000)


def recordings(*rows: NDArray[np.float32], rate: int = 8000) -> ToySource:
    return ToySource(Spec(modality="audio", shape=(), size=len(rows), rate=rate), {"audio": ToyColumn(rows)})


def encoded(name: str, source: ToySource) -> Features:
    """All recordings in one batch."""
    baseline = roster()[name](source)
    return baseline.encode(baseline.examples(source, torch.arange(len(source))))[name]


def local(name: str, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """The frames of one recording: [F, D]."""
    found = encoded(name, recordings(samples, rate=rate)).local
    assert found is not None
    array: NDArray[np.float32] = found[0].numpy()
    return array


def noise(length: int, seed: int = 0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=length) * 0.1).astype(np.float32)


def bands(samples: NDArray[np.float32], rate: int, count: int) -> NDArray[np.float64]:
    """Log-mel energies by transformers, of the windows that lie within the recording: [frames, count]."""
    length = {8000: 256, 16000: 512}[rate]
    filters = mel_filter_bank(length // 2 + 1, count, 20, rate / 2, rate, None, "kaldi", True)
    energies: NDArray[np.float64] = spectrogram(
        samples,
        window_function(rate // 40, "povey", periodic=False),
        rate // 40,
        rate // 100,
        fft_length=length,
        power=2.0,
        center=False,
        preemphasis=0.97,
        remove_dc_offset=True,
        mel_filters=filters,
        mel_floor=2.0**-23,
        log_mel="log",
        dtype=np.float64,
    ).T
    return energies


@pytest.mark.parametrize("rate", [8000, 16000])
def test_frames_are_those_of_another_library(rate: int) -> None:
    samples, step = noise(rate), rate // 100
    # The window of frame i begins 7.5 ms before the i-th interval of 10 ms: that of the first three does not fit.
    inside = samples[3 * step - rate * 3 // 400 :]
    found = local("log_mel", samples, rate)[3:-3]
    assert found == pytest.approx(bands(inside, rate, 40)[: len(found)], abs=2e-3)
    cepstra = dct(bands(inside, rate, 23), norm="ortho")[:, :13] * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    found = local("mfcc", samples, rate)[3:-3]
    assert found[:, :13] == pytest.approx(cepstra[: len(found)], abs=2e-2)


def test_differences_are_slopes_over_two_frames_on_either_side() -> None:
    cepstra, first, second = np.split(local("mfcc", noise(8000), 8000).astype(float), 3, axis=1)

    def slopes(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return sum(k * np.roll(values, -k, axis=0) for k in (-2, -1, 1, 2)) / 10  # type: ignore[no-any-return]

    assert first[4:-4] == pytest.approx(slopes(cepstra)[4:-4], abs=1e-4)
    assert second[4:-4] == pytest.approx(slopes(slopes(cepstra))[4:-4], abs=1e-4)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_tone_is_loudest_in_the_band_that_it_lies_in(rate: int) -> None:
    edges = np.linspace(*(1127 * np.log1p(np.array([20, rate / 2]) / 700)), 42)
    for band in (3, 12, 25, 38):
        hertz = 700 * np.expm1(edges[band + 1] / 1127)
        tone = (0.5 * np.sin(2 * np.pi * hertz * np.arange(rate // 2) / rate)).astype(np.float32)
        assert local("log_mel", tone, rate)[5:-5].argmax(1) == pytest.approx(band)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", RATES)
def test_every_interval_of_10_ms_has_a_frame_of_its_own(name: str, rate: int) -> None:
    """A click in the middle of one is loudest in its frame."""
    step = rate // 100
    samples = noise(50 * step) * 1e-3
    samples[20 * step + step // 2] = 0.9
    features = encoded(name, recordings(samples, rate=rate))
    assert features.local is not None
    assert features.centers is not None
    assert features.local.shape[1] == 50
    assert features.centers.tolist() == [index * step for index in range(50)]
    loudness = features.local[0, :, 0] if name == "mfcc" else features.local[0].mean(1)
    assert int(loudness.argmax()) == 20
    (found,) = at_positions(features, [np.array([[20 * step, 21 * step]])])
    assert torch.equal(found, features.local[0, 20])


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_decides_what_is_heard(name: str) -> None:
    time = np.arange(16000) / 16000
    sound = sum(0.1 * np.sin(2 * np.pi * hertz * time + hertz) for hertz in (300, 700, 1900)).astype(np.float32)
    slow, fast = local(name, sound, 8000), local(name, sound, 16000)
    assert len(slow) == 2 * len(fast) == 200
    assert np.abs(slow[:100].mean(0) - fast.mean(0)).max() > 1


@pytest.mark.parametrize("name", NAMES)
def test_pooled_features_are_mean_and_deviation_over_real_frames(name: str) -> None:
    features = encoded(name, recordings(noise(800), noise(2400, 1)))
    assert features.local is not None
    assert features.mask is not None
    assert features.mask.sum(1).tolist() == [10, 30]
    for row, count in enumerate((10, 30)):
        own = features.local[row, :count].numpy()
        assert features.pooled[row].numpy() == pytest.approx(np.concatenate([own.mean(0), own.std(0)]), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_features_depend_on_no_other_recording_and_no_time(name: str) -> None:
    source = toy_source("audio", size=12)
    together = Encodings(roster()[name](source), source).pooled[name]
    assert torch.equal(together, Encodings(roster()[name](source), source).pooled[name])
    for index in (0, 11):
        alone = encoded(name, recordings(source.columns["audio"].row(index)))
        torch.testing.assert_close(together[index], alone.pooled[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [8000, 44100])
def test_short_silent_and_clipped_recordings_have_finite_features(name: str, rate: int) -> None:
    step = rate // 100
    lengths = (0, 1, step - 1, step, 2 * step, 100 * step)
    silent = [np.zeros(length, np.float32) for length in lengths]
    clipped = [np.ones(length, np.float32) for length in lengths]
    source = recordings(*silent, *clipped, np.sign(noise(rate)), rate=rate)
    features = encoded(name, source)
    assert features.mask is not None
    assert features.mask.sum(1).tolist() == [1, 1, 1, 1, 2, 100] * 2 + [100]
    assert features.local is not None
    assert features.local.isfinite().all()
    assert features.pooled.isfinite().all()
    assert features.pooled[0].tolist() == pytest.approx(features.pooled[5].tolist(), abs=1e-4), "silence is silence"
