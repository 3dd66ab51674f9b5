from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.datasets import SPLITS, DatasetError, SplitName
from harness.datasets._badja import JOINTS
from harness.datasets.cache import Materialised
from harness.datasets.davis import Davis, DavisConfig
from tests.harness.datasets.own_files import refused, written
from tests.harness.datasets.video_files import (
    HEIGHT,
    WIDTH,
    frame,
    save,
    save_badja,
    save_davis,
    save_lists,
    save_sequence,
    square,
)


def davis(path: Path, **config: Any) -> Davis:
    return Davis(DavisConfig(path=str(path), **config))


def videos(found: Materialised, split: SplitName, examples: str = "") -> list[NDArray[np.uint8]]:
    column = found.split(split, examples).source.columns["video"]
    return [column.row(index) for index in range(len(column))]


def masks(found: Materialised, split: SplitName = "test") -> list[NDArray[np.uint8]]:
    return list(found.split(split, "sequences").rows("masks"))


def frames(name: str, numbers: Sequence[int]) -> NDArray[np.uint8]:
    return np.stack([frame(name, number).transpose(2, 0, 1) for number in numbers])


def test_frames_and_masks_are_those_of_the_files(tmp_path: Path) -> None:
    found = written(davis(save_davis(tmp_path / "d", {"bear": 10, "cat": 12})), tmp_path)
    assert found.spec.shape == (3, HEIGHT, WIDTH)
    bear, cat = videos(found, "test", "sequences")
    assert np.array_equal(bear, frames("bear", range(10)))
    assert np.array_equal(cat, frames("cat", range(12)))
    for rows, length in zip(masks(found), (10, 12), strict=True):
        assert np.array_equal(rows, np.stack([square(number, 1) for number in range(length)]))


def test_without_a_train_list_pretraining_sees_the_tested_frames_but_no_mask(tmp_path: Path) -> None:
    dataset = davis(save_davis(tmp_path / "d", {"bear": 10, "cat": 15}))
    found = written(dataset, tmp_path)
    assert dataset.transductive
    assert found.transductive
    assert found.spec.size == 2
    seen, held_out = videos(found, "train"), videos(found, "val")
    assert np.array_equal(seen[0], frames("bear", range(8)))
    assert np.array_equal(held_out[0], frames("bear", range(8, 10)))
    assert np.array_equal(seen[1], frames("cat", range(12)))
    assert np.array_equal(held_out[1], frames("cat", range(12, 15)))
    assert not videos(found, "test")
    assert [len(found.split(split, "sequences").source) for split in SPLITS] == [0, 0, 2]
    assert not len(found.split("train", "sequences").rows("masks"))
    assert {task.examples for task in found.tasks.values()} == {"sequences"}


def test_davis_lists_say_what_is_trained_on_and_what_is_tested(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10, "cat": 5, "dog": 6, "emu": 6})
    save_lists(root, 2016, train=["bear", "emu"], val=["dog"])
    dataset = davis(root)
    found = written(dataset, tmp_path)
    assert not dataset.transductive
    assert [len(video) for video in videos(found, "train")] == [8, 4]
    assert np.array_equal(videos(found, "test", "sequences")[0], frames("dog", range(6)))
    assert len(videos(found, "test", "sequences")) == 1
    chosen = written(davis(root, val=("emu",)), tmp_path)
    assert [len(video) for video in videos(chosen, "train")] == [10], "nothing is held out where there is a val"
    assert np.array_equal(videos(chosen, "val")[0], frames("emu", range(6)))
    assert np.array_equal(masks(chosen, "val")[0], np.stack([square(number, 1) for number in range(6)]))


def test_the_lists_of_2016_name_files(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10, "dog": 6})
    lines = [f"/JPEGImages/480p/dog/{n:05}.jpg /Annotations/480p/dog/{n:05}.png" for n in range(6)]
    save_lists(root, 480, val=lines)
    assert [len(video) for video in videos(written(davis(root), tmp_path), "test", "sequences")] == [6]


def test_several_years_need_a_choice(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10, "dog": 6})
    save_lists(root, 2016, val=["dog"])
    save_lists(root, 2017, val=["bear"])
    assert refused(davis(root), tmp_path, r"ImageSets.*2016, 2017.*`year`")
    assert len(videos(written(davis(root, year=2017), tmp_path), "test", "sequences")[0]) == 10
    assert refused(davis(root, year=2018), tmp_path / "other", "2018.*`year`")


def test_the_folder_around_davis_is_found_and_where_it_lies_is_no_identity(tmp_path: Path) -> None:
    inner = davis(save_davis(tmp_path / "a" / "DAVIS", {"bear": 10}))
    outer = davis(tmp_path / "a")
    other = davis(save_davis(tmp_path / "b", {"bear": 10}))
    assert inner.content() == outer.content() == other.content()
    save(tmp_path / "b" / "Annotations" / "480p" / "bear" / "00003.png", square(9))
    assert davis(tmp_path / "b").content() != inner.content()


def test_a_palette_numbers_several_objects(tmp_path: Path) -> None:
    both = np.maximum(square(2, 1), square(20, 3))
    later = np.maximum(both, square(10, 2))  # an object that comes later is nobody's to follow
    save_sequence(tmp_path / "d", "two", [both, later, square(20, 3), *[both] * 5], palette=True)
    rows = masks(written(davis(tmp_path / "d"), tmp_path))[0]
    assert np.array_equal(rows[0], np.maximum(square(2, 1), square(20, 2)))
    assert np.array_equal(rows[1], rows[0])
    assert np.array_equal(rows[2], square(20, 2))


def test_frames_and_masks_are_stored_at_a_resolution(tmp_path: Path) -> None:
    found = written(davis(save_davis(tmp_path / "d", {"bear": 10}), resolution=48), tmp_path)
    assert found.spec.shape == (3, 48, 64)
    large = np.repeat(np.repeat(square(0, 1), 2, axis=0), 2, axis=1)
    assert np.array_equal(masks(found)[0][0], large)
    assert videos(found, "test", "sequences")[0].shape == (10, 3, 48, 64)


def test_clips_of_two_aspects_need_a_width(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10})
    for number in range(6):
        save(root / "JPEGImages" / "480p" / "wide" / f"{number:05}.jpg", frame("wide", number, 24, 48))
        save(root / "Annotations" / "480p" / "wide" / f"{number:05}.png", np.full((24, 48), 255, np.uint8))
    assert refused(davis(root), tmp_path, r"bear: 24 x 32.*wide: 24 x 48.*width")
    assert written(davis(root, width=32), tmp_path).spec.shape == (3, 24, 32)


def test_joints_are_followed_from_the_first_frame_that_shows_any(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "x" / "DAVIS", {"bear": 10, "camel": 10})
    folder = tmp_path / "x" / "BADJA"
    save_badja(folder, "camel", {2: {33: (539, 959), 8: (0, 1919)}, 7: {33: (100, 200)}})
    save_badja(folder, "cat_jump", {0: {33: (1, 1)}})  # no sequence of DAVIS
    found = written(davis(root.parent, joints="BADJA"), tmp_path)
    names = found.tasks["keypoints"].classes
    assert names == tuple(JOINTS.values())
    assert len(names) == 20
    (video,) = videos(found, "test", "animals")
    assert np.array_equal(video, frames("camel", range(2, 10)))
    (rows,) = found.split("test", "animals").rows("keypoints")
    assert rows.shape == (8, 20, 3)
    nose, shoulder = names.index("nose"), names.index("upper_right_1")
    assert rows[0, nose] == pytest.approx([(959.5 * WIDTH / 1920) - 0.5, (539.5 * HEIGHT / 1080) - 0.5, 1])
    assert rows[0, shoulder] == pytest.approx([(1919.5 * WIDTH / 1920) - 0.5, (0.5 * HEIGHT / 1080) - 0.5, 1])
    visible = rows[..., 2].sum(1)
    assert visible.tolist() == [2, 0, 0, 0, 0, 1, 0, 0]
    assert written(davis(root.parent), tmp_path).tasks.keys() == {"masks"}


def test_bad_joints_are_refused(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"camel": 6})
    assert refused(davis(root, joints="BADJA"), tmp_path, r"there is no .*BADJA.*`joints`")
    path = save_badja(root / "BADJA", "camel", {9: {33: (5, 5)}})
    assert refused(davis(root, joints="BADJA"), tmp_path, r"camel.json.*00009.*00000 to 00005")
    save_badja(root / "BADJA", "camel", {1: {33: (1080, 5)}})
    assert refused(davis(root, joints="BADJA"), tmp_path, r"camel.json, frame 00001: joint nose.*1080 x 1920")
    save_badja(root / "BADJA", "camel", {1: {33: (5, 5)}, 3: {8: (5, 5)}})
    assert refused(davis(root, joints="BADJA"), tmp_path, r"camel.json: no joint that frame 00001 shows.*take the file")
    save_badja(root / "BADJA", "camel", {1: {33: (5, 5)}})
    assert refused(davis(root, joints="BADJA"), tmp_path, r"camel.json: no joint that frame 00001 shows.*take the file")
    entries = json.loads(path.read_text())
    entries[0]["joints"] = entries[0]["joints"][:15]
    path.write_text(json.dumps(entries))
    assert refused(davis(root, joints="BADJA"), tmp_path, r"camel.json, frame 00001: joints \[15, 2\].*37")
    path.write_text("{")
    assert refused(davis(root, joints="BADJA"), tmp_path, r"camel.json: cannot be read")
    path.rename(path.with_name("bear.json"))
    assert refused(davis(root, joints="BADJA"), tmp_path, r"joints of bear, but of none")


def sequence(root: Path, kind: str, number: int) -> Path:
    return root / kind / "480p" / "bear" / f"{number:05}.png"


def _smaller_mask(root: Path) -> None:
    save(sequence(root, "Annotations", 3), square(2)[::2, ::2].copy())


def _smaller_frame(root: Path) -> None:
    save(sequence(root, "JPEGImages", 3), frame("bear", 3, 20, 32))


def _gap(root: Path) -> None:
    sequence(root, "JPEGImages", 3).unlink()
    sequence(root, "Annotations", 3).unlink()


def _no_frame(root: Path) -> None:
    sequence(root, "JPEGImages", 9).unlink()


def _no_mask(root: Path) -> None:
    sequence(root, "Annotations", 9).unlink()


def _one_frame(root: Path) -> None:
    for number in range(1, 10):
        sequence(root, "JPEGImages", number).unlink()
        sequence(root, "Annotations", number).unlink()


def _no_object(root: Path) -> None:
    save(sequence(root, "Annotations", 0), np.zeros((HEIGHT, WIDTH), np.uint8))


def _smoothed(root: Path) -> None:
    mask = square(3)
    mask[8, 3] = 127
    save(sequence(root, "Annotations", 3), mask)


def _void(root: Path) -> None:
    save(sequence(root, "Annotations", 0), np.maximum(square(3, 1), square(20, 255)))


def _colours(root: Path) -> None:
    save(sequence(root, "Annotations", 3), frame("bear", 3))


def _torn_frame(root: Path) -> None:
    path = sequence(root, "JPEGImages", 3)
    path.write_bytes(path.read_bytes()[:60])


def _torn_mask(root: Path) -> None:
    path = sequence(root, "Annotations", 3)
    path.write_bytes(path.read_bytes()[:50])


def _no_number(root: Path) -> None:
    sequence(root, "JPEGImages", 3).rename(sequence(root, "JPEGImages", 3).with_name("third.png"))


def _empty(root: Path) -> None:
    for number in range(10):
        sequence(root, "JPEGImages", number).unlink()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (_smaller_mask, r"Annotations/480p/bear/00003.png: a mask of 12 x 16 .*its frame has 24 x 32.*get the files"),
        (_smaller_frame, r"JPEGImages/480p/bear/00003.png: a frame of 20 x 32 .*24 x 32.*get the files"),
        (_gap, r"JPEGImages/480p/bear: frames 3 are missing between 0 and 9; get them"),
        (_no_frame, r"Annotations/480p/bear: masks without a frame: 9; .*get what is missing"),
        (_no_mask, r"Annotations/480p/bear: frames without a mask: 9; .*get what is missing"),
        (_one_frame, r"JPEGImages/480p/bear: too few frames \(1\).*3 are needed.*leave"),
        (_no_object, r"Annotations/480p/bear/00000.png: shows no object.*leave bear out"),
        (_smoothed, r"00003.png: a mask in black and white that holds 127 too; save"),
        (_void, r"00000.png: its first mask holds 255 beside other numbers; number the objects"),
        (_colours, r"00003.png: cannot be read as a mask: a mask in colours.*palette"),
        (_torn_frame, r"JPEGImages/480p/bear/00003.png: cannot be read as a frame.*get the file"),
        (_torn_mask, r"Annotations/480p/bear/00003.png: cannot be read as a mask.*get the file"),
        (_no_number, r"third.png: the name is no frame number"),
        (_empty, r"JPEGImages/480p/bear: holds no .* files; fill it"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, break_it: Callable[[Path], None], says: str) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10})
    break_it(root)
    assert refused(davis(root), tmp_path, says)


def test_bad_folders_and_names_are_refused(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10, "cat": 10})
    assert refused(davis(tmp_path), tmp_path, r"is not DAVIS.*no JPEGImages.*`path`")
    assert refused(davis(tmp_path / "nothing"), tmp_path, "there is no")
    assert refused(davis(root, stored="1080p"), tmp_path, r"1080p.*480p.*`stored`")
    assert refused(davis(root, test=("bare",)), tmp_path, r"`test`: there is no sequence 'bare'.*bear")
    assert refused(davis(root, train=("bear",), test=("bear",)), tmp_path, r"'bear' is in train and in test")
    assert refused(davis(root, train=("bear", "cat")), tmp_path, "no sequence is left to test")
    save_lists(root, 2016, val=["bear", "lynx"])
    assert refused(davis(root), tmp_path, r"val.txt, line 2: lynx.*get them")
    with pytest.raises(ValueError, match="resolution"):
        DavisConfig(path=str(root), resolution=4)
    with pytest.raises(ValueError, match="joints"):
        DavisConfig(path=str(root), joints="../BADJA")


def test_short_sequences_alone_cannot_prove_pretraining(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 3})
    assert refused(davis(root), tmp_path, r"no sequence is long enough.*`val`")


def test_the_first_mask_is_looked_at_while_planning(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10})
    _no_object(root)
    with pytest.raises(DatasetError, match="shows no object"):
        _ = davis(root).spec


def test_davis_itself(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_data("davis2016_dev") / "davis2016_dev"
    dataset = davis(path, test=("camel",), resolution=60, joints="BADJA/joint_annotations")
    found = written(dataset, tmp_path)
    assert len(davis(path).content()["sequences"]["test"]) == 7
    assert found.spec.shape == (3, 60, 107)
    (rows,) = masks(found)
    assert rows.shape == (90, 60, 107)
    assert set(np.unique(rows)) == {0, 1}
    (joints,) = found.split("test", "animals").rows("keypoints")
    assert joints.shape == (88, 20, 3)
    assert joints[..., 2].any(1).sum() == 18
    # Joints lie on the animal or, for its outermost points and a coarse mask, close to it.
    near = [_near(rows[t + 2], joints[t, k]) for t in range(88) for k in range(20) if joints[t, k, 2]]
    assert np.mean(near) > 0.95


def _near(mask: NDArray[np.uint8], joint: NDArray[np.float32]) -> bool:
    x, y = (round(float(value)) for value in joint[:2])
    return bool(mask[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].any())


def test_masks_of_one_bit_are_black_and_white(tmp_path: Path) -> None:
    root = save_davis(tmp_path / "d", {"bear": 10})
    Image.fromarray(square(3)).convert("1").save(sequence(root, "Annotations", 3))
    assert np.array_equal(masks(written(davis(root), tmp_path))[0][3], square(3, 1))
