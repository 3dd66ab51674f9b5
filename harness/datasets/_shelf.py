"""Datasets that are a few named arrays: which of them is what, by its name and shape; and their pixels."""

from __future__ import annotations

import logging
import re
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets._catalogue import Catalogue, listed
from harness.datasets._dataset import SPLITS, DatasetError, SplitName
from harness.datasets._own import Images, OwnImages
from harness.datasets._own_examples import Ids
from harness.datasets._scratch import scratch
from harness.datasets._splits import UNDECIDED, named_split

_log = logging.getLogger(__name__)

Layout = Literal["NHW", "NCHW", "NHWC"]
Role = Literal["images", "labels", "groups"]

#: What readers raise on damaged files.
DAMAGE = (OSError, EOFError, ValueError, KeyError, zlib.error, zipfile.BadZipFile)

#: Words in an array's name that settle what it is where its shape does not.
_WORDS: Mapping[Role, frozenset[str]] = {
    "images": frozenset({"images", "image", "x", "pixels"}),
    "labels": frozenset({"labels", "label", "y", "targets", "target", "classes"}),
    "groups": frozenset({"groups", "group"}),
}
_CHUNK = 1 << 26  # bytes of images converted at a time


@dataclass(frozen=True, kw_only=True)
class NamedArray:
    """An array that is not read yet. `name`: the file in the folder, and the array in the file if it holds several."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]

    def values(self) -> NDArray[Any]:
        """Raises:
        DatasetError: the file is damaged.
        """
        try:
            values = self.read()
        except DAMAGE as error:
            raise DatasetError(f"{self}: cannot be read to its end ({error}); get the file again") from error
        if values.shape != self.shape:
            raise DatasetError(f"{self}: holds {list(values.shape)}, where its head says {list(self.shape)}")
        return values

    def __str__(self) -> str:
        inner = self.name.removeprefix(self.file.name).strip("/")
        return f"{self.file}, array {inner!r}" if inner else str(self.file)


@dataclass(frozen=True, kw_only=True)
class Part:
    """The arrays of one split."""

    split: SplitName | None
    images: NamedArray
    labels: NamedArray | None
    groups: NamedArray | None


class ArrayImages(OwnImages):
    """A dataset whose files hold whole arrays."""

    @abstractmethod
    def shelf(self) -> list[NamedArray]:
        """All arrays there are, in a stable order."""

    def named(self) -> Mapping[Role, str | None]:
        """Patterns by which the settings name the arrays of a role."""
        return {}

    def layout(self) -> Layout | None:
        """What the settings say of the axes of images."""
        return None

    @cached_property
    def _pieces(self) -> list[Part]:
        patterns = {split: getattr(self.config, split) for split in SPLITS}
        return parts_of(self.shelf(), patterns, self.named(), self.root)

    def catalogue(self) -> Catalogue:
        labelled = {part.labels is not None for part in self._pieces}
        grouped = {part.groups is not None for part in self._pieces}
        for what, found in (("labels", labelled), ("groups", grouped)):
            if len(found) > 1:
                raise DatasetError(f"{self.root}: one split has {what}, another has none; give all of them, or none")
        given = [SPLITS.index(part.split) if part.split else UNDECIDED for part in self._pieces]
        sizes = [part.images.shape[0] for part in self._pieces]
        return Catalogue(
            given=np.repeat(np.array(given, np.int8), sizes),
            labels=_names(part.labels for part in self._pieces) if labelled == {True} else None,
            groups=_names(part.groups for part in self._pieces) if grouped == {True} else None,
        )

    def shape(self) -> tuple[int, int, int]:
        shapes = {part.images: channels_first(part.images, self.layout())[1] for part in self._pieces}
        if len(set(shapes.values())) > 1:
            raise DatasetError(listed("images differ in shape", [f"{a}: {list(s)}" for a, s in shapes.items()]))
        return next(iter(shapes.values()))

    def files(self) -> Sequence[str]:
        arrays = [a for part in self._pieces for a in (part.images, part.labels, part.groups) if a]
        return sorted({array.file.name for array in arrays})

    def images(self, ids: Ids) -> Images:
        out = scratch((len(ids), *self.shape()))
        for start, part in zip(self._starts, self._pieces, strict=True):
            size = part.images.shape[0]
            mine = np.flatnonzero((ids >= start) & (ids < start + size))
            mine = mine[np.argsort(ids[mine])]  # in the order of the file
            if len(mine):
                values = part.images.values()
                if values.dtype.kind == "f":
                    _log.info("%s: %s in [0, 1] becomes 256 levels", part.images, values.dtype)
                step = max(_CHUNK // max(values[0].nbytes, 1), 1)
                for at in range(0, len(mine), step):
                    places = mine[at : at + step]
                    rows = ids[places] - start
                    out[places] = _pixels(values[rows], rows, part.images, self.layout())
        return out

    def where(self, row: int) -> str:
        index = int(np.searchsorted(self._starts, row, side="right")) - 1
        return f"{self._pieces[index].images}, image {row - self._starts[index]}"

    @cached_property
    def _starts(self) -> list[int]:
        sizes = [part.images.shape[0] for part in self._pieces]
        return [sum(sizes[:place]) for place in range(len(sizes))]


def parts_of(
    arrays: Sequence[NamedArray],
    patterns: Mapping[SplitName, Any],
    named: Mapping[Role, str | None],
    root: Path,
) -> list[Part]:
    """Which arrays make which split.

    Args:
        patterns: names (* and ? stand for any) of the arrays of a split, where the settings give them.
        named: the same of a role.

    Raises:
        DatasetError: they do not make sense; what was found is listed.
    """
    by_split: dict[SplitName | None, list[NamedArray]] = {}
    for array in arrays:
        by_split.setdefault(_split_of(array, patterns), []).append(array)
    for name, pattern in patterns.items():
        if isinstance(pattern, str) and name not in by_split:
            raise DatasetError(f"{root}: `{name}: {pattern}` names no array; {_found(arrays)}")
    pieces = []
    order: tuple[SplitName | None, ...] = (None, *SPLITS)
    for split in order:
        mine = by_split.get(split, [])
        images = _one("images", mine, named, root)
        if images is None:
            continue
        part = Part(
            split=split,
            images=images,
            labels=_one("labels", mine, named, root),
            groups=_one("groups", mine, named, root),
        )
        for other in (part.labels, part.groups):
            if other is not None and other.shape[0] != images.shape[0]:
                raise DatasetError(
                    f"{images} holds {images.shape[0]:,} images, but {other} holds {other.shape[0]:,} values; "
                    "they must be of the same examples"
                )
        if not images.shape[0]:
            raise DatasetError(f"{images}: holds no image")
        pieces.append(part)
    splits = [part.split for part in pieces]
    if not pieces or not {None, "train"} & set(splits):
        missing = "no images [N, H, W], [N, C, H, W] or [N, H, W, C]" if not pieces else "no images to train on"
        raise DatasetError(f"{root}: {missing}; {_found(arrays)}; name the arrays in the settings")
    if None in splits and len(splits) > 1:
        strays = [str(part.images) for part in pieces if part.split is None]
        raise DatasetError(f"{strays[0]}: its name tells no split, where others do; name it in the settings as `train`")
    return pieces


def _split_of(array: NamedArray, patterns: Mapping[SplitName, Any]) -> SplitName | None:
    for split, pattern in patterns.items():
        if isinstance(pattern, str) and any(fnmatchcase(name, pattern) for name in (array.name, array.file.name)):
            return split
    return named_split(array.name)


def _role(array: NamedArray) -> Role | None:
    if len(array.shape) in (3, 4):
        return "images"
    if len(array.shape) == 1 or (len(array.shape) == 2 and array.shape[1] == 1):
        return "groups" if _words(array) & _WORDS["groups"] else "labels"
    return None


def _one(role: Role, arrays: Sequence[NamedArray], named: Mapping[Role, str | None], root: Path) -> NamedArray | None:
    pattern = named.get(role)
    if pattern is None:
        candidates = [array for array in arrays if _role(array) == role]
        if len(candidates) > 1:
            candidates = [array for array in candidates if _words(array) & _WORDS[role]] or candidates
    else:
        names = {array.name: array for array in arrays}
        candidates = [a for name, a in names.items() if fnmatchcase(name, pattern) or fnmatchcase(name, f"*/{pattern}")]
    if len(candidates) > 1:
        raise DatasetError(
            listed(f"{root}: several arrays could be the {role}; name one", [_shown(a) for a in candidates])
        )
    return candidates[0] if candidates else None


def _words(array: NamedArray) -> set[str]:
    return set(re.split(r"[^a-z]+", array.name.lower()))


def _found(arrays: Sequence[NamedArray]) -> str:
    return "there is " + (", ".join(map(_shown, arrays[:20])) or "no array")


def _shown(array: NamedArray) -> str:
    return f"{array.name} {array.dtype} {list(array.shape)}"


def _names(arrays: Iterable[NamedArray | None]) -> NDArray[np.str_]:
    """The values of label arrays as text, end to end."""
    texts = []
    for array in arrays:
        assert array is not None
        if array.dtype.kind not in "biuU":
            raise DatasetError(f"{array}: is {array.dtype}; labels and groups must be whole numbers or text")
        texts.append(array.values().reshape(-1).astype(str))
    return np.concatenate(texts)


def channels_first(array: NamedArray, layout: Layout | None) -> tuple[Layout, tuple[int, int, int]]:
    """How the axes of images lie, and the shape [C, H, W] of each.

    Raises:
        DatasetError: they cannot be told, or are no images.
    """
    found = {name: shape for name, shape in _readings(array.shape) if layout in (None, name)}
    if len(found) != 1:
        why = (
            "could be read in several ways; say which with `layout`" if found else "is not images with 1 or 3 channels"
        )
        raise DatasetError(f"{array}: {list(array.shape)} {why}")
    return next(iter(found.items()))


def _readings(shape: tuple[int, ...]) -> list[tuple[Layout, tuple[int, int, int]]]:
    if len(shape) == 3:
        return [("NHW", (1, shape[1], shape[2]))]
    if len(shape) != 4:
        return []
    first: tuple[Layout, tuple[int, int, int]] = ("NCHW", (shape[1], shape[2], shape[3]))
    last: tuple[Layout, tuple[int, int, int]] = ("NHWC", (shape[3], shape[1], shape[2]))
    return [(layout, chw) for layout, chw in (first, last) if chw[0] in (1, 3)]


def _pixels(values: NDArray[Any], rows: Ids, array: NamedArray, layout: Layout | None) -> Images:
    """uint8 [N, C, H, W]; floats in [0, 1] become the nearest of 256 levels."""
    if values.dtype.kind == "f":
        bad = ~(np.isfinite(values) & (values >= 0) & (values <= 1)).reshape(len(values), -1).all(axis=1)
        if bad.any():
            notes = []
            for place in np.flatnonzero(bad):
                wrong = values[place][~((values[place] >= 0) & (values[place] <= 1))]
                notes.append(f"image {rows[place]}: {wrong[0]:g}")
            raise DatasetError(
                listed(f"{array}: images as {values.dtype} must be finite and lie in [0, 1]", notes)
                + "\n  mend these, or scale all (by 1/255, say), or store uint8"
            )
        values = np.rint(values * 255).astype(np.uint8)
    elif values.dtype == np.bool_:
        values = values.astype(np.uint8) * 255
    elif values.dtype != np.uint8:
        raise DatasetError(f"{array}: images must be uint8, or float in [0, 1]; these are {values.dtype}")
    name, shape = channels_first(array, layout)
    return (values.transpose(0, 3, 1, 2) if name == "NHWC" else values).reshape(len(values), *shape)
