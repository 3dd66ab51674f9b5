from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.datasets import SPLITS, SplitName
from harness.datasets.cache import Materialised
from harness.datasets.videos import Videos, VideosConfig
from tests.harness.datasets.own_files import refused, written
from tests.harness.datasets.video_files import frame, save, save_classes, save_film, save_frames


def dataset(path: Path, **config: Any) -> Videos:
    return Videos(VideosConfig(path=str(path), **config))


def videos(found: Materialised, split: SplitName) -> list[NDArray[np.uint8]]:
    column = found.split(split).source.columns["video"]
    return [column.row(index) for index in range(len(column))]


def everything(found: Materialised) -> dict[bytes, int]:
    """How long each video is, by the pixels of its first frame."""
    return {video[0].tobytes(): len(video) for split in SPLITS for video in videos(found, split)}


def first_frame(purpose: str) -> bytes:
    return frame(purpose, 0).transpose(2, 0, 1).tobytes()


def test_folders_of_frames_have_the_class_of_the_folder_around_them(tmp_path: Path) -> None:
    found = written(dataset(save_classes(tmp_path / "v")), tmp_path)
    assert [len(videos(found, split)) for split in SPLITS] == [14, 2, 4]
    assert found.tasks["class"].classes == ("cat", "dog")
    wanted = {first_frame(f"{name}{i}"): (k, 3 + i % 4) for k, name in enumerate(("cat", "dog")) for i in range(10)}
    seen = 0
    for split in SPLITS:
        for video, label in zip(videos(found, split), found.split(split).labels("class").tolist(), strict=True):
            assert wanted[video[0].tobytes()] == (label, len(video))
            seen += 1
    assert seen == 20


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        for number in range(8, 12):  # as text, 10 comes before 8
            save(tmp_path / "v" / name / f"shot2_{number}.png", frame(name, number))
    found = written(dataset(tmp_path / "v", val=1), tmp_path)
    assert found.tasks == {}
    for video in (*videos(found, "train"), *videos(found, "val")):
        name = next(n for n in "abc" if np.array_equal(video[0], frame(n, 8).transpose(2, 0, 1)))
        assert np.array_equal(video, np.stack([frame(name, n).transpose(2, 0, 1) for n in range(8, 12)]))


def test_folders_named_after_splits(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("valid", 2), ("test", 3)):
        save_classes(tmp_path / "v" / split, count, split)
    found = written(dataset(tmp_path / "v"), tmp_path)
    assert [len(videos(found, split)) for split in SPLITS] == [12, 4, 6]
    assert {video[0].tobytes() for video in videos(found, "test")} == {
        first_frame(f"{name}{index}test") for name in ("cat", "dog") for index in range(3)
    }
    save_frames(tmp_path / "v" / "extra" / "one", 3)
    assert refused(dataset(tmp_path / "v"), tmp_path / "other", r"beside them videos.*extra/one.*`train`")


def test_a_table_gives_splits_classes_and_groups(tmp_path: Path) -> None:
    root = save_classes(tmp_path / "v")
    names = [f"{name}/{index:02}" for name in ("cat", "dog") for index in range(10)]
    split = ["test" if index % 5 == 4 else "train" for index in range(20)]
    (root / "list.txt").write_text("".join(f"{name} {part}\n" for name, part in zip(names, split, strict=True)))
    found = written(dataset(root, table="list.txt", split="label", val=2), tmp_path)
    assert found.tasks["class"].classes == ("cat", "dog"), "the column of splits holds no classes"
    assert [len(videos(found, part)) for part in SPLITS] == [14, 2, 4]
    rows = enumerate(zip(names, split, strict=True))
    lines = [f"{name},{part},{index % 4},{'odd' if index % 2 else 'even'}" for index, (name, part) in rows]
    (root / "all.csv").write_text("\n".join(["video,part,take,parity", *lines]) + "\n")
    config = {"file": "video", "group": "take", "label": "parity"}
    found = written(dataset(root, table="all.csv", val=0.25, test=0.25, **config), tmp_path)
    assert found.tasks["class"].classes == ("even", "odd")
    assert found.spec.groups
    takes = [set(np.asarray(found.split(part).source.groups.take(np_ids(found, part)))) for part in SPLITS]
    assert not takes[0] & takes[1]
    assert not takes[0] & takes[2]


def np_ids(found: Materialised, split: SplitName) -> Any:
    import torch

    return torch.arange(len(found.split(split).source))


def test_a_table_that_does_not_agree_is_refused(tmp_path: Path) -> None:
    root = save_classes(tmp_path / "v")
    (root / "list.txt").write_text("cat/00\ncat/0l\n")
    assert refused(dataset(root, table="list.txt"), tmp_path, r"list.txt, line 2: .*cat/0l; did you mean.*get these")
    (root / "list.txt").write_text("cat/00\ncat/01\ncat/00\n")
    assert refused(dataset(root, table="list.txt"), tmp_path, r"list.txt, line 3: cat/00 stands in .*line 1")
    (root / "list.txt").write_text("cat/00 train\ncat/01 later\n")
    assert refused(dataset(root, table="list.txt", split="label"), tmp_path, r"line 2: 'later'")
    assert refused(dataset(root, table="none.txt"), tmp_path, r"there is no .*none.txt.*`table`")


def test_files_are_decoded_and_paced_by_their_times(tmp_path: Path) -> None:
    for index in range(10):
        save_film(tmp_path / "v" / f"{index}.{'avi' if index % 2 else 'mp4'}", 20 + index)
    found = written(dataset(tmp_path / "v"), tmp_path)
    assert found.tasks == {}
    assert sorted(everything_lengths(found)) == [20 + index for index in range(10)]
    paced = written(dataset(tmp_path / "v", fps=10), tmp_path)
    assert sorted(everything_lengths(paced)) == sorted(-(-(20 + index) // 3) for index in range(10))
    for video in videos(paced, "train"):
        assert video[:4].mean((1, 2, 3)) == pytest.approx([60, 72, 84, 96], abs=3), "every third frame"
    few = written(dataset(tmp_path / "v", fps=10, frames=4, size=(12, 20)), tmp_path)
    assert set(everything_lengths(few)) == {4}
    assert few.spec.shape == (3, 12, 20)


def everything_lengths(found: Materialised) -> list[int]:
    return [len(video) for split in SPLITS for video in videos(found, split)]


def test_folders_are_paced_where_their_rate_is_known(tmp_path: Path) -> None:
    for index in range(10):
        save_frames(tmp_path / "v" / str(index), 9)
    assert refused(dataset(tmp_path / "v", fps=6), tmp_path, r"v/0: .*fps: 6.*`folder_fps`")
    found = written(dataset(tmp_path / "v", fps=6, folder_fps=24), tmp_path)
    assert set(everything_lengths(found)) == {3}


def test_the_same_video_in_two_splits_is_a_leak(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        save_classes(tmp_path / "v" / split, 4, split)
    save_frames(tmp_path / "v" / "test" / "cat" / "again", 3, "cat0train")
    says = r"train/cat/00 in train is .*test/cat/again in test.*leaks: allow"
    assert refused(dataset(tmp_path / "v"), tmp_path, says)
    assert len(videos(written(dataset(tmp_path / "v", leaks="allow"), tmp_path), "test")) == 9


def test_where_files_lie_is_no_identity_and_what_they_hold_is(tmp_path: Path) -> None:
    one, two = (dataset(save_classes(tmp_path / name)) for name in ("a", "b"))
    assert one.content() == two.content()
    save(tmp_path / "b" / "cat" / "00" / "0001.png", frame("other", 1))
    assert dataset(tmp_path / "b").content() != one.content()


def _truncated(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _noisy(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, len(content) - 600, 7):
        content[place] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda path: _truncated(path, 0.6), r"0.avi: (damaged|cut off).*mend it, or take it out"),
        (_noisy, r"0.avi: (damaged|cut off).*mend it, or take it out"),
        (lambda path: path.write_bytes(b"no video"), r"0.avi: no video in a format that is known.*take it out"),
        (lambda path: path.write_bytes(b""), r"0.avi: no video in a format that is known.*take it out"),
        (lambda path: save_film(path, 1), r"0.avi: a video needs two frames; this one has 1"),
        (lambda path: save_film(path, 20, width=48), r"videos differ in size.*0.avi: 24 x 48.*`size: "),
    ],
)
def test_bad_files_are_named(tmp_path: Path, break_it: Callable[[Path], Any], says: str) -> None:
    for index in range(4):
        save_film(tmp_path / "v" / f"{index}.avi", 30 + index)
    break_it(tmp_path / "v" / "0.avi")
    assert refused(dataset(tmp_path / "v", val=1), tmp_path, says)


def test_an_mp4_that_ends_early_is_named(tmp_path: Path) -> None:
    for index in range(4):
        save_film(tmp_path / "v" / f"{index}.mp4", 30 + index)
    _truncated(tmp_path / "v" / "1.mp4", 0.6)  # its index was at the end
    says = r"1.mp4: (no video in a format|holds no pictures).*mend it"
    assert refused(dataset(tmp_path / "v", val=1), tmp_path, says)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda folder: (folder / "0001.png").unlink(), r"cat/00: frames 1 are missing between 0 and 2; get them"),
        (lambda folder: (folder / "0002.png").write_bytes(b"x"), r"cat/00: .*no picture.*mend it, or take it out"),
        (
            lambda folder: save(folder / "0002.png", frame("x", 2, 10, 10)),
            r"cat/00: its frame 0002.png is 10 x 10 .*the first is 24 x 32",
        ),
        (lambda folder: (folder / "0002.png").rename(folder / "last.png"), r"last.png: no number at the end"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], r"cat/00: is empty; put frames"),
        (lambda folder: [(folder / f"000{n}.png").unlink() for n in (1, 2)], r"cat/00: a video needs two frames"),
    ],
)
def test_bad_folders_of_frames_are_named(tmp_path: Path, break_it: Callable[[Path], Any], says: str) -> None:
    root = save_classes(tmp_path / "v")
    break_it(root / "cat" / "00")
    assert refused(dataset(root), tmp_path, says)


def test_bad_paths_and_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    assert refused(dataset(tmp_path / "v"), tmp_path, r"v: holds neither videos.*it is empty")
    save_frames(tmp_path / "v", 3)
    assert refused(dataset(tmp_path / "v"), tmp_path, r"v: holds frames itself; `path` is the folder around")
    assert refused(dataset(tmp_path / "v" / "0000.png"), tmp_path, r"is a file; `path`")
    for wrong in ({"fps": 0}, {"frames": 1}, {"size": (0, 3)}, {"label": "kind"}, {"table": "a.csv", "val": "b"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            VideosConfig(path="v", **wrong)  # type: ignore[arg-type]


def test_jhmdb_clips(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_data("jhmdb_clips_dev") / "jhmdb_clips_dev"
    found = written(dataset(path, table="split.txt", split="label", fps=6, size=(60, 80)), tmp_path)
    assert found.tasks["class"].classes == ("golf", "kick_ball", "pour", "pullup", "walk", "wave")
    assert [len(videos(found, split)) for split in SPLITS] == [32, 4, 12]
    lengths = everything_lengths(found)
    assert max(lengths) == 10  # 40 frames that are shown for 1.6 s
    assert min(lengths) >= 4
