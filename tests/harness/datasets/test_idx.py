from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.datasets import DatasetError
from harness.datasets.idx import Idx, IdxConfig
from tests.harness.datasets.own_files import idx_bytes, images, labels, refused, save_idx, written


def mnist_like(folder: Path, train: int = 60, test: int = 20, packed: bool = True) -> Path:
    ending = ".gz" if packed else ""
    pictures, classes = images(train + test), labels(train + test, 3)
    save_idx(folder / f"train-images-idx3-ubyte{ending}", pictures[:train])
    save_idx(folder / f"train-labels-idx1-ubyte{ending}", classes[:train])
    save_idx(folder / f"t10k-images-idx3-ubyte{ending}", pictures[train:])
    save_idx(folder / f"t10k-labels-idx1-ubyte{ending}", classes[train:])
    return folder


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_of_standard_names_is_enough(packed: bool, tmp_path: Path) -> None:
    found = written(Idx(IdxConfig(path=str(mnist_like(tmp_path / "m", packed=packed)))), tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == {"train": 54, "val": 6, "test": 20}
    by_bytes = {image.tobytes(): label for image, label in zip(images(80), labels(80, 3), strict=True)}
    for split in found.splits:
        pixels = found.split(split).source.columns["image"].take(torch.arange(len(found.split(split).source)))
        targets = found.split(split).labels("class")
        assert [by_bytes[image.numpy().tobytes()] for image in pixels] == targets.tolist()
    assert found.tasks["class"].classes == ("0", "1", "2")


def test_packed_and_unpacked_side_by_side_are_one(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path / "m")
    for file in list(folder.iterdir()):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
    assert len(written(Idx(IdxConfig(path=str(folder))), tmp_path).split("test").source) == 20


def test_the_real_mnist(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    dataset = Idx(IdxConfig(path=str(real_data("mnist")), limit=500))
    found = written(dataset, tmp_path)
    assert {split: len(found.split(split).source) for split in found.splits} == dict.fromkeys(found.splits, 500)
    assert dataset.spec.shape == (1, 28, 28)
    assert dataset.tasks["class"].classes == tuple("0123456789")
    whole = Idx(IdxConfig(path=str(real_data("mnist")), val=10_000))
    assert whole.spec.size == 50_000
    assert whole.tasks["class"].chance == pytest.approx(6742 / 60_000, abs=1e-3)
    # Ones are thin: a label that slipped against its image would show.
    train = found.split("train")
    ink = train.source.columns["image"].take(torch.arange(500)).float().mean(dim=(1, 2, 3))
    digits = train.labels("class")
    assert ink[digits == 1].mean() < 0.6 * ink[digits == 0].mean()


def bad_magic(folder: Path) -> None:
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"PNG!" + b"\0" * 20)


def cut_short(folder: Path) -> None:
    whole = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(whole[:-100]))


def cut_plain(folder: Path) -> None:
    (folder / "train-images-idx3-ubyte.gz").write_bytes(idx_bytes(images(60))[:-100])


def cut_pack(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-30])


def too_few_labels(folder: Path) -> None:
    save_idx(folder / "t10k-labels-idx1-ubyte.gz", labels(19, 3))


def other_shape(folder: Path) -> None:
    save_idx(folder / "t10k-images-idx3-ubyte.gz", np.zeros((20, 9, 9)))


def no_labels_for_test(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()


def nothing(folder: Path) -> None:
    for file in folder.iterdir():
        file.rename(file.with_name(file.name[:5]))


def two_of_them(folder: Path) -> None:
    save_idx(folder / "emnist-train-images-idx3-ubyte", images(60))


def only_test(folder: Path) -> None:
    for file in folder.glob("train*"):
        file.unlink()


def leak(folder: Path) -> None:
    save_idx(folder / "t10k-images-idx3-ubyte.gz", np.concatenate([images(19, "other"), images(1)]))


def unseen(folder: Path) -> None:
    save_idx(folder / "t10k-labels-idx1-ubyte.gz", np.repeat([0, 7], 10))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (bad_magic, r"train-labels-idx1-ubyte.gz: begins with 504e4721, not with the magic number"),
        (
            cut_short,
            r"train-images-idx3-ubyte.gz: cannot be read to its end \(3,740 bytes of values, .* asks for 3,840",
        ),
        (cut_plain, r"train-images-idx3-ubyte.gz: has 3,756 bytes, where its head, \[60, 8, 8\], asks for 3,856"),
        (cut_pack, r"train-images-idx3-ubyte.gz: cannot be read to its end"),
        (too_few_labels, r"t10k-images.* holds 20 images, but .*t10k-labels.* holds 19 values"),
        (other_shape, r"images differ in shape:\s+.*train-images.*\[1, 8, 8\]\s+.*t10k-images.*\[1, 9, 9\]"),
        (no_labels_for_test, r"one split has labels, another has none"),
        (nothing, r"no file with idx or ubyte in its name; there is:\s+t10k-"),
        (two_of_them, r"several arrays could be the images; name one:\s+emnist-train.*\[60, 8, 8\]\s+train-images"),
        (only_test, r"no images to train on; there is t10k-images"),
        (leak, r"1 pictures lie in two splits.*\s+.*train-images.*, image 0 \(train\) is .*t10k.*, image 19 \(test\)"),
        (unseen, r"classes without an example in train:\s+'7': 10 in test"),
    ],
)
def test_bad_files_are_named(damage: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    folder = mnist_like(tmp_path / "m")
    damage(folder)
    # One image in val, so that what is damaged in train stays there.
    assert refused(Idx(IdxConfig(path=str(folder), val=1)), tmp_path, says)


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path / "m")
    assert refused(Idx(IdxConfig(path=str(folder / "t10k-images-idx3-ubyte.gz"))), tmp_path, "is a file; `path` is the")
    assert refused(Idx(IdxConfig(path=str(tmp_path / "nowhere"))), tmp_path, f"there is no {tmp_path / 'nowhere'}")


def test_patterns_name_what_no_name_tells(tmp_path: Path) -> None:
    folder = mnist_like(tmp_path / "m")
    for file in list(folder.glob("t10k*")):
        file.rename(file.with_name(f"held-out-{file.name[5:]}"))
    found = written(Idx(IdxConfig(path=str(folder), test="held-out-*")), tmp_path)
    assert len(found.split("test").source) == 20
    with pytest.raises(DatasetError, match="its name tells no split, where others do"):
        Idx(IdxConfig(path=str(folder))).content()
