"""A user's files, tiny: images of two classes in every format that datasets are made of, and texts in theirs."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.datasets import Dataset, DatasetError
from harness.datasets._procedural import words
from harness.datasets.cache import Materialised, materialise
from tests.harness.datasets import own_texts
from tests.harness.datasets.audio_files import save_librispeech, save_spoken
from tests.harness.datasets.video_files import save_classes as save_classes_of_videos
from tests.harness.datasets.video_files import save_davis

SIZE = 200
CLASSES = ("cat", "dog")


def images(count: int = SIZE, purpose: str = "own") -> NDArray[np.uint8]:
    """Different random images of black and white: [count, 8, 8]."""
    return np.where(words(purpose, count, 64) >= 2**31, 255, 0).astype(np.uint8).reshape(count, 8, 8)


def labels(count: int = SIZE, classes: int = 2) -> NDArray[np.int64]:
    """Every class in turn: [count]."""
    return np.arange(count) % classes


def idx_bytes(values: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def save_idx(path: Path, values: NDArray[Any]) -> Path:
    content = idx_bytes(values.astype(np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def save_picture(path: Path, values: NDArray[np.uint8]) -> Path:
    """[H, W] or [H, W, 3], by the ending of the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def picture_bytes(values: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "png")
    return buffer.getvalue()


def save_classes(folder: Path, counts: Mapping[str, int], purpose: str = "own") -> Path:
    """Different pictures in a folder a class."""
    pictures = iter(images(sum(counts.values()), purpose))
    for name, count in counts.items():
        for index in range(count):
            save_picture(folder / name / f"{index:03}.png", next(pictures))
    return folder


def save_parquet(path: Path, pictures: Sequence[NDArray[np.uint8]], **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"bytes": picture_bytes(values), "path": None} for values in pictures]
    kind = pl.Struct({"bytes": pl.Binary, "path": pl.String})
    pl.DataFrame({"image": pl.Series(cells, dtype=kind), **columns}).write_parquet(path)
    return path


def _arrays(folder: Path) -> Path:
    np.save(folder / "x.npy", images())
    np.save(folder / "y.npy", labels())
    return folder


def _idx(folder: Path) -> Path:
    save_idx(folder / "images-idx3-ubyte.gz", images())
    save_idx(folder / "labels-idx1-ubyte.gz", labels())
    return folder


def _images(folder: Path) -> Path:
    for index, (values, label) in enumerate(zip(images(), labels(), strict=True)):
        save_picture(folder / "pictures" / CLASSES[label] / f"{index:03}.png", values)
    return folder / "pictures"


def _parquet(folder: Path) -> Path:
    return save_parquet(folder / "own.parquet", list(images()), label=labels())


def _plain_text(folder: Path) -> Path:
    return own_texts.save(folder / "own.txt", "\n\n".join(f"{text} It ends." for text, _ in own_texts.reviews()))


def _text_table(folder: Path) -> Path:
    return own_texts.save_table(folder / "own.tsv", own_texts.reviews())


def _conllu(folder: Path) -> Path:
    return own_texts.save(folder / "own.conllu", own_texts.treebank(60))


def _squad(folder: Path) -> Path:
    return own_texts.save_squad(folder / "own.json", own_texts.squad(60))


def _audio(folder: Path) -> Path:
    return save_spoken(folder / "spoken", dict.fromkeys(CLASSES, 100))


def _davis(folder: Path) -> Path:
    return save_davis(folder, {"bear": 10, "cat": 12})


#: Writes a whole dataset into a folder and returns its `path`, by the name of the dataset.
WRITTEN: Mapping[str, Callable[[Path], Path]] = {
    "arrays": _arrays,
    "audio": _audio,
    "conllu": _conllu,
    "davis": _davis,
    "idx": _idx,
    "images": _images,
    "librispeech": save_librispeech,
    "parquet": _parquet,
    "plain_text": _plain_text,
    "squad": _squad,
    "text_table": _text_table,
    "videos": save_classes_of_videos,
}


def written(dataset: Dataset, folder: Path) -> Materialised:
    """The dataset as workers see it, in a cache below `folder`."""
    return materialise(dataset, folder / "cache")


def refused(dataset: Dataset, folder: Path, says: str) -> bool:
    """Whether writing the dataset fails with a message that matches `says`, and leaves nothing."""
    with pytest.raises(DatasetError, match=f"(?s){says}"):
        written(dataset, folder)
    return not [path for path in folder.glob("cache/*") if path.suffix != ".lock"]
