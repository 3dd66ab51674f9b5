from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from harness.datasets import DatasetError
from harness.datasets.arrays import Arrays, ArraysConfig
from harness.datasets.cache import Materialised
from tests.harness.datasets.own_files import images, labels, refused, written

Named = Mapping[str, NDArray[Any]]


def dataset(path: Path, **config: Any) -> Arrays:
    return Arrays(ArraysConfig(path=str(path), **config))


def npz(folder: Path, arrays: Named) -> Path:
    np.savez_compressed(folder / "own.npz", **arrays)  # type: ignore[arg-type]
    return folder / "own.npz"


def safetensors(folder: Path, arrays: Named) -> Path:
    save_file(dict(arrays), folder / "own.safetensors")
    return folder / "own.safetensors"


def npy(folder: Path, arrays: Named) -> Path:
    (folder / "own").mkdir()
    for name, values in arrays.items():
        np.save(folder / "own" / f"{name}.npy", values)
    return folder / "own"


FORMATS: tuple[Callable[[Path, Named], Path], ...] = (npz, safetensors, npy)


def keras_like(train: int = 40, test: int = 20) -> dict[str, NDArray[Any]]:
    pictures, classes = images(train + test), labels(train + test)
    return {
        "x_train": pictures[:train],
        "y_train": classes[:train, None],  # as Keras has CIFAR-10
        "x_test": pictures[train:],
        "y_test": classes[train:, None],
    }


def pairs(found: Materialised) -> set[tuple[bytes, int]]:
    """Every image with its label."""
    whole: set[tuple[bytes, int]] = set()
    for split in found.splits:
        part = found.split(split)
        pictures = part.source.columns["image"].take(torch.arange(len(part.source))).numpy()
        whole |= {(p.tobytes(), label) for p, label in zip(pictures, part.labels("class").tolist(), strict=True)}
    return whole


@pytest.mark.parametrize("save", FORMATS)
def test_names_tell_splits_and_shapes_tell_the_rest(save: Callable[[Path, Named], Path], tmp_path: Path) -> None:
    found = written(dataset(save(tmp_path, keras_like())), tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 36, "val": 4, "test": 20}
    assert pairs(found) == {(p.tobytes(), k) for p, k in zip(images(60), labels(60).tolist(), strict=True)}


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 2, 3, 1)])
def test_channels_may_stand_first_or_last(axes: tuple[int, ...], tmp_path: Path) -> None:
    colours = np.stack([images(40, "r"), images(40, "g"), images(40, "b")], axis=1)
    path = npz(tmp_path, {"images": colours.transpose(axes), "labels": labels(40)})
    found = written(dataset(path), tmp_path)
    assert found.spec.shape == (3, 8, 8)
    assert pairs(found) == {(p.tobytes(), k) for p, k in zip(colours, labels(40).tolist(), strict=True)}


def test_a_shape_that_could_be_both_must_be_told(tmp_path: Path) -> None:
    path = npz(tmp_path, {"images": np.zeros((40, 3, 8, 3), np.uint8), "labels": labels(40)})
    assert refused(dataset(path), tmp_path, r"\[40, 3, 8, 3\] could be read in several ways; say which with `layout`")
    assert dataset(path, layout="NHWC").spec.shape == (3, 3, 8)
    assert dataset(path, layout="NCHW").spec.shape == (3, 8, 3)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_become_the_nearest_of_256_levels(kind: Any, tmp_path: Path) -> None:
    pictures = images(40) // 3 * 2  # 0 and 170
    path = npz(tmp_path, {"images": (pictures / 255).astype(kind), "labels": labels(40)})
    assert pairs(written(dataset(path), tmp_path)) == {
        (p.tobytes(), k) for p, k in zip(pictures, labels(40).tolist(), strict=True)
    }


def test_text_labels_and_groups(tmp_path: Path) -> None:
    arrays = {"images": images(40), "labels": np.array(["cat", "dog"])[labels(40)], "groups": np.arange(40) // 2}
    data = dataset(npz(tmp_path, arrays))
    found = written(data, tmp_path)
    assert data.tasks["class"].classes == ("cat", "dog")
    assert data.spec.groups
    owners = []
    for split in found.splits:
        groups = found.split(split).source.groups
        assert groups is not None
        owners.append(set(groups.take(torch.arange(len(groups))).tolist()))
    assert sum(map(len, owners)) == 20


def test_arrays_without_labels_are_a_corpus(tmp_path: Path) -> None:
    np.save(tmp_path / "crops.npy", images(50))
    data = dataset(tmp_path / "crops.npy")
    assert data.tasks == {}
    assert len(written(data, tmp_path).split("train").source) == 45


def test_settings_name_what_names_do_not_tell(tmp_path: Path) -> None:
    arrays = {**keras_like(), "embedding_train": np.zeros((40, 8, 8), np.float32), "id_train": np.arange(40)}
    assert dataset(npz(tmp_path, arrays)).tasks["class"].classes == ("0", "1")  # x and y are words for them
    held = {"pixels": images(40), "kind": labels(40), "extra": images(40, "e"), "weight": np.arange(40)}
    path = npz(tmp_path, held)
    assert dataset(path, labels="kind").tasks["class"].classes == ("0", "1")
    assert refused(
        dataset(path), tmp_path, r"several arrays could be the labels; name one:\s+own.npz/kind.*own.npz/weight"
    )
    plain = {"a": images(40), "b": images(40, "e"), "kind": labels(40)}
    assert refused(
        dataset(npz(tmp_path, plain)), tmp_path, r"several arrays could be the images; name one:\s+own.npz/a"
    )
    assert dataset(npz(tmp_path, plain), images="b").spec.size == 28


def test_folds_write_all_as_train(tmp_path: Path) -> None:
    data = dataset(npz(tmp_path, {"images": images(40), "labels": labels(40)}), folds=5)
    found = written(data, tmp_path)
    assert found.splits == ("train",)
    assert found.folds == 5
    assert data.spec.size == len(found.split("train").source) == 40


def not_finite(arrays: dict[str, Any]) -> None:
    arrays["x_train"] = arrays["x_train"].astype(np.float32) / 255
    arrays["x_train"][[3, 17], 2, 2] = np.nan, np.inf


def not_scaled(arrays: dict[str, Any]) -> None:
    arrays["x_train"] = arrays["x_train"].astype(np.float32)


def integers(arrays: dict[str, Any]) -> None:
    arrays["x_test"] = arrays["x_test"].astype(np.int64)


def short_labels(arrays: dict[str, Any]) -> None:
    arrays["y_test"] = arrays["y_test"][:-1]


def float_labels(arrays: dict[str, Any]) -> None:
    arrays["y_test"] = arrays["y_test"].astype(np.float32)


def objects(arrays: dict[str, Any]) -> None:
    arrays["y_test"] = np.array([object()] * 20)


def flat(arrays: dict[str, Any]) -> None:
    arrays["x_train"] = arrays["x_train"].reshape(40, 64)


def two_channels(arrays: dict[str, Any]) -> None:
    arrays["x_train"] = np.zeros((40, 2, 8, 8), np.uint8)


def none_at_all(arrays: dict[str, Any]) -> None:
    arrays["x_train"] = arrays["x_train"][:0]
    arrays["y_train"] = arrays["y_train"][:0]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            not_finite,
            r"own.npz, array 'x_train': images as float32 must be finite.*image 3: nan\s+image 17: inf\s+mend",
        ),
        (not_scaled, r"array 'x_train'.* lie in \[0, 1\]:\s+image 0: 255\s+image 1: 255.*scale all \(by 1/255, say\)"),
        (integers, r"array 'x_test': images must be uint8, or float in \[0, 1\]; these are int64"),
        (short_labels, r"array 'x_test' holds 20 images, but .*array 'y_test' holds 19 values"),
        (float_labels, r"array 'y_test': is float32; labels and groups must be whole numbers or text"),
        (objects, r"array 'y_test': is object; labels and groups must be whole numbers or text"),
        (flat, r"no images to train on; there is own.npz/x_train uint8 \[40, 64\]"),
        (two_channels, r"array 'x_train': \[40, 2, 8, 8\] is not images with 1 or 3 channels"),
        (none_at_all, r"array 'x_train': holds no image"),
    ],
)
def test_bad_arrays_are_named(damage: Callable[[dict[str, Any]], None], says: str, tmp_path: Path) -> None:
    arrays = keras_like()
    damage(arrays)
    # val=1: one image, so that the first images of train stay there
    assert refused(dataset(npz(tmp_path, arrays), val=1), tmp_path, says)


@pytest.mark.parametrize("save", FORMATS)
def test_damaged_files_are_named(save: Callable[[Path, Named], Path], tmp_path: Path) -> None:
    path = save(tmp_path, keras_like())
    file = path / "x_train.npy" if path.is_dir() else path
    whole = file.read_bytes()
    file.write_bytes(whole[:-50])
    assert refused(dataset(path), tmp_path, f"cannot be read:?\\s.*{file}|{file}.*cannot be read")
    file.write_bytes(b"nothing of the kind" * 40)
    assert refused(dataset(path), tmp_path, f"cannot be read:?\\s.*{file}|{file}.*cannot be read")


def test_a_byte_that_changed_inside_a_packed_file_is_found(tmp_path: Path) -> None:
    path = npz(tmp_path, keras_like())
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=f"{path}"):
        written(dataset(path), tmp_path)


def test_a_folder_without_arrays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    assert refused(dataset(tmp_path), tmp_path, r"no .npy, .npz, .safetensors; there is:\s+notes.txt")
