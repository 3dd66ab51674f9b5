"""What the datasets made of a user's own recordings have in common: their samples, and what is wrong with some."""

from __future__ import annotations

import logging
import os
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Literal

import numpy as np

from harness.datasets._audio_decoding import Head, Heard, head_of, heard
from harness.datasets._catalogue import coded, listed
from harness.datasets._dataset import DatasetError, SplitName, Writer
from harness.datasets._decoding import UnreadableError
from harness.datasets._own_examples import Ids, OwnExamples, SplitConfig
from harness.datasets._reel import Reel
from methods import Spec

_log = logging.getLogger(__name__)

#: Recordings that are decoded at a time.
BATCH = 256
#: Share of clipped samples from which a recording is told of.
CLIPPED = 0.001


@dataclass(frozen=True, kw_only=True)
class SoundConfig(SplitConfig):
    """Attributes:
    rate: samples a second that all recordings are resampled to; by default all must be of one rate, which is kept.
    seconds: of each recording at most so many, from its start.
    level: decibels of full scale that the mean power of each recording is brought to, as in -26; less where it would be
        clipped. By default levels are kept.
    silent: whether a recording in which nothing is to be heard is refused.
    """

    rate: int | None = None
    seconds: float | None = None
    level: float | None = None
    silent: Literal["refuse", "allow"] = "refuse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate is not None and not 1000 <= self.rate <= 384_000:
            raise ValueError(f"rate: {self.rate} samples a second; give 1000 to 384000, as in `rate: 16000`")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds: {self.seconds}; give more than 0, or leave it out to keep recordings whole")
        if self.level is not None and not -60 <= self.level < 0:
            raise ValueError(f"level: {self.level:g} dB; full scale is 0, so give -60 or more, as in `level: -26`")


class OwnSounds(OwnExamples):
    """Recordings in files of the user's, an example a file. A subclass knows where they lie and what is known of them.

    Channels are mixed down to their mean; what is beyond full scale is cut there.
    """

    config: SoundConfig

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """Files inside the root, a row of the catalogue each."""

    @abstractmethod
    def write_labels(self, ids: Ids, lengths: Ids, writer: Writer) -> None:
        """The labels of these rows, whose recordings are so many samples long as they are stored."""

    @property
    def spec(self) -> Spec:
        grouped = self._catalogue.groups is not None
        return Spec(modality="audio", shape=(), size=len(self._parts["train"]), groups=grouped, rate=self._rate)

    def where(self, row: int) -> str:
        return str(self.root / self.names[row])

    def write(self, split: SplitName, writer: Writer) -> None:
        ids, began = self._parts[split], time.perf_counter()
        mixed: Counter[int] = Counter()
        resampled: Counter[int] = Counter()
        clipped: dict[int, float] = {}
        with Reel((), np.float32) as reel:
            for row, sound in zip(ids.tolist(), self._heard(ids), strict=True):
                reel.add(sound.samples)
                mixed[sound.channels] += 1
                resampled[sound.rate] += 1
                if sound.clipped >= CLIPPED:
                    clipped[row] = sound.clipped
            rows = reel.rows()
        lengths = np.array([len(row) for row in rows], np.int64)
        self._tell(split, int(lengths.sum()), time.perf_counter() - began, mixed, resampled, clipped)
        if self.config.leaks == "refuse":
            # Allowed silence is alike everywhere.
            self._refuse_repeats(split, ids, (row if row.any() else None for row in rows), "recordings")
        writer.ragged("audio", rows)
        self.write_labels(ids, lengths, writer)
        if self._catalogue.groups is not None:
            writer.groups(coded(self._catalogue.groups)[ids])

    def _heard(self, ids: Ids) -> Iterator[Heard]:
        """These recordings in order, decoded by threads.

        Raises:
            DatasetError: names all that cannot be used.
        """
        failures: list[str] = []
        silent: list[str] = []

        def hear(row: int) -> Heard | UnreadableError:
            try:
                return heard(self.root / self.names[row], self._rate, self.config.seconds, self.config.level)
            except UnreadableError as error:
                return error

        tasks = iter(ids.tolist())
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while batch := list(islice(tasks, BATCH)):
                for row, sound in zip(batch, pool.map(hear, batch), strict=True):
                    if isinstance(sound, UnreadableError):
                        failures.append(f"{self.where(row)}: {sound}")
                        continue
                    if sound.silent and self.config.silent == "refuse":
                        silent.append(f"{self.where(row)}" + (", channels mixed" if sound.channels > 1 else ""))
                    if not failures and not silent:
                        yield sound
        if failures:
            raise _unusable(failures)
        if silent:
            raise DatasetError(
                listed(f"{len(silent):,} recordings are silent from beginning to end", silent)
                + "\n  record them again, take them out, or say `silent: allow`"
            )

    def _tell(
        self,
        split: SplitName,
        samples: int,
        took: float,
        mixed: Mapping[int, int],
        resampled: Mapping[int, int],
        clipped: Mapping[int, float],
    ) -> None:
        count, hours = sum(mixed.values()), samples / self._rate / 3600
        _log.info("%s: read %d recordings, %.3g hours, in %.1f s", split, count, hours, took)
        several = {channels: count for channels, count in mixed.items() if channels > 1}
        if several:
            kinds = ", ".join(f"{count} of {channels} channels" for channels, count in sorted(several.items()))
            _log.info("%s: mixed down to their mean: %s", split, kinds)
        others = {rate: count for rate, count in resampled.items() if rate != self._rate}
        if others:
            kinds = ", ".join(f"{count} of {rate} samples a second" for rate, count in sorted(others.items()))
            _log.info("%s: resampled to %d: %s", split, self._rate, kinds)
        if clipped:
            worst = sorted(clipped, key=lambda row: -clipped[row])
            notes = [f"{self.where(row)}: {clipped[row]:.1%} of its samples" for row in worst]
            what = f"{split}: {len(clipped):,} of {count:,} recordings are clipped at full scale"
            _log.warning("%s", listed(what, notes) + "\n  they are kept; better ones, if there are any, are softer")

    @cached_property
    def _heads(self) -> list[Head]:
        """Of all recordings.

        Raises:
            DatasetError: names those that are no sound.
        """
        heads, failures = [], []
        for row, name in enumerate(self.names):
            try:
                heads.append(head_of(self.root / name))
            except UnreadableError as error:
                failures.append(f"{self.where(row)}: {error}")
        if failures:
            raise _unusable(failures)
        return heads

    @cached_property
    def _rate(self) -> int:
        """Samples a second as stored."""
        if self.config.rate is not None:
            return self.config.rate
        found = Counter(head.rate for head in self._heads)
        usual = found.most_common(1)[0][0]
        if len(found) > 1:
            odd = [f"{self.where(row)}: {head.rate}" for row, head in enumerate(self._heads) if head.rate != usual]
            normal = next(row for row, head in enumerate(self._heads) if head.rate == usual)
            raise DatasetError(
                listed("recordings differ in samples a second", [f"{self.where(normal)}: {usual}", *odd])
                + f"\n  give the rate that all are brought to, as in `rate: {min(found)}`"
            )
        return usual


def _unusable(failures: Sequence[str]) -> DatasetError:
    what = f"{len(failures):,} recordings cannot be used" if len(failures) > 1 else "a recording cannot be used"
    return DatasetError(listed(what, failures) + "\n  mend them, or take them out")
