from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from harness.datasets._audio_decoding import head_of, heard
from harness.datasets._decoding import UnreadableError
from tests.harness.datasets.audio_files import RATE, noise, save_sound, save_wav, tone


@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [
        ("a.wav", "PCM_U8", 1 / 128),
        ("a.wav", "PCM_16", 0),
        ("a.wav", "PCM_24", 0),
        ("a.wav", "PCM_32", 0),
        ("a.wav", "FLOAT", 0),
        ("a.wav", "DOUBLE", 0),
        ("a.flac", "PCM_16", 0),
        ("a.flac", "PCM_24", 0),
        ("a.aiff", "PCM_16", 0),
    ],
)
def test_samples_are_what_was_stored(tmp_path: Path, name: str, subtype: str, step: float) -> None:
    sound = heard(save_sound(tmp_path / name, noise("x"), subtype=subtype), RATE)
    assert sound.samples.dtype == np.float32
    assert sound.samples.shape == (480,)
    assert np.abs(sound.samples - noise("x")).max() <= step
    assert (sound.rate, sound.channels, sound.clipped, sound.silent) == (RATE, 1, 0, False)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3", "a.opus"])
def test_lossy_formats_keep_length_and_tone(tmp_path: Path, name: str) -> None:
    samples = tone(440, 16_000, 1.0)
    kind = {"format": "OGG", "subtype": "OPUS"} if name == "a.opus" else {}
    soundfile.write(tmp_path / name, samples, 16_000, **kind)
    sound = heard(tmp_path / name, 16_000)
    assert abs(len(sound.samples) - 16_000) <= 1
    middle = slice(4000, 12_000)
    assert np.corrcoef(sound.samples[:16_000][middle], samples[middle])[0, 1] > 0.99


@pytest.mark.parametrize(("own", "wanted"), [(44_100, 16_000), (16_000, 8000), (8000, 16_000), (11_025, 8000)])
def test_resampling_keeps_what_fits_and_drops_what_does_not(tmp_path: Path, own: int, wanted: int) -> None:
    limit = min(own, wanted) / 2
    for share in (0.1, 0.5, 0.85):
        path = save_sound(tmp_path / "a.wav", tone(limit * share, own, 1.0), own, "FLOAT")
        found, best = heard(path, wanted).samples, tone(limit * share, wanted, 1.0)
        assert len(found) == pytest.approx(len(best), abs=1)
        middle = slice(len(best) // 4, len(best) // 2)
        assert np.abs(found[middle] - best[middle]).max() < 1e-3, "neither softer, nor moved in time"
    if wanted < own:
        path = save_sound(tmp_path / "a.wav", tone(limit * 1.05, own, 1.0), own, "FLOAT")
        found = heard(path, wanted).samples
        assert np.abs(found[len(found) // 4 : len(found) // 2]).max() < 1e-5, "no alias"


def test_channels_are_mixed_down_to_their_mean(tmp_path: Path) -> None:
    left, right = noise("left"), noise("right")
    sound = heard(save_sound(tmp_path / "a.wav", np.stack([left, right], 1), subtype="FLOAT"), RATE)
    assert sound.channels == 2
    assert sound.samples == pytest.approx((left + right) / 2, abs=1e-7)


def test_no_more_than_the_wanted_seconds_are_read(tmp_path: Path) -> None:
    path = save_sound(tmp_path / "a.wav", noise("x", 4000))
    assert np.array_equal(heard(path, RATE, seconds=0.1).samples, noise("x", 4000)[:800])
    assert len(heard(path, RATE, seconds=9).samples) == 4000


def test_levels_are_brought_to_one_without_clipping(tmp_path: Path) -> None:
    for height in (0.01, 0.9):
        path = save_sound(tmp_path / "a.wav", tone(440, height=height), subtype="FLOAT")
        samples = heard(path, RATE, level=-26).samples
        assert 20 * np.log10(np.sqrt(np.mean(samples**2))) == pytest.approx(-26, abs=0.01)
        assert np.corrcoef(samples, tone(440))[0, 1] == pytest.approx(1)
    click = np.zeros(800, np.float32)
    click[400] = 0.1
    found = heard(save_sound(tmp_path / "a.wav", click, subtype="FLOAT"), RATE, level=-6).samples
    assert np.abs(found).max() == pytest.approx(1), "as far as full scale, no further"
    assert not heard(save_sound(tmp_path / "a.wav", 0 * click), RATE, level=-26).samples.any()


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.ogg", "a.opus", "a.mp3"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_what_was_cut_off_is_never_just_shorter(tmp_path: Path, name: str, share: float) -> None:
    kind = {"format": "OGG", "subtype": "OPUS"} if name == "a.opus" else {}
    soundfile.write(tmp_path / name, noise("x", 48_000), 16_000, **kind)
    whole = (tmp_path / name).read_bytes()
    heard(tmp_path / name, 16_000)
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableError, match="cut off"):
        heard(tmp_path / name, 16_000)


def test_an_ogg_that_is_cut_between_pages_is_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", noise("x", 160_000), 16_000)
    whole = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(whole[: whole.rfind(b"OggS")])
    with pytest.raises(UnreadableError, match="not marked as the last"):
        heard(tmp_path / "a.ogg", 16_000)


def test_heads_of_wav_that_were_written_before_the_length_was_known(tmp_path: Path) -> None:
    for said in (0xFFFFFFFF, 0x7FFFF000):
        assert len(heard(save_wav(tmp_path / "a.wav", noise("x"), said), RATE).samples) == 480
    with pytest.raises(UnreadableError, match=r"says that it holds 970 bytes of samples, and has 960"):
        heard(save_wav(tmp_path / "a.wav", noise("x"), 970), RATE)


def test_wav_of_64_bits_is_held_to_its_long_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise("x"), RATE, format="RF64", subtype="PCM_16")
    assert len(heard(tmp_path / "a.wav", RATE).samples) == 480
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:-100])
    with pytest.raises(UnreadableError, match="cut off"):
        heard(tmp_path / "a.wav", RATE)


def test_a_flac_with_damaged_bytes_is_told(tmp_path: Path) -> None:
    path = save_sound(tmp_path / "a.flac", noise("x", 48_000))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match="damaged"):
        heard(path, RATE)


def as_floats(samples: NDArray[np.float32]) -> Callable[[Path], Path]:
    return lambda path: save_sound(path, samples, subtype="FLOAT")


def with_nan() -> NDArray[np.float32]:
    samples = noise("x")
    samples[120] = np.nan
    return samples


@pytest.mark.parametrize(
    ("save", "says"),
    [
        (as_floats(with_nan()), r"its sample 120 \(0.015 s\) is \[nan\], which is not finite"),
        (as_floats(noise("x") * np.inf), r"its sample 0 .*not finite"),
        (as_floats(noise("x") * 32768), r"its samples reach 1\d{4}.*full scale is 1; scale"),
        (as_floats(noise("x", 0)), "is empty; a recording has 25 ms"),
        (as_floats(noise("x", 199)), r"is 24.9 ms long; a recording has 25 ms"),
        (lambda path: path.write_text("no sound\n" * 50), "Format not recognised"),
        (lambda path: path.write_bytes(b""), "Format not recognised"),
        (lambda path: path.write_bytes(b"RIFF" + struct.pack("<I", 4) + b"WAVE"), "damaged, or cut off"),
        (lambda path: path.mkdir(), "directory"),
    ],
)
def test_what_is_no_sound_is_told(tmp_path: Path, save: Callable[[Path], object], says: str) -> None:
    save(tmp_path / "a.wav")
    with pytest.raises(UnreadableError, match=says):
        heard(tmp_path / "a.wav", RATE)


def test_clipping_is_told_from_loudness(tmp_path: Path) -> None:
    loud = tone(100, height=0.999)
    assert heard(save_sound(tmp_path / "a.wav", loud), RATE).clipped == 0
    cut = np.clip(tone(100, height=1.3), -1, 1)
    share = float((np.abs(cut) >= 1).mean())
    assert heard(save_sound(tmp_path / "b.wav", cut), RATE).clipped == pytest.approx(share, abs=0.02)
    one = np.stack([tone(100, height=0.2), cut], 1)
    assert heard(save_sound(tmp_path / "c.wav", one), RATE).clipped == pytest.approx(share, abs=0.02), "one channel"
    eight = heard(save_sound(tmp_path / "d.wav", cut, subtype="PCM_U8"), RATE)
    assert eight.clipped == pytest.approx(share, abs=0.03)
    over = heard(save_sound(tmp_path / "e.wav", tone(100, height=1.3), subtype="FLOAT"), RATE)
    assert over.clipped == pytest.approx(share, abs=0.02)
    assert np.abs(over.samples).max() == 1


def test_silence_is_told_from_what_is_soft(tmp_path: Path) -> None:
    for samples in (np.zeros(400, np.float32), np.full(400, 0.25, np.float32)):
        assert heard(save_sound(tmp_path / "a.wav", samples), RATE).silent
    assert heard(save_sound(tmp_path / "a.wav", np.stack([noise("x"), -noise("x")], 1)), RATE).silent
    assert not heard(save_sound(tmp_path / "a.wav", tone(100, height=0.001)), RATE).silent


def test_heads_tell_rate_and_length(tmp_path: Path) -> None:
    assert head_of(save_sound(tmp_path / "a.flac", noise("x", 4410), 44_100)) == (44_100, 0.1)
    (tmp_path / "b.wav").write_text("no sound")
    with pytest.raises(UnreadableError, match="no sound in a format that is known"):
        head_of(tmp_path / "b.wav")
