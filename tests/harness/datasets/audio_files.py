"""Recordings of a user's, tiny."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from harness.datasets._procedural import words

RATE = 8000


def noise(purpose: str, samples: int = 480) -> NDArray[np.float32]:
    """Of its own for every purpose, in steps of 16 bits: [T], within half of full scale."""
    steps = (words(f"noise/{purpose}", 1, samples)[0] >> 17).astype(np.int64) - 16384
    return (steps / 32768).astype(np.float32)


def tone(hertz: float, rate: int = RATE, seconds: float = 0.5, height: float = 0.5) -> NDArray[np.float32]:
    return (height * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def save_sound(path: Path, samples: NDArray[Any], rate: int = RATE, subtype: str | None = None) -> Path:
    """[T] or [T, channels], by the ending of the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def save_wav(path: Path, samples: NDArray[np.float32], said: int | None = None) -> Path:
    """Of 16 bits, whose head says that so many bytes of samples follow."""
    content = np.round(samples * 32768).astype("<i2").tobytes()
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    data = struct.pack("<4sI", b"data", len(content) if said is None else said)
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(content)) + b"WAVE" + head + data + content)
    return path


def save_spoken(folder: Path, classes: Mapping[str, int]) -> Path:
    """Different recordings in a folder a class, 60 ms and longer."""
    for name, count in classes.items():
        for index in range(count):
            save_sound(folder / name / f"{index:03}.wav", noise(f"{name}/{index}", 480 + index))
    return folder


def save_digits(folder: Path, speakers: Sequence[str] = ("ann", "bob", "cyd"), takes: int = 6) -> Path:
    """Named as FSDD's are: two digits by each speaker."""
    for speaker in speakers:
        for digit in range(2):
            for take in range(takes):
                name = f"{digit}_{speaker}_{take}"
                save_sound(folder / f"{name}.wav", noise(name, 400 + 10 * take))
    return folder


def save_librispeech(folder: Path, speakers: Sequence[str] = ("19", "103"), count: int = 30) -> Path:
    """Utterances of 100 ms and more, at 16 kHz, two chapters a speaker."""
    for speaker in speakers:
        for index in range(count):
            name = f"{speaker}-{index % 2}-{index:04}"
            samples = noise(name, 1600 + 100 * (index % 5))
            save_sound(folder / speaker / f"{index % 2}" / f"{name}.flac", samples, 16_000)
    return folder


def save_phones(path: Path, labels: Mapping[str, Sequence[int]]) -> Path:
    path.write_text("".join(f"{name} {' '.join(map(str, row))}\n" for name, row in labels.items()))
    return path
