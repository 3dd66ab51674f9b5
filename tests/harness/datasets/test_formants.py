from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from harness.datasets import SPLITS, SplitName
from harness.datasets._formants_phones import INDEX, LEXICON, PHONES, SILENCE
from harness.datasets._formants_voices import VOICES
from harness.datasets._procedural import words
from harness.datasets.formants import FRAME, Formants, FormantsConfig, utterances

VOWELS = ("iy", "eh", "ae", "aa", "ao", "uw", "er")


class Kept:
    """A writer that keeps one split in memory."""

    def __init__(self) -> None:
        self.audio: Sequence[NDArray[np.float32]] = []
        self.speakers: NDArray[Any] = np.empty(0)
        self.group: NDArray[Any] = np.empty(0)
        self.frames: dict[str, tuple[Sequence[NDArray[np.int64]], Sequence[NDArray[np.int64]]]] = {}

    def ragged(self, name: str, rows: Sequence[NDArray[Any]]) -> None:
        assert name == "audio"
        self.audio = rows

    def groups(self, values: NDArray[np.int64]) -> None:
        self.group = values

    def labels(self, task: str, values: NDArray[Any]) -> None:
        assert task == "speaker"
        self.speakers = values

    def labelled_positions(
        self, task: str, intervals: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.int64]]
    ) -> None:
        self.frames[task] = (intervals, values)


def generated(split: SplitName = "train", **config: int) -> Kept:
    kept = Kept()
    Formants(FormantsConfig(**config)).write(split, kept)  # type: ignore[arg-type]
    return kept


@pytest.fixture(scope="module")
def train() -> Kept:
    return generated(train=300)


def cut(kept: Kept, speaker: int | None = None) -> dict[str, NDArray[np.float32]]:
    """Windows of 256 samples around the middle of every phone, by its name: [P, 256]."""
    found: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for index, (sound, labels) in enumerate(zip(kept.audio, kept.frames["phone"][1], strict=True)):
        if speaker is not None and kept.speakers[index] != speaker:
            continue
        edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
        for begin, end in pairwise(edges):
            middle = (begin + end) * FRAME // 2
            if 128 <= middle <= len(sound) - 128:
                found[PHONES[labels[begin]].name].append(sound[middle - 128 : middle + 128])
    return {name: np.stack(rows) for name, rows in found.items()}


def spectrum(windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean power by frequency, every 31.25 Hz: [129]."""
    power: NDArray[np.float64] = (np.abs(np.fft.rfft(windows * np.hanning(256))) ** 2).mean(axis=0)
    return power


def within(power: NDArray[np.float64], low: int, high: int) -> float:
    return float(power[low * 256 // 8000 : high * 256 // 8000].sum())


def centroid(power: NDArray[np.float64], low: int, high: int) -> float:
    part = slice(low * 256 // 8000, high * 256 // 8000)
    return float((power[part] * np.arange(129)[part]).sum() / power[part].sum() * 8000 / 256)


def test_labels_lie_where_the_sound_is(train: Kept) -> None:
    power = {name: spectrum(windows) for name, windows in cut(train).items()}
    assert set(power) == {phone.name for phone in PHONES}
    total = {name: within(one, 60, 4000) for name, one in power.items()}
    assert all(total[vowel] > 5 * total[SILENCE] for vowel in VOWELS)
    assert all(total[stop] < total["uw"] / 2 for stop in ("p", "t", "k"))
    # Low vowels have a higher F1 than close ones; front vowels a higher F2 than back ones; [s] lies above [sh].
    low = {name: centroid(one, 200, 900) for name, one in power.items()}
    high = {name: centroid(one, 900, 2600) for name, one in power.items()}
    assert min(low[name] for name in ("ae", "aa")) > max(low[name] for name in ("iy", "uw", "m", "n")) + 80
    assert min(high[name] for name in ("iy", "eh")) > max(high[name] for name in ("aa", "ao", "uw")) + 200
    assert within(power["s"], 2800, 4000) > 2 * within(power["s"], 1200, 2400)
    assert within(power["sh"], 1800, 3000) > 2 * within(power["sh"], 600, 1800)
    assert within(power["uw"], 60, 1200) > 5 * within(power["uw"], 2600, 4000)


def test_no_shift_of_the_labels_fits_the_sound_better(train: Kept) -> None:
    """Vowels are loud, closures and pauses are not: the contrast is greatest where each frame has its own label."""
    loudness, vowel, quiet = [], [], []
    for sound, intervals, row in zip(train.audio, *train.frames["phone"], strict=True):
        names = [PHONES[label].name for label in row]
        loudness.append([float(np.log(np.square(sound[begin:end]).mean() + 1e-9)) for begin, end in intervals])
        vowel.append([name in VOWELS for name in names])
        quiet.append([name in (SILENCE, "p", "t", "k") for name in names])

    def contrast(shift: int) -> float:
        inner = slice(3, -3)
        heard = np.concatenate([np.roll(row, shift)[inner] for row in loudness])
        loud, soft = (np.concatenate([row[inner] for row in kind]) for kind in (vowel, quiet))
        return float(heard[loud].mean() - heard[soft].mean())

    contrasts = {shift: contrast(shift) for shift in (-2, -1, 0, 1, 2)}
    assert max(contrasts, key=contrasts.__getitem__) == 0, contrasts


def test_voices_have_their_pitch(train: Kept) -> None:
    for speaker, voice in enumerate(VOICES):
        windows = np.concatenate([rows for name, rows in cut(train, speaker).items() if name in VOWELS])
        padded = np.abs(np.fft.rfft(windows, 1024)) ** 2
        correlation = np.fft.irfft(padded)[:, :120] / (256 - np.arange(120))
        lags = 25 + correlation[:, 25:110].argmax(axis=1)
        assert np.median(8000 / lags) == pytest.approx(voice.pitch, rel=0.08)


def test_a_longer_tract_has_lower_formants(train: Kept) -> None:
    order = sorted(range(len(VOICES)), key=lambda speaker: VOICES[speaker].tract)
    heights = []
    for speaker in order:
        parts = cut(train, speaker)
        heights.append(np.mean([centroid(spectrum(parts[vowel]), 1300, 3000) for vowel in ("iy", "eh", "ae")]))
    assert np.corrcoef(heights, [VOICES[speaker].tract for speaker in order])[0, 1] > 0.85


def test_every_frame_of_ten_milliseconds_has_its_phone(train: Kept) -> None:
    intervals, phones = train.frames["phone"]
    mine, speakers = train.frames["speaker_frame"]
    for index, sound in enumerate(train.audio):
        begins = FRAME * np.arange(len(sound) // FRAME)
        np.testing.assert_array_equal(intervals[index], np.stack([begins, begins + FRAME], axis=1))
        voiced = phones[index] != INDEX[SILENCE]
        np.testing.assert_array_equal(mine[index], intervals[index][voiced])
        assert set(speakers[index].tolist()) == {train.speakers[index]}
        assert phones[index][0] == phones[index][-1] == INDEX[SILENCE]
        assert 0.85 < len(sound) / 8000 < 1.6


def test_what_is_said_is_words() -> None:
    _, tracks = utterances(words("any", 20, 2), np.arange(20) % 10)
    for one in tracks:
        changes = np.flatnonzero(np.diff(one.phone)) + 1
        said = [PHONES[phone].name for phone in one.phone[[0, *changes]]]
        rest = " ".join(name for name in said if name != SILENCE)
        while rest:
            word = next(" ".join(word) for word in LEXICON if rest.startswith(" ".join(word)))
            rest = rest[len(word) :].lstrip()
        assert len(said) > 12


def test_the_past_tells_the_next_phone() -> None:
    """Two phones of a word are enough to know the rest of it."""
    following = defaultdict(set)
    for word in LEXICON:
        for at in range(2, len(word)):
            following[word[:at]].add(word[at])
    assert all(len(phones) == 1 for phones in following.values())
    counts = Counter(phone for word in LEXICON for phone in word)
    assert counts.keys() == {phone.name for phone in PHONES} - {SILENCE}
    assert max(counts.values()) < 2 * min(counts.values())


def test_chances_are_those_of_the_most_frequent_class() -> None:
    config = FormantsConfig()
    tasks = Formants(config).tasks
    for split in SPLITS:
        kept = generated(split, train=300)
        for task in ("phone", "speaker_frame"):
            counts = np.bincount(np.concatenate(kept.frames[task][1]), minlength=len(tasks[task].classes))
            assert counts.min() > 0
            assert counts.max() / counts.sum() == pytest.approx(tasks[task].chance, abs=0.015)


def test_neither_loudness_nor_length_nor_words_tell_the_speaker(train: Kept) -> None:
    cues = np.array([[len(sound), np.sqrt((sound**2).mean())] for sound in train.audio])
    said = np.array([np.bincount(row, minlength=len(PHONES)) for row in train.frames["phone"][1]])
    for features in (cues, said.astype(float)):
        features = (features - features.mean(axis=0)) / features.std(axis=0)
        classifier = LogisticRegression(C=0.1, max_iter=300).fit(features[:200], train.speakers[:200])
        assert classifier.score(features[200:], train.speakers[200:]) < 0.22  # 0.1 is chance, 0.03 the standard error


def test_samples_are_steps_of_sixteen_bits_and_none_is_clipped(train: Kept) -> None:
    for sound in train.audio:
        assert sound.dtype == np.float32
        steps = sound.astype(float) * 32768
        np.testing.assert_array_equal(steps, np.rint(steps))
        assert 0.1 < np.abs(sound).max() < 0.981
        assert (np.abs(sound) == np.abs(sound).max()).sum() < 4
        assert abs(sound.mean()) < 0.01


def test_an_utterance_does_not_depend_on_its_neighbours() -> None:
    seeds, speakers = words("any", 12, 2), np.arange(12) % 10
    many, _ = utterances(seeds, speakers)
    few, _ = utterances(seeds[3:5], speakers[3:5])
    for one, other in zip(many[3:5], few, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_voice_says_the_same_words() -> None:
    seed = np.repeat(words("any", 1, 2), 2, axis=0)
    (low, high), (one, other) = utterances(seed, np.array([0, 5]))
    np.testing.assert_array_equal(one.phone, other.phone)
    assert not np.array_equal(low, high)
    assert np.abs(other.formants * 1000 // VOICES[5].tract - one.formants * 1000 // VOICES[0].tract).max() <= 2


def test_speakers_are_the_groups(train: Kept) -> None:
    np.testing.assert_array_equal(train.group, train.speakers)
    few = generated("val", val=41, speakers=3)
    assert np.bincount(few.speakers).tolist() == [14, 14, 13]
    assert Formants(FormantsConfig(speakers=3)).tasks["speaker"].classes == ("voice 1", "voice 2", "voice 3")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"speakers": 11}, "speakers: 11 is not between 2 and 10"),
        ({"val": 3}, "val: 3 examples cannot hold 10 classes"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        FormantsConfig(**wrong)
