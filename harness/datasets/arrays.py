"""Arrays of images and labels: .npy, .npz and .safetensors."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError
from harness.datasets._own import OwnConfig
from harness.datasets._shelf import DAMAGE, ArrayImages, Layout, NamedArray, Role
from methods import Settings

ENDINGS = (".npy", ".npz", ".safetensors")

_SAFETENSORS = {
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "BOOL": "?",
}


@dataclass(frozen=True, kw_only=True)
class ArraysConfig(OwnConfig):
    """Attributes:
    train, val, test: patterns of the names of a split's arrays, where these do not tell, as in "*_tr*".
    images, labels, groups: patterns of the names of arrays, where shapes and names do not tell.
    layout: of images, where their shape does not tell.
    """

    images: str | None = None
    labels: str | None = None
    groups: str | None = None
    layout: Layout | None = None


class Arrays(ArrayImages):
    """One's own: images and labels as arrays, in .npz or .safetensors, or a folder of such files or of .npy.

    Images are uint8, or float in [0, 1], in [N, H, W], [N, C, H, W] or [N, H, W, C]; labels and groups are whole
    numbers or text, [N]. The name of an array is that of its file, and the one inside: "mnist.npz/x_train". The split
    is in it (train; val, valid, dev; test), so is what it holds (images, x; labels, y; groups).
    """

    name: ClassVar[str] = "arrays"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = ArraysConfig
    config: ArraysConfig

    def named(self) -> Mapping[Role, str | None]:
        return {"images": self.config.images, "labels": self.config.labels, "groups": self.config.groups}

    def layout(self) -> Layout | None:
        return self.config.layout

    def shelf(self) -> list[NamedArray]:
        root = self.root
        names = [path.name for path in sorted(root.iterdir())] if root.is_dir() else [root.name]
        folder = root if root.is_dir() else root.parent
        files = [folder / name for name in names if name.endswith(ENDINGS) and (folder / name).is_file()]
        if not files:
            raise DatasetError(listed(f"{root}: no {', '.join(ENDINGS)}; there is", names or ["nothing"]))
        shelf: list[NamedArray] = []
        failures = []
        for file in files:
            try:
                shelf += _arrays(file)
            except DAMAGE as error:
                failures.append(f"{file}: {error}")
            except Exception as error:  # safetensors has an exception of its own, which it does not export by type
                failures.append(f"{file}: {error}")
        if failures:
            raise DatasetError(listed("files of arrays that cannot be read", failures) + "\n  get them again")
        return shelf


def _arrays(file: Path) -> Iterator[NamedArray]:
    if file.suffix == ".npy":
        yield _npy(file)
    elif file.suffix == ".npz":
        yield from _npz(file)
    else:
        yield from _safetensors(file)


def _npy(file: Path) -> NamedArray:
    values = np.load(file, mmap_mode="r", allow_pickle=False)
    return NamedArray(
        name=file.name,
        file=file,
        shape=values.shape,
        dtype=values.dtype,
        read=partial(np.load, file, mmap_mode="r", allow_pickle=False),
    )


def _npz(file: Path) -> Iterator[NamedArray]:
    """From the heads alone: members are packed, and may be large."""
    with zipfile.ZipFile(file) as members:
        for member in members.namelist():
            with members.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = head(stream)
            name = member.removesuffix(".npy")
            read = partial(_from_npz, file, name)
            yield NamedArray(name=f"{file.name}/{name}", file=file, shape=shape, dtype=dtype, read=read)


def _from_npz(file: Path, name: str) -> NDArray[Any]:
    with np.load(file, allow_pickle=False) as arrays:
        return cast(NDArray[Any], arrays[name])


def _safetensors(file: Path) -> Iterator[NamedArray]:
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as tensors:
        for name in sorted(tensors.keys()):
            part = tensors.get_slice(name)
            kind = part.get_dtype()
            if kind not in _SAFETENSORS:
                raise ValueError(f"tensor {name!r} is {kind}; store uint8, or float32 in [0, 1]")
            yield NamedArray(
                name=f"{file.name}/{name}",
                file=file,
                shape=tuple(part.get_shape()),
                dtype=np.dtype(_SAFETENSORS[kind]),
                read=partial(_from_safetensors, file, name),
            )


def _from_safetensors(file: Path, name: str) -> NDArray[Any]:
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as tensors:
        return cast(NDArray[Any], tensors.get_tensor(name))
