"""Datasets of encoded pictures (JPEG, PNG and so on), one an example: decoded by threads into one array."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np

from harness.datasets._catalogue import listed
from harness.datasets._dataset import DatasetError
from harness.datasets._decoding import Encoded, Fit, UnreadableError, decoded, own_size
from harness.datasets._own import Images, OwnConfig, OwnImages
from harness.datasets._own_examples import Ids
from harness.datasets._scratch import scratch

#: Pictures that are read or decoded at a time.
BATCH = 256
#: Pictures whose heads are looked at while planning.
LOOKED_AT = 32


@dataclass(frozen=True, kw_only=True)
class PictureConfig(OwnConfig):
    """Attributes:
    size: (height, width) to resize to; by default all must be of one size.
    fit: crop to the wanted aspect about the centre, squash to it, or pad with black.
    channels: 3, or 1 for grey.
    labels: none: a corpus to pretrain on, whatever its folders are called.
    """

    size: tuple[int, int] | None = None
    fit: Fit = "crop"
    channels: Literal[1, 3] = 3
    labels: Literal["given", "none"] = "given"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None and not (len(self.size) == 2 and min(self.size) >= 1):
            raise ValueError(f"size: {list(self.size)} is not [height, width]")


class PictureImages(OwnImages):
    """A dataset of encoded pictures."""

    config: PictureConfig

    @abstractmethod
    def pictures(self, ids: Ids) -> Iterator[tuple[int, Encoded]]:
        """These rows of the catalogue in any order, each with its place in `ids`; read as they are asked for."""

    def sample(self) -> Ids:
        """Rows that are looked at while planning, to tell the shape and to refuse early what cannot be used."""
        every = np.arange(len(self._catalogue))
        return every[:: max(len(every) // LOOKED_AT, 1)]

    def shape(self) -> tuple[int, int, int]:
        if self.config.size is not None:
            return (self.config.channels, *self.config.size)
        sizes, failures = self._heads(self.sample())
        if failures or len(set(sizes.values())) > 1:
            sizes, failures = self._heads(np.arange(len(self._catalogue)))  # something is wrong: then tell all of it
        if failures:
            raise self._unreadable(failures)
        usual = Counter(sizes.values()).most_common(1)[0][0]
        normal = next(row for row, size in sizes.items() if size == usual)
        self._require_one_size(usual, {row: size for row, size in sizes.items() if size != usual}, normal)
        return (self.config.channels, *usual)

    def _heads(self, rows: Ids) -> tuple[dict[int, tuple[int, int]], list[str]]:
        """(height, width) by row of the catalogue, and what is wrong with those that cannot be read."""
        sizes: dict[int, tuple[int, int]] = {}
        failures = {}
        for place, picture in self.pictures(rows):
            row = int(rows[place])
            try:
                sizes[row] = own_size(picture)
            except UnreadableError as error:
                failures[row] = f"{self.where(row)}: {error}"
        return dict(sorted(sizes.items())), [failures[row] for row in sorted(failures)]

    def images(self, ids: Ids) -> Images:
        out = scratch((len(ids), *self._shape))
        odd: dict[int, tuple[int, int]] = {}
        failures: dict[int, str] = {}

        def put(task: tuple[int, Encoded]) -> None:
            place, picture = task
            try:
                pixels = decoded(picture, self.config.channels, self.config.size, self.config.fit)
            except UnreadableError as error:
                failures[place] = f"{self.where(int(ids[place]))}: {error}"
                return
            if pixels.shape == self._shape:
                out[place] = pixels
            else:
                odd[int(ids[place])] = (pixels.shape[1], pixels.shape[2])

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            tasks = self.pictures(ids)
            while batch := list(islice(tasks, BATCH)):
                list(pool.map(put, batch))
        if failures:
            raise self._unreadable([failures[place] for place in sorted(failures)])
        normal = next((int(row) for row in ids if int(row) not in odd), None)
        self._require_one_size((self._shape[1], self._shape[2]), odd, normal)
        return out

    def _unreadable(self, failures: list[str]) -> DatasetError:
        what = f"{len(failures):,} pictures cannot be read" if len(failures) > 1 else "a picture cannot be read"
        return DatasetError(listed(what, failures) + "\n  mend them, or take them out")

    def _require_one_size(self, usual: tuple[int, int], odd: dict[int, tuple[int, int]], normal: int | None) -> None:
        """Raises:
        DatasetError: names some pictures and their sizes.
        """
        if not odd:
            return
        notes = [f"{self.where(row)}: {height} x {width}" for row, (height, width) in sorted(odd.items())]
        example = [] if normal is None else [f"{self.where(normal)}: {usual[0]} x {usual[1]}"]
        raise DatasetError(
            listed("pictures differ in size (height x width)", [*example, *notes])
            + "\n  give the size that all are brought to, as in `size: [64, 64]`"
        )
