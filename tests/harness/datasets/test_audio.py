from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness.datasets import SPLITS, DatasetError, SplitName
from harness.datasets.audio import Audio, AudioConfig
from harness.datasets.cache import Materialised
from tests.harness.datasets.audio_files import RATE, noise, save_digits, save_sound, save_spoken, tone
from tests.harness.datasets.own_files import refused, written

#: FSDD's names.
DIGITS = {"pattern": r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)"}


def dataset(path: Path, **config: Any) -> Audio:
    return Audio(AudioConfig(path=str(path), **config))


def sounds(found: Materialised, split: SplitName) -> list[NDArray[np.float32]]:
    column = found.split(split).source.columns["audio"]
    return [column.row(index) for index in range(len(column))]


def sizes(found: Materialised) -> list[int]:
    return [len(sounds(found, split)) for split in SPLITS]


def labelled(found: Materialised, split: SplitName, task: str) -> dict[bytes, str]:
    """The class of each recording, by its samples."""
    names = found.tasks[task].classes
    labels = found.split(split).labels(task).tolist()
    return {samples.tobytes(): names[label] for samples, label in zip(sounds(found, split), labels, strict=True)}


def everything(found: Materialised, task: str) -> dict[bytes, str]:
    return {samples: name for split in SPLITS for samples, name in labelled(found, split, task).items()}


def groups(found: Materialised, split: SplitName) -> set[int]:
    column = found.split(split).source.groups
    assert column is not None
    return set(column.take(torch.arange(len(column))).tolist())


def of_digits(what: Callable[[str, str, int], str]) -> dict[bytes, str]:
    """What is to be found of `save_digits`."""
    return {
        noise(f"{digit}_{speaker}_{take}", 400 + 10 * take).tobytes(): what(digit, speaker, take)
        for speaker in ("ann", "bob", "cyd")
        for digit in "01"
        for take in range(6)
    }


def test_the_folder_of_a_recording_is_its_class(tmp_path: Path) -> None:
    found = written(dataset(save_spoken(tmp_path / "a", {"cat": 10, "dog": 10})), tmp_path)
    assert sizes(found) == [14, 2, 4]
    assert found.spec.rate == RATE
    assert found.spec.shape == ()
    assert everything(found, "class") == {
        noise(f"{name}/{index}", 480 + index).tobytes(): name for name in ("cat", "dog") for index in range(10)
    }


def test_folders_named_after_splits(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("dev", 2), ("test", 3)):
        for name in ("cat", "dog"):
            for index in range(count):
                save_sound(tmp_path / "a" / split / name / f"{index}.wav", noise(f"{split}{name}{index}"))
    found = written(dataset(tmp_path / "a"), tmp_path)
    assert sizes(found) == [12, 4, 6]
    assert {*labelled(found, "test", "class")} == {
        noise(f"test{name}{index}").tobytes() for name in ("cat", "dog") for index in range(3)
    }
    save_sound(tmp_path / "a" / "extra.wav", noise("extra"))
    assert refused(dataset(tmp_path / "a"), tmp_path / "other", r"beside them recordings.*extra.wav.*`train`")


def test_names_tell_the_label_and_the_group_by_a_pattern(tmp_path: Path) -> None:
    path = save_digits(tmp_path / "d")
    found = written(dataset(path, label="digit", group="speaker", val=12, test=12, **DIGITS), tmp_path)
    assert found.tasks["class"].classes == ("0", "1")
    assert everything(found, "class") == of_digits(lambda digit, speaker, take: digit)
    parts = [groups(found, split) for split in SPLITS]
    assert sorted(code for part in parts for code in part) == [0, 1, 2], "each speaker in one split"
    usual = r"(?P<label>\d)_(?P<group>[a-z]+)_\d+"
    again = written(dataset(path, pattern=usual, val=12, test=12), tmp_path)
    assert again.digest == found.digest, "a pattern's label and group are taken for these"


def test_several_columns_are_several_tasks(tmp_path: Path) -> None:
    path = save_digits(tmp_path / "d")
    found = written(dataset(path, tasks=("digit", "speaker"), group="speaker", test="*_[01].wav", **DIGITS), tmp_path)
    assert sizes(found) == [22, 2, 12]
    assert everything(found, "digit") == of_digits(lambda digit, speaker, take: digit)
    assert everything(found, "speaker") == of_digits(lambda digit, speaker, take: speaker)
    assert {*labelled(found, "test", "digit")} == {
        samples for samples, take in of_digits(lambda digit, speaker, take: str(take)).items() if take in "01"
    }
    assert groups(found, "train") == groups(found, "test") == {0, 1, 2}, "a group that is a task is in all splits"


def test_a_group_that_is_asked_for_cannot_be_held_out(tmp_path: Path) -> None:
    path = save_digits(tmp_path / "d")
    wanted = dataset(path, tasks=("speaker",), group="speaker", folds=3, **DIGITS)
    assert refused(wanted, tmp_path, r"'speaker' is a task, and the group that `folds` keep whole")
    shared = dataset(path, label="digit", group="speaker", test="*_ann_[01].wav", val=10, **DIGITS)
    assert refused(shared, tmp_path, r"1 groups lie in two splits.*'ann': in \w+ and in test.*`leaks: allow`")


def test_patterns_folders_and_lists_name_what_is_of_a_split(tmp_path: Path) -> None:
    path = save_digits(tmp_path / "d")
    (path / "test.txt").write_text("0_ann_5.wav\n1_ann_5.wav\n0_bob_5\n1_bob_5\n")
    whole = of_digits(lambda digit, speaker, take: f"{digit}_{speaker}_{take}")
    found = written(dataset(path, label="digit", test="test.txt", val="*_4.wav", **DIGITS), tmp_path)
    assert sizes(found) == [26, 6, 4]
    assert {whole[samples] for samples in labelled(found, "test", "class")} == {
        *("0_ann_5", "1_ann_5", "0_bob_5", "1_bob_5"),
    }
    some = written(dataset(path, label="digit", train="*_cyd_*", test="test.txt", val=2, **DIGITS), tmp_path)
    assert sizes(some) == [10, 2, 4], "what is not named is left out where train is"
    assert refused(
        dataset(path, label="digit", train="*_ann_*", test="test.txt", **DIGITS),
        tmp_path / "o",
        r"0_ann_5.wav: is named by `train` and by `test`",
    )
    assert refused(dataset(path, label="digit", test="*.flac", **DIGITS), tmp_path / "o", r"`test: \*.flac` names no")
    (path / "test.txt").write_text("0_ann_5.wav\n0_eve_5.wav\n")
    says = r"test.txt, line 2: 0_eve_5.wav; did you mean .*get these"
    assert refused(dataset(path, label="digit", test="test.txt", **DIGITS), tmp_path / "o", says)


def test_a_table_tells_everything(tmp_path: Path) -> None:
    path = save_digits(tmp_path / "d")
    names = sorted(file.stem for file in path.iterdir())
    lines = [f"{name}.wav,{name[0]},{name.split('_')[1]},{'test' if name[-1] in '45' else 'train'}" for name in names]
    (path / "all.csv").write_text("\n".join(["file,digit,who,part", *lines]) + "\n")
    found = written(dataset(path, table="all.csv", tasks=("digit", "who"), split="part", val=4), tmp_path)
    assert sizes(found) == [20, 4, 12]
    assert everything(found, "who") == of_digits(lambda digit, speaker, take: speaker)
    (path / "all.csv").write_text("file,digit\n0_ann_0.wav,0\n0_ann_9.wav,1\n")
    says = r"all.csv, line 3: .*0_ann_9.wav; did you mean"
    assert refused(dataset(path, table="all.csv", label="digit"), tmp_path / "o", says)
    (path / "all.csv").write_text("file,digit\n0_ann_0.wav,0\n0_ann_1.wav,\n")
    says = r"no 'digit' in.*all.csv, line 3"
    assert refused(dataset(path, table="all.csv", label="digit"), tmp_path / "o", says)
    assert refused(dataset(path, table="all.csv", label="digits"), tmp_path / "o", 'did you mean "digit"')


def test_a_pattern_that_does_not_fit_is_told(tmp_path: Path) -> None:
    path = save_digits(tmp_path / "d")
    save_sound(path / "noise.wav", noise("more"))
    says = r"`pattern` does not fit the names of 1 of 37 recordings.*noise.wav.*without its ending"
    assert refused(dataset(path, label="digit", **DIGITS), tmp_path, says)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"pattern": "(?P<a>"}, "pattern: is no regular expression"),
        ({"pattern": r"\d_\w+"}, "pattern: .* names nothing"),
        ({"pattern": "(?P<a>.)", "table": "a.csv"}, "pattern: `table` says"),
        ({"label": "digit"}, "label: is a column of `table`, or a group of `pattern`"),
        ({"tasks": ("a",), "label": "b", **DIGITS}, "tasks: stands in place"),
        ({"tasks": ("a", "b"), "classes": ("x", "y"), **DIGITS}, "classes: are of one task"),
        ({"tasks": ("a",), "labels": "none", **DIGITS}, "tasks: a corpus"),
        ({"table": "a.csv", "test": "*.wav"}, "test: `table` says the splits"),
        ({"file": "name", **DIGITS}, "file: is a column of `table`"),
        ({"rate": 0}, "rate: 0 samples"),
        ({"seconds": 0.0}, "seconds: 0.0"),
        ({"level": 3.0}, "level: 3 dB"),
        ({"table": "../a.csv"}, "table: .*inside `path`"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AudioConfig(path="a", **config)


def test_rates_differ_and_are_brought_to_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, hertz in (("low", 200), ("high", 900)):
        for index in range(10):
            rate = (8000, 44_100)[index % 2]
            samples = tone(hertz + index, rate, 0.2)
            save_sound(tmp_path / "a" / name / f"{index}.wav", np.stack([samples, samples], 1), rate)
    levelled = written(dataset(tmp_path / "a", rate=8000, level=-30), tmp_path / "level")
    for samples in sounds(levelled, "train"):
        assert 10 * np.log10(np.mean(samples**2)) == pytest.approx(-30, abs=0.01)
    says = r"differ in samples a second.*: 8000.*: 44100.*`rate: 8000`"
    assert refused(dataset(tmp_path / "a"), tmp_path, says)
    with caplog.at_level(logging.INFO, "harness.datasets"):
        found = written(dataset(tmp_path / "a", rate=8000), tmp_path)
    assert found.spec.rate == 8000
    assert {len(samples) for split in SPLITS for samples in sounds(found, split)} == {1600}
    assert "of 2 channels" in caplog.text
    assert "resampled to 8000" in caplog.text
    for split in SPLITS:
        for samples, name in labelled(found, split, "class").items():
            spectrum = np.abs(np.fft.rfft(np.frombuffer(samples, np.float32)))
            assert (spectrum.argmax() * 5 > 500) == (name == "high")


def test_recordings_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    path = save_spoken(tmp_path / "a", {"cat": 10, "dog": 10})
    for name in ("cat/003.wav", "dog/004.wav"):
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[: len(content) // 2])
    says = r"cannot be used.*(00[34].wav: cut off: it says that it holds).*mend"
    assert refused(dataset(path), tmp_path, says)
    (path / "cat" / "005.wav").write_text("no sound")
    assert refused(dataset(path), tmp_path, r"a recording cannot be used:.*cat/005.wav: no sound in a format")


def test_silence_is_refused_by_name_unless_it_is_meant(tmp_path: Path) -> None:
    path = save_spoken(tmp_path / "a", {"cat": 10, "dog": 10})
    for index in range(10):
        save_sound(path / "cat" / f"{index:03}.wav", np.zeros(480, np.float32))
    says = r"recordings are silent from beginning to end.*cat/00\d.wav.*`silent: allow`"
    assert refused(dataset(path, leaks="allow"), tmp_path, says)
    kept = written(dataset(path, leaks="allow", silent="allow"), tmp_path)
    assert sum(not samples.any() for split in SPLITS for samples in sounds(kept, split)) == 10


def test_clipped_recordings_are_kept_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save_spoken(tmp_path / "a", {"cat": 10, "dog": 10})
    save_sound(path / "cat" / "003.wav", np.clip(tone(100, height=1.2), -1, 1))
    save_sound(path / "cat" / "004.wav", np.clip(tone(100, height=3.0), -1, 1))
    with caplog.at_level(logging.WARNING, "harness.datasets"):
        found = written(dataset(path, folds=3), tmp_path)
    (record,) = caplog.records
    message = record.getMessage()
    assert "train: 2 of 20 recordings are clipped" in message
    assert message.index("cat/004.wav") < message.index("cat/003.wav")
    assert len(sounds(found, "train")) == 20


def test_the_same_recording_in_two_splits_is_refused_whatever_its_format(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for index in range(6):
                save_sound(tmp_path / "a" / split / name / f"{index}.wav", noise(f"{split}{name}{index}"))
    save_sound(tmp_path / "a" / "train" / "cat" / "twin.flac", noise("testcat3"))
    config = {"val": 2}
    says = r"1 recordings lie in two splits.*twin.flac \(\w+\) is .*test/cat/3.wav \(test\).*`leaks: allow`"
    assert refused(dataset(tmp_path / "a", **config), tmp_path, says)
    assert sizes(written(dataset(tmp_path / "a", leaks="allow", **config), tmp_path)) == [11, 2, 12]
    (tmp_path / "a" / "train" / "cat" / "twin.flac").unlink()
    shutil.copy(tmp_path / "a" / "test" / "cat" / "3.wav", tmp_path / "a" / "train" / "cat" / "twin.wav")
    with pytest.raises(DatasetError, match=r"(?s)1 examples lie in two splits.*twin.wav in \w+ is .*3.wav in test"):
        _ = dataset(tmp_path / "a", **config).spec  # without decoding any


def test_a_corpus_has_no_labels(tmp_path: Path) -> None:
    for index in range(20):
        save_sound(tmp_path / "a" / f"{index}.flac", noise(f"{index}"))
    found = written(dataset(tmp_path / "a"), tmp_path)
    assert found.tasks == {}
    assert sizes(found) == [18, 2, 0]
    save_spoken(tmp_path / "a", {"cat": 3})
    assert refused(dataset(tmp_path / "a"), tmp_path / "o", r"3 recordings lie in folders of classes, not so.*0.flac")
    assert sizes(written(dataset(tmp_path / "a", labels="none"), tmp_path)) == [21, 2, 0]


def test_bad_paths_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert refused(dataset(tmp_path / "a"), tmp_path, r"a: holds no recordings \(.*\.wav.*it is empty")
    (tmp_path / "a" / "song.m4a").write_text("x")
    assert refused(dataset(tmp_path / "a"), tmp_path, r"files that end with .m4a")
    assert refused(dataset(tmp_path / "a" / "song.m4a"), tmp_path, r"is a file; `path` is the folder")


def test_spoken_digits(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_data("fsdd") / "recordings"
    official = written(
        dataset(path, tasks=("digit", "speaker"), group="speaker", test="*_[0-4].wav", **DIGITS), tmp_path
    )
    assert sizes(official) == [2430, 270, 300]
    assert official.spec.rate == 8000
    for task, classes, each in (("digit", 10, 30), ("speaker", 6, 50)):
        assert torch.bincount(official.split("test").labels(task)).tolist() == [each] * classes
    held_out = dataset(path, tasks=("digit",), group="speaker", val=500, test=1000, limit=60, **DIGITS)
    found = written(held_out, tmp_path)
    parts = [groups(found, split) for split in SPLITS]
    assert [len(part) for part in parts] == [3, 1, 2]
    assert len(set.union(*parts)) == 6


def test_a_list_that_could_mean_two_recordings_is_refused(tmp_path: Path) -> None:
    for index, name in enumerate(("one.flac", "one.wav", "two.wav", "three.wav")):
        save_sound(tmp_path / "yes" / name, noise(f"{index}", 480))
        save_sound(tmp_path / "no" / f"{index}.wav", noise(f"no {index}", 480))
    (tmp_path / "test.txt").write_text("yes/one\nno/1\n")
    assert refused(dataset(tmp_path, test="test.txt"), tmp_path, r"yes/one; several are called so")
    (tmp_path / "test.txt").write_text("yes/one.flac\nno/1\n")
    assert sizes(written(dataset(tmp_path, test="test.txt", val=0.2), tmp_path))[2] == 2


def test_a_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    save_spoken(tmp_path, {"yes": 4, "no": 4})
    (tmp_path / "yes" / "odd\udcff.wav").write_bytes((tmp_path / "yes" / "000.wav").read_bytes())
    assert refused(dataset(tmp_path), tmp_path, r"name of file 'yes/odd\\udcff.wav' is not UTF-8")
