"""Sound from tracks: a formant synthesiser after Klatt (1980), in lockstep over many utterances.

A glottal wave and breath pass four resonators in cascade; noise from a constriction passes one of its own. Everything
is whole numbers, or single additions, products and square roots in float64, which IEEE 754 rounds alike everywhere:
no library's sine, sum or product of matrices decides a sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.datasets._formants_tracks import BLOCK, Tracks

RATE = 8000
Samples = NDArray[np.float64]

_FINE = 1 << 20
# Scaled to integers: no platform's cosine or exponential is off by enough to change one.
_COSINES = np.rint(np.cos(np.arange(RATE // 2) * (2 * np.pi / RATE)) * _FINE)
_RADII = np.rint(np.exp(np.arange(RATE // 2) * (-np.pi / RATE)) * _FINE)
_CYCLE = 1024
_SINE = np.rint(np.sin(np.arange(_CYCLE) * (2 * np.pi / _CYCLE)) * _FINE)

_WIDTHS = (70, 100, 160)  # of the first three formants, in Hz
_FOURTH = (3450, 300)
_STAGES = 5
_EMPHASIS = 15 / 16  # high frequencies are raised, as microphones for speech and their recorders do


def synthesised(tracks: Sequence[Tracks], tilts: Sequence[int], noises: Sequence[Samples]) -> list[Samples]:
    """Utterances, each as long as its tracks; their scale is arbitrary. `noises` are white, a row an utterance [2, T]:
    of the glottis and of the constriction."""
    blocks = max(len(one.phone) for one in tracks)
    glottis = np.zeros((blocks * BLOCK, len(tracks)))
    friction = np.zeros_like(glottis)
    feedforward = np.zeros((blocks, _STAGES, len(tracks)))
    feedback, second = np.zeros_like(feedforward), np.zeros_like(feedforward)
    for at, (one, tilt, noise) in enumerate(zip(tracks, tilts, noises, strict=True)):
        own = len(one.phone)
        glottis[: own * BLOCK, at] = (
            _sloped(one.voice) * _glottal_wave(one.pitch, tilt) + _sloped(one.breath) * noise[0]
        )
        friction[: own * BLOCK, at] = _sloped(one.hiss) * noise[1]
        feedforward[:own, :, at], feedback[:own, :, at], second[:own, :, at] = _resonators(one)
    whole = _filtered(glottis, friction, feedforward, feedback, second)
    whole[1:] -= _EMPHASIS * whole[:-1]
    return [whole[: len(one.phone) * BLOCK, at] for at, one in enumerate(tracks)]


def _resonators(one: Tracks) -> tuple[Samples, Samples, Samples]:
    """Coefficients of y[t] = a x[t] + b y[t - 1] + c y[t - 2] (Klatt 1980, equations 1 and 2), by block and stage."""
    blocks = len(one.phone)
    centres = np.stack([*one.formants, np.full(blocks, _FOURTH[0]), one.centre], axis=1)
    widths = np.stack([*(np.full(blocks, width) for width in (*_WIDTHS, _FOURTH[1])), one.width], axis=1)
    radius = _RADII[widths] / _FINE
    second = -radius * radius
    feedback = 2 * radius * (_COSINES[np.minimum(centres, RATE // 2 - 100)] / _FINE)
    feedforward = 1 - feedback - second
    feedforward[:, -1] = 1 - radius[:, -1]  # the noise's own resonance is not to be louder at high frequencies
    return feedforward, feedback, second


def _filtered(glottis: Samples, friction: Samples, feedforward: Samples, feedback: Samples, second: Samples) -> Samples:
    """All utterances [T, N], sample by sample; the stages of the cascade run at once, each a sample behind the last."""
    out = np.empty_like(glottis)
    given, last, before, product = (np.zeros(feedforward.shape[1:]) for _ in range(4))
    for time in range(len(glottis)):
        block = time // BLOCK
        given[0] = glottis[time]
        given[1:-1] = last[:-2]
        given[-1] = friction[time]
        np.multiply(before, second[block], out=before)
        np.multiply(last, feedback[block], out=product)
        np.add(before, product, out=before)
        np.multiply(given, feedforward[block], out=product)
        np.add(before, product, out=before)
        before, last = last, before
        np.add(last[-2], last[-1], out=out[time])
    return out


def _glottal_wave(pitch: NDArray[np.int64], tilt: int) -> Samples:
    """Harmonics of a running pitch (256ths of Hz, by block), none above 3.8 kHz: [T]."""
    wave = np.zeros(_CYCLE)
    for harmonic in range(1, 1 + 3800 * 256 // int(pitch.max())):
        strength = 1 / (harmonic + harmonic * harmonic * tilt / 1000)
        wave = wave + _SINE[np.arange(_CYCLE) * harmonic % _CYCLE] / _FINE * strength
    steps = np.repeat(pitch * (1 << 24) // RATE, BLOCK)  # a whole period is 2^32
    phase = np.cumsum(steps) >> 22
    sound: Samples = wave[phase % _CYCLE]
    return sound


def _sloped(track: NDArray[np.int64]) -> Samples:
    """From blocks to samples, in straight lines: [B] -> [T], as shares of one."""
    following = np.append(track[1:], track[-1])
    part = np.arange(BLOCK)
    lines = track[:, None] * (BLOCK - part) + following[:, None] * part
    return lines.reshape(-1) / (256 * BLOCK)
