from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter, welch

from harness.datasets._formants_synthesis import RATE, synthesised
from harness.datasets._formants_tracks import BLOCK, Tracks


def steady(blocks: int, formants: tuple[int, int, int], *, pitch: int = 120, **levels: int) -> Tracks:
    """One sound that does not change."""

    def held(value: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.full(blocks, value)

    return Tracks(
        phone=held(0),
        pitch=held(256 * pitch),
        formants=np.stack([held(formant) for formant in formants]),
        centre=held(levels.get("centre", 2000)),
        width=held(levels.get("width", 500)),
        voice=held(levels.get("voice", 0)),
        hiss=held(levels.get("hiss", 0)),
        breath=held(levels.get("breath", 0)),
    )


def test_breath_shows_the_formants() -> None:
    for formants in ((300, 2200, 2900), (700, 1150, 2500), (450, 1300, 1800)):
        noise = np.random.default_rng(0).uniform(-1, 1, (2, 2000 * BLOCK))
        (sound,) = synthesised([steady(2000, formants, breath=256)], [0], [noise])
        frequencies, power = welch(sound, RATE, nperseg=512)
        for formant in formants:
            near = np.abs(frequencies - formant) < 160
            assert frequencies[near][power[near].argmax()] == pytest.approx(formant, abs=50)


def test_voice_has_the_harmonics_of_its_pitch_and_nothing_between() -> None:
    silence = np.zeros((2, 1600 * BLOCK))
    (sound,) = synthesised([steady(1600, (500, 1500, 2500), pitch=125, voice=256)], [50], [silence])
    power = np.abs(np.fft.rfft(sound[8000:24000] * np.hanning(16000))) ** 2  # every half Hz
    harmonics = 250 * np.arange(1, 31)
    between = power[harmonics + 125].max()
    assert (power[harmonics] > 1e4 * between).all()
    assert power[7700:].max() < power[harmonics].max() / 1e6  # nothing above 3.8 kHz that could fold back


def test_the_resonators_are_those_of_klatt() -> None:
    """The noise's own resonator beside a filter of a library, whose coefficients come from the textbook."""
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 50 * BLOCK))
    (sound,) = synthesised([steady(50, (500, 1500, 2500), hiss=256, centre=1800, width=400)], [0], [noise])
    radius = np.exp(-np.pi * 400 / RATE)
    poles = [1, -2 * radius * np.cos(2 * np.pi * 1800 / RATE), radius**2]
    heard = lfilter([1 - radius], poles, noise[1])
    np.testing.assert_allclose(sound, lfilter([1, -15 / 16], [1], heard), atol=1e-4)


def test_utterances_of_any_length_do_not_touch_each_other() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 90 * BLOCK))
    short, long = (steady(blocks, (500, 1500, 2500), voice=200, breath=50, hiss=90) for blocks in (60, 90))
    alone = synthesised([short], [30], [noise[:, : 60 * BLOCK]])
    both = synthesised([long, short], [30, 30], [noise, noise[:, : 60 * BLOCK]])
    assert [len(sound) for sound in both] == [90 * BLOCK, 60 * BLOCK]
    np.testing.assert_array_equal(alone[0], both[1])
