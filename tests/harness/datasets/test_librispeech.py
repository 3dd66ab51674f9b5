from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.datasets import SPLITS, SplitName
from harness.datasets.cache import Materialised
from harness.datasets.librispeech import Librispeech, LibrispeechConfig
from tests.harness.datasets.audio_files import noise, save_librispeech, save_phones, save_sound
from tests.harness.datasets.own_files import refused, written


def dataset(path: Path, **config: Any) -> Librispeech:
    return Librispeech(LibrispeechConfig(path=str(path), **config))


def sizes(found: Materialised) -> list[int]:
    return [len(found.split(split).source) for split in SPLITS]


def names(found: Materialised, split: SplitName, path: Path) -> list[str]:
    """Utterances of a split, known by their samples."""
    stems = [file.stem for file in path.rglob("*.flac")]
    by_samples = {noise(stem, 1600 + 100 * (int(stem[-4:]) % 5)).tobytes(): stem for stem in stems}
    column = found.split(split).source.columns["audio"]
    return [by_samples[column.row(row).tobytes()] for row in range(len(column))]


def labels_of(path: Path, shorter: int = 0) -> dict[str, list[int]]:
    """A label for every whole 10 ms of every utterance, which are the ten of its number and on."""
    stems = sorted(file.stem for file in path.rglob("*.flac"))
    return {
        stem: [(int(stem[-4:]) + k) % 12 for k in range((1600 + 100 * (int(stem[-4:]) % 5)) // 160 - shorter)]
        for stem in stems
    }


def test_speakers_are_groups_and_tasks_of_utterances_and_of_10_ms(tmp_path: Path) -> None:
    path = save_librispeech(tmp_path / "l")
    found = written(dataset(path), tmp_path)
    assert sizes(found) == [42, 6, 12]
    assert (found.spec.rate, found.spec.groups) == (16_000, True)
    assert [(task.name, task.kind, task.classes) for task in found.tasks.values()] == [
        ("speaker", "class", ("19", "103")),
        ("speaker_frame", "position", ("19", "103")),
    ]
    for split in SPLITS:
        part = found.split(split)
        rows, whole = part.rows("speaker_frame"), part.labels("speaker").tolist()
        groups = part.source.groups
        assert groups is not None
        by_group = dict(zip(groups.take(torch.arange(len(whole))).tolist(), whole, strict=True))
        assert len(by_group) == 2, "a group is a speaker, and splits share them"
        for row, name in enumerate(names(found, split, path)):
            assert ("19", "103")[whole[row]] == name.split("-")[0]
            count = (1600 + 100 * (int(name[-4:]) % 5)) // 160
            assert rows[row].tolist() == [whole[row]] * count
            assert part.intervals("speaker_frame")[row].tolist() == [[160 * k, 160 * k + 160] for k in range(count)]


def test_phones_lie_every_10_ms_of_what_is_labelled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save_librispeech(tmp_path / "l")
    labels = labels_of(path, shorter=1)
    bare = sorted(labels)[::5]
    save_phones(path / "phones.txt", {**{n: row for n, row in labels.items() if n not in bare}, "9-9-9999": [3]})
    with caplog.at_level(logging.INFO, "harness.datasets"):
        found = written(dataset(path, phones="phones.txt"), tmp_path)
    assert "labels 48 of 60 utterances here" in caplog.text
    assert "labels 1 utterances that are not here" in caplog.text
    task = found.tasks["phone"]
    assert (task.kind, task.metric, task.classes) == ("position", "position_accuracy", tuple(map(str, range(12))))
    for split in SPLITS:
        rows, where = found.split(split).rows("phone"), found.split(split).intervals("phone")
        for row, name in enumerate(names(found, split, path)):
            wanted = [] if name in bare else labels[name]
            assert rows[row].tolist() == wanted
            assert where[row].tolist() == [[160 * k, 160 * k + 160] for k in range(len(wanted))]


def test_labels_follow_another_rate_and_a_cut(tmp_path: Path) -> None:
    path = save_librispeech(tmp_path / "l")
    save_phones(path / "phones.txt", labels_of(path))
    found = written(dataset(path, phones="phones.txt", rate=8000, seconds=0.05), tmp_path)
    part = found.split("train")
    assert {len(part.source.columns["audio"].row(row)) for row in range(len(part.source))} == {400}
    for task in ("phone", "speaker_frame"):
        assert part.intervals(task)[0].tolist() == [[80 * k, 80 * k + 80] for k in range(5)]
        assert part.rows(task).lengths().unique().tolist() == [5]


def save_list(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def test_lists_of_utterances_make_the_splits(tmp_path: Path) -> None:
    path = save_librispeech(tmp_path / "l")
    stems = sorted(file.stem for file in path.rglob("*.flac"))
    save_list(path / "train_split.txt", stems[::2])
    save_list(path / "test_split.txt", stems[1:20:2])
    found = written(dataset(path, train="train_split.txt", test="test_split.txt", val=4), tmp_path)
    assert sizes(found) == [26, 4, 10]
    assert sorted(names(found, "test", path)) == stems[1:20:2]
    assert sorted(names(found, "train", path) + names(found, "val", path)) == stems[::2]
    save_list(path / "test_split.txt", [*stems[1:20:2], "19-0-9999"])
    says = r"1 of 11 recordings of a list are not there.*test_split.txt, line 11: 19-0-9999.*get these"
    assert refused(dataset(path, train="train_split.txt", test="test_split.txt", val=4), tmp_path / "o", says)


def test_speakers_that_are_held_out_are_no_task(tmp_path: Path) -> None:
    path = save_librispeech(tmp_path / "l", [f"{k}" for k in range(8)], 4)
    save_phones(path / "phones.txt", labels_of(path))
    held = written(dataset(path, phones="phones.txt", speakers="held_out", val=0.2, test=0.3), tmp_path)
    assert list(held.tasks) == ["phone"]
    speakers = [{name.split("-")[0] for name in names(held, split, path)} for split in SPLITS]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 8
    for name in ("train-clean", "test-clean"):
        for speaker in ("19", "26") if name == "train-clean" else ("103", "107"):
            save_librispeech(tmp_path / "s" / name, [speaker], 6)
    config = {"train": "train-clean", "test": "test-clean"}
    says = r"task 'speaker': classes without an example in train:.*'103': 6 in test.*`speakers: held_out`"
    assert refused(dataset(tmp_path / "s", **config), tmp_path / "o", says)


def test_labels_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    path = save_librispeech(tmp_path / "l")
    good = labels_of(path)
    first = "103-0-0000"  # of exactly 100 ms

    def told(labels: dict[str, list[int]], says: str) -> bool:
        save_phones(path / "phones.txt", labels)
        return refused(dataset(path, phones="phones.txt"), tmp_path, says)

    save_phones(path / "phones.txt", {**good, first: [*good[first], 1, 1]})
    found = written(dataset(path, phones="phones.txt"), tmp_path / "spare")
    kept = [found.split(split).rows("phone").lengths().sum().item() for split in SPLITS]
    assert sum(kept) == sum(map(len, good.values())), "two more are windows that are counted in another way"
    says = r"1 utterances have more labels of 10 ms than sound.*103-0-0000.flac: 13 labels.*it has 0.10 s.*other"
    assert told({**good, first: [*good[first], 1, 1, 1]}, says)
    assert told({**good, "19-0-0000": []}, r"phones.txt, line \d+: 19-0-0000 has no labels")
    assert told({**good, "19-0-0000": [99_999]}, r"phones.txt, line \d+: 99999 is the number of no phone")
    assert told({"9-9-9999": [1, 2]}, r"`phones` labels no utterance of train and val and test \(0 of 60")
    (path / "phones.txt").write_text("19-0-0000 1 2 x 3\n")
    assert refused(dataset(path, phones="phones.txt"), tmp_path, r"phones.txt, line 1: 'x' is no number of a phone")
    (path / "phones.txt").write_text("19-0-0000 1\n19-0-0000 2\n")
    assert refused(dataset(path, phones="phones.txt"), tmp_path, r"line 2: 19-0-0000 has labels in a line above")
    (path / "phones.txt").write_text("")
    assert refused(dataset(path, phones="phones.txt"), tmp_path, r"phones.txt: is empty")
    assert refused(dataset(path, phones="none.txt"), tmp_path, r"there is no .*none.txt; `phones`")


def test_labels_that_end_early_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save_librispeech(tmp_path / "l")
    long = save_sound(path / "19" / "1" / "19-1-9998.flac", noise("long", 16_000), 16_000).stem
    save_phones(path / "phones.txt", {**labels_of(path), long: [1] * 50})
    with caplog.at_level(logging.WARNING, "harness.datasets"):
        written(dataset(path, phones="phones.txt"), tmp_path)
    assert "of 1 utterances the labels end more than 0.1 s before the sound" in caplog.text


def test_what_does_not_lie_like_librispeech_is_told(tmp_path: Path) -> None:
    path = save_librispeech(tmp_path / "l")
    save_sound(path / "19" / "1" / "103-1-0001.flac", noise("stray"), 16_000)
    says = r"SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac; not so:.*103-1-0001.flac.*`audio` and a `pattern`"
    assert refused(dataset(path), tmp_path, says)
    for config in ({"speakers": "held_out"}, {"labels": "none", "phones": "a.txt"}, {"phones": "/a.txt"}):
        with pytest.raises(ValueError, match=next(iter(config)) if len(config) == 1 else "phones"):
            LibrispeechConfig(path="l", **config)  # type: ignore[arg-type]


def test_a_corpus_without_labels(tmp_path: Path) -> None:
    found = written(dataset(save_librispeech(tmp_path / "l"), labels="none"), tmp_path)
    assert found.tasks == {}
    assert found.spec.groups
    assert sizes(found) == [54, 6, 0]


def test_the_sample_of_cpc_audio(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Labels of a real alignment: phone 0 is silence, so that it must be softer than all else."""
    sample = real_data("librispeech_cpc_sample") / "test_data"
    corpus = written(dataset(sample, labels="none"), tmp_path / "corpus")
    assert sum(sizes(corpus)) == 9
    assert corpus.spec.rate == 16_000
    says = r"`phones` labels no utterance of train .*2 of 9 utterances in all"
    config = {"phones": "phone_labels.txt", "speakers": "held_out"}
    assert refused(dataset(sample, train="seq_list.txt", val="*/4051/*", test="*/2911/*", **config), tmp_path, says)
    lines = dict(line.split(maxsplit=1) for line in (sample / "phone_labels.txt").read_text().splitlines())
    for copy in range(3):  # each split has the two labelled utterances, under other names
        for name, number in (("4051-11218-0044", 44), ("2911-12359-0007", 7)):
            speaker, chapter, _ = name.split("-")
            file = next(sample.rglob(f"{name}.flac"))
            folder = tmp_path / "l" / SPLITS[copy] / f"{speaker}{copy}" / chapter
            folder.mkdir(parents=True)
            (folder / f"{speaker}{copy}-{chapter}-{number}.flac").symlink_to(file)
            with (tmp_path / "l" / "phones.txt").open("a") as phones:
                phones.write(f"{speaker}{copy}-{chapter}-{number} {lines[name]}\n")
    found = written(dataset(tmp_path / "l", phones="phones.txt", speakers="held_out", leaks="allow"), tmp_path)
    assert sizes(found) == [2, 2, 2]
    assert len(found.tasks["phone"].classes) == 41
    part = found.split("test")
    for row in range(2):
        samples = part.source.columns["audio"].row(row)
        labels = part.rows("phone")[row]
        energy = np.array([np.log(np.mean(samples[a:b] ** 2) + 1e-10) for a, b in part.intervals("phone")[row]])
        assert len(labels) in (1119, 508)
        assert energy[labels == 0].mean() < energy[labels != 0].mean() - 2
