"""Formants: speech from a formant synthesiser, with every phone and every speaker known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets._dataset import Dataset, SplitName, Task, Writer
from harness.datasets._formants_phones import INDEX, PHONES, SILENCE
from harness.datasets._formants_synthesis import RATE, Samples, synthesised
from harness.datasets._formants_tracks import BLOCK, Tracks, spoken
from harness.datasets._formants_voices import VOICES
from harness.datasets._grammar_dice import Dice
from harness.datasets._procedural import check_sizes, owned_words, shuffled
from methods import Settings, Spec

FRAME = 80  # samples: 10 ms
_CHUNK = 64  # utterances made at a time
_FULL = 1 << 15  # samples are whole steps of one part in so many


@dataclass(frozen=True, kw_only=True)
class FormantsConfig(Settings):
    """Attributes:
    train, val, test: utterances per split.
    speakers: how many of the ten voices.
    """

    train: int = 600
    val: int = 100
    test: int = 200
    speakers: int = 10

    def __post_init__(self) -> None:
        if not 2 <= self.speakers <= len(VOICES):
            raise ValueError(f"speakers: {self.speakers} is not between 2 and {len(VOICES)}, the number of voices")
        check_sizes(self.train, self.val, self.test, self.speakers)


class Formants(Dataset):
    """Utterances of about 1.2 seconds at 8 kHz, by ten voices: made-up words of 17 phones, with pauses between.

    The voices differ in pitch, in the length of the vocal tract (which scales all formants by .81 to 1.19), in
    spectral tilt, breath and jitter; neighbours in pitch are apart in tract. Formants glide: each track is averaged
    twice over about 75 ms, so that phones bend their neighbours and short vowels miss what they aim at, which itself
    varies by a tenth. Stops are silent until their burst. Noise lies 15 to 21 dB below the speech, its level and
    colour, the loudness (9 to 15 % of full scale) and the tempo drawn for each utterance whatever the voice. There are
    sixteen words, known after two phones: one frame leaves much open that its past tells.

    Tasks: "phone" has the phone, or silence, at the middle of every 10 ms; "speaker_frame" who speaks there, as in van
    den Oord et al. 2018, section 3.1, but not within silence, where there is no voice; "speaker" who speaks, of whole
    utterances. All voices are in all splits, equally often (to one utterance). No utterance lies in two splits: a hash
    of the numbers that it is drawn from says to which it belongs. The same words in a row may, in other sound.
    `groups` are the speakers.

    Measured at the defaults on test by the linear probe, phone and speaker_frame: MFCC with differences .72 and .52,
    log-mel .63 and .68; c of cpc, preset small (47 s of one core, mean of three seeds), .82 and .65, where untrained it
    has .37 and .29. Of whole utterances' speakers log-mel gets 1.0, cpc .96, MFCC .90, untrained .72. In phone nobody
    reaches the ceiling of 1: where one phone passes into the next, and in silence before a first stop bursts, the sound
    does not tell. One core makes about 200 seconds of speech a second.
    """

    name: ClassVar[str] = "formants"
    version: ClassVar[int] = 1
    licence: ClassVar[str] = "generated; no rights reserved"
    Config: ClassVar[type[Settings]] = FormantsConfig
    config: FormantsConfig

    @property
    def spec(self) -> Spec:
        return Spec(modality="audio", shape=(), size=self.config.train, groups=True, rate=RATE)

    @property
    def tasks(self) -> Mapping[str, Task]:
        speakers = tuple(f"voice {1 + voice}" for voice in range(self.config.speakers))
        phones = tuple(phone.name for phone in PHONES)
        return {
            "phone": Task(name="phone", kind="position", metric="position_accuracy", classes=phones, chance=0.1),
            "speaker_frame": Task(
                name="speaker_frame",
                kind="position",
                metric="position_accuracy",
                classes=speakers,
                chance=1 / len(speakers),
            ),
            "speaker": Task(
                name="speaker", kind="class", metric="accuracy", classes=speakers, chance=1 / len(speakers)
            ),
        }

    def write(self, split: SplitName, writer: Writer) -> None:
        size = {"train": self.config.train, "val": self.config.val, "test": self.config.test}[split]
        purpose = f"{self.name}/{self.version}/{split}"
        speakers = shuffled(f"{purpose}/speakers", size) % self.config.speakers
        seeds = owned_words(split, self.name, purpose, 2, _CHUNK)
        audio: list[NDArray[np.float32]] = []
        phones: list[NDArray[np.int64]] = []
        for start in range(0, size, _CHUNK):
            part = speakers[start : start + _CHUNK]
            sounds, tracks = utterances(next(seeds)[: len(part)], part)
            audio += sounds
            phones += [_by_frame(one) for one in tracks]
        writer.ragged("audio", audio)
        writer.groups(speakers)
        writer.labels("speaker", speakers)
        every = [_frames(len(row)) for row in phones]
        writer.labelled_positions("phone", every, phones)
        voiced = [row != INDEX[SILENCE] for row in phones]
        writer.labelled_positions(
            "speaker_frame",
            [where[mine] for where, mine in zip(every, voiced, strict=True)],
            [np.full(mine.sum(), speaker) for mine, speaker in zip(voiced, speakers, strict=True)],
        )


def utterances(seeds: NDArray[np.int64], speakers: NDArray[np.int64]) -> tuple[list[NDArray[np.float32]], list[Tracks]]:
    """What voices [N] say, each a function of two random words [N, 2]: the sound and what is behind it."""
    dices = [Dice(f"formants/{one}/{other}") for one, other in seeds.tolist()]
    voices = [VOICES[speaker] for speaker in speakers.tolist()]
    tracks = [spoken(voice, dice) for voice, dice in zip(voices, dices, strict=True)]
    noises = [_noise(dice, 3, len(one.phone) * BLOCK) for dice, one in zip(dices, tracks, strict=True)]
    clean = synthesised(tracks, [voice.tilt for voice in voices], noises)
    sounds = [_recorded(sound, noise[2], dice) for sound, noise, dice in zip(clean, noises, dices, strict=True)]
    return sounds, tracks


def _noise(dice: Dice, rows: int, length: int) -> Samples:
    """White, between -1 and 1: [rows, length]."""
    key = dice.below(1 << 31) << 32 | dice.below(1 << 31)
    raw = np.random.Philox(key=key).random_raw(-(-rows * length // 2)).astype("<u8")
    pairs = raw.view("<u2").astype(np.int64).reshape(-1, 2)[: rows * length]
    return (pairs[:, 0] - pairs[:, 1]).reshape(rows, length) / 65536


def _recorded(sound: Samples, noise: Samples, dice: Dice) -> NDArray[np.float32]:
    """In noise of some level and colour, at some gain; none of them depends on what is said, or by whom."""
    colour = dice.below(64) / 256
    noise = noise + colour * np.append(0, noise[:-1])
    share = (9 + dice.below(10)) / 100  # of the noise to the speech
    mixed = sound / _strength(sound) + share * (noise / _strength(noise))
    loudness = (90 + dice.below(61)) / 1000
    scaled = mixed * (loudness / _strength(mixed))
    scaled /= max(1.0, float(np.abs(scaled).max()) / 0.98)
    return (np.rint(scaled * _FULL) / _FULL).astype(np.float32)


def _strength(sound: Samples) -> float:
    """Root mean square, whose sum is of whole numbers, so that its order says nothing."""
    whole = np.rint(sound * _FULL).astype(np.int64)
    return float(np.sqrt(np.sum(whole * whole) / len(whole)) / _FULL)


def _by_frame(one: Tracks) -> NDArray[np.int64]:
    """The phone at the middle of every whole frame of 10 ms."""
    frames = len(one.phone) * BLOCK // FRAME
    return one.phone[(np.arange(frames) * FRAME + FRAME // 2) // BLOCK]


def _frames(count: int) -> NDArray[np.int64]:
    begins = FRAME * np.arange(count)
    return np.stack([begins, begins + FRAME], axis=1)
