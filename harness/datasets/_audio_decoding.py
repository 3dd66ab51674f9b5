"""One sound file -> samples of one channel at the wanted rate.

libsndfile decodes (soundfile) and soxr resamples, rather than libav, which reads the videos here. Measured on one core:
25,000 small WAVs a second against 1,900; FLAC 5,600 s of sound a second against 4,000; the same samples to the bit; of
a FLAC with damaged bytes libsndfile says so, while libav goes on with what is left; soxr keeps what lies 2% beyond the
new Nyquist frequency below -150 dB, where swresample at its defaults lets through -14 dB.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets._audio_ends import lacking, tells_its_length
from harness.datasets._decoding import UnreadableError

ENDINGS = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})

#: What is shorter, in seconds, than one window of any short-time analysis holds nothing to learn from.
SHORTEST = 0.025
#: Samples beyond are no overshoot of a filter or a codec, but numbers of another scale.
_LOUDEST = 2.0
#: Full scale begins here; so many samples in a row, within so much of the file's peak, are cut and no peaks.
_FULL, _RUN, _AT_PEAK = 0.98, 3, 1e-4
#: Peak to peak, two steps of 16 bits: what the dither of silence has.
_SILENT = 2 / 32768
#: Samples that the encoder of an MP3 may count and its decoder not give: half a frame.
_MP3_ROUNDS = 576


class Head(NamedTuple):
    """What the head of a file says."""

    rate: int
    seconds: float


class Heard(NamedTuple):
    """A recording."""

    samples: NDArray[np.float32]  #: [T] in [-1, 1]
    rate: int  #: of the file
    channels: int  #: of the file
    clipped: float  #: share of the samples that are cut off at full scale, in the worst channel
    silent: bool  #: whether nothing is to be heard


def head_of(path: Path) -> Head:
    """Raises:
    UnreadableError: it is no sound.
    """
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError) as error:
        raise UnreadableError(f"no sound in a format that is known here, or damaged: {_why(error)}") from error
    return Head(info.samplerate, info.frames / info.samplerate)


def heard(path: Path, rate: int, seconds: float | None = None, level: float | None = None) -> Heard:
    """A recording, its channels mixed down to their mean.

    Args:
        rate: samples a second that are wanted.
        seconds: at most so many from the start; what lies behind is not looked at. None: all.
        level: the mean power that it is brought to, in decibels of full scale; less where it would be clipped. None:
            its own.

    Raises:
        UnreadableError: it is damaged, cut off, empty or too short, or its samples are no sound.
    """
    import soxr

    own, channels = _decoded(path, seconds)
    if len(channels) < own * SHORTEST:
        length = f"{len(channels) / own * 1000:.3g} ms long" if len(channels) else "empty"
        raise UnreadableError(f"is {length}; a recording has {SHORTEST * 1000:g} ms at least")
    _check_scale(channels, own)
    mixed = channels.mean(axis=1, dtype=np.float32) if channels.shape[1] > 1 else channels[:, 0]
    silent = bool(np.ptp(mixed) <= _SILENT)
    samples = mixed if own == rate else soxr.resample(mixed, own, rate, "VHQ")
    if level is not None and not silent:
        power = float(np.sqrt(np.mean(samples**2, dtype=np.float64)))
        samples = samples * np.float32(min(10 ** (level / 20) / power, 1 / float(np.abs(samples).max())))
    return Heard(
        samples=np.clip(samples, -1, 1, dtype=np.float32),
        rate=own,
        channels=channels.shape[1],
        clipped=_clipped(channels),
        silent=silent,
    )


def _decoded(path: Path, seconds: float | None) -> tuple[int, NDArray[np.float32]]:
    """The file's own rate, and its samples [T, channels]."""
    import soundfile

    try:
        if (missing := lacking(path)) is not None:
            raise UnreadableError(missing)
        with soundfile.SoundFile(str(path)) as file:
            said, rate, kind = file.frames, file.samplerate, file.format
            wanted = said if seconds is None else min(said, round(seconds * rate))
            samples: NDArray[np.float32] = file.read(wanted, dtype="float32", always_2d=True)
        if kind == "MP3" and seconds is None and not tells_its_length(path):
            if len(samples) == said:
                raise UnreadableError("does not tell its length, and cannot be read to its end; store it as FLAC")
            return rate, samples
    except (soundfile.SoundFileError, OSError) as error:
        raise UnreadableError(f"damaged, or cut off: {_why(error)}") from error
    if len(samples) + (_MP3_ROUNDS if kind == "MP3" else 0) < wanted:
        raise UnreadableError(
            f"cut off: it says that it is {wanted / rate:.2f} s long, and ends after {len(samples) / rate:.2f} s"
        )
    return rate, samples


def _check_scale(channels: NDArray[np.float32], rate: int) -> None:
    """Raises:
    UnreadableError: not all samples are finite, or they are of another scale.
    """
    peak = float(max(channels.max(), -channels.min()))
    if not np.isfinite(peak):
        at = int(np.argwhere(~np.isfinite(channels))[0, 0])
        raise UnreadableError(f"its sample {at} ({at / rate:.3f} s) is {channels[at].tolist()}, which is not finite")
    if peak > _LOUDEST:
        raise UnreadableError(
            f"its samples reach {peak:g}, where full scale is 1; scale what was stored as whole numbers"
        )


def _clipped(channels: NDArray[np.float32]) -> float:
    """Share of samples, in the worst channel, that lie with their neighbours at the file's highest or lowest value."""
    high, low = float(channels.max()), float(-channels.min())  # of 8 bits, 127/128 and 1
    full = np.zeros(channels.shape, bool)
    for peak, upright in ((high, channels), (low, -channels)):
        if peak >= _FULL:
            full |= upright >= min(peak * (1 - _AT_PEAK), 1.0)
    begins = full[2:] & full[1:-1] & full[:-2]  # the first of three
    inside = np.zeros_like(full)
    for shift in range(_RUN):
        inside[shift : len(full) - 2 + shift] |= begins
    return float(inside.mean(axis=0).max())


def _why(error: Exception) -> str:
    """What a library says, without its prefix that repeats the name of the file."""
    return str(getattr(error, "error_string", None) or error).strip().rstrip(".")
