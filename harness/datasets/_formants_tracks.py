"""What an utterance is before it sounds: its phones in time, and what glottis and tract do in every block of 2.5 ms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.datasets._formants_phones import INDEX, LEXICON, PHONES, SILENCE, Phone
from harness.datasets._formants_voices import Voice, pitch_contour
from harness.datasets._grammar_dice import Dice

Track = NDArray[np.int64]
BLOCK = 20  # samples, at 8 kHz
SHORTEST = 360  # blocks of an utterance before its last silence: 0.9 s
_BURST, _BREATH = 4, 8  # blocks at the end of a stop


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """One utterance of B blocks.

    Attributes:
        phone: [B]; indices into `PHONES`.
        pitch: [B]; in 256ths of Hz.
        formants: [3, B]; Hz.
        centre, width: [B]; Hz, of the noise at the constriction.
        voice, hiss, breath: [B]; amplitudes in 256ths of the glottis' voice in vowels.
    """

    phone: Track
    pitch: Track
    formants: Track
    centre: Track
    width: Track
    voice: Track
    hiss: Track
    breath: Track


def spoken(voice: Voice, dice: Dice) -> Tracks:
    """An utterance: silence, words with a pause here and there, silence."""
    tempo = 85 + dice.below(31)  # per cent of the phones' durations
    glide = 26 + dice.below(9)  # blocks of each of two moving averages: how lazy the tongue is
    phones: list[Phone] = []
    lengths: list[int] = []

    def say(name: str) -> None:
        phone = PHONES[INDEX[name]]
        phones.append(phone)
        lengths.append((phone.shortest + dice.below(phone.longest - phone.shortest + 1)) * tempo // 100)

    say(SILENCE)
    while sum(lengths) < SHORTEST:
        if len(phones) > 1 and dice.percent(15):
            say(SILENCE)
        last = phones[-1].name
        for name in dice.pick([word for word in LEXICON if word[0] != last]):
            say(name)
    say(SILENCE)

    def spread(values: list[int]) -> Track:
        return np.repeat(np.array(values), lengths)

    aims = np.array([[_about(aim, dice) for aim in phone.formants] for phone in phones])
    formants = np.stack([_smooth(spread(aims[:, k].tolist()), glide, glide) for k in range(3)])
    level = spread([phone.voice for phone in phones])
    hiss, breath = _noises(phones, lengths)
    loud = _smooth(level, 8, 5)
    return Tracks(
        phone=spread([INDEX[phone.name] for phone in phones]),
        pitch=pitch_contour(voice, len(level), dice),
        formants=formants * voice.tract // 1000,
        centre=np.minimum(spread([phone.centre for phone in phones]) * voice.tract // 1000, 3700),
        width=spread([phone.width for phone in phones]),
        voice=loud,
        hiss=_smooth(hiss, 3),
        breath=_smooth(breath, 4) + loud * voice.breath // 256,
    )


def _about(aim: int, dice: Dice) -> int:
    """Nobody aims alike twice: within 10 % either way."""
    return aim * (900 + dice.below(201)) // 1000


def _noises(phones: list[Phone], lengths: list[int]) -> tuple[Track, Track]:
    """Hiss at the constriction and breath through the glottis, [B] each."""
    hiss: list[int] = []
    breath: list[int] = []
    for phone, length in zip(phones, lengths, strict=True):
        if phone.stop:
            closure = length - _BURST - _BREATH
            hiss += [0] * closure + [phone.hiss] * _BURST + [0] * _BREATH
            breath += [0] * (closure + _BURST) + [60] * _BREATH
        else:
            hiss += [phone.hiss] * length
            breath += [0] * length
    return np.array(hiss), np.array(breath)


def _smooth(track: Track, *widths: int) -> Track:
    """Moving averages one after the other; the ends are held."""
    for width in widths:
        left = width // 2
        padded = np.concatenate([np.repeat(track[:1], left + 1), track, np.repeat(track[-1:], width - left - 1)])
        total = np.cumsum(padded)
        track = (total[width:] - total[:-width]) // width
    return track
