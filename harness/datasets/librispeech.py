"""LibriSpeech (Panayotov et al. 2015) and what lies like it, with the phone labels of the CPC paper (section 3.1)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets._audio_files import all_recordings, placed_by
from harness.datasets._catalogue import Catalogue, check_classes, class_names, codes_among, listed
from harness.datasets._dataset import SPLITS, DatasetError, SplitName, Task, Writer
from harness.datasets._found_files import Placed
from harness.datasets._own_examples import Ids, require_inside
from harness.datasets._own_sounds import OwnSounds, SoundConfig
from harness.datasets._phone_labels import PER_SECOND, SPARE, frames_of, intervals, read_phones
from harness.datasets._splits import UNDECIDED
from methods import Settings

_log = logging.getLogger(__name__)

SPEAKER, SPEAKER_FRAME, PHONE = "speaker", "speaker_frame", "phone"


@dataclass(frozen=True, kw_only=True)
class LibrispeechConfig(SoundConfig):
    """Attributes:
    train, val, test: inside `path` a list of utterances, one a line, as of the CPC paper; a folder, or a pattern of
        names ("test-clean/*"). What none of them names is for train; where train is named too, it is left out.
    phones: the file of phone labels inside `path`, as the CPC paper has them.
    speakers: shared by the splits, as in the paper, so that who speaks can be learnt; or held out, each in one split.
    labels: none: a corpus to pretrain on.
    """

    phones: str | None = None
    speakers: Literal["shared", "held_out"] = "shared"
    labels: Literal["given", "none"] = "given"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_inside(phones=self.phones)
        if self.phones is not None and self.labels == "none":
            raise ValueError("phones: a corpus without labels has none; leave out one of them")
        if self.speakers == "held_out" and self.labels == "given" and self.phones is None:
            raise ValueError("speakers: held out, they are no task; give `phones`, or say `labels: none`")


class Librispeech(OwnSounds):
    """One's own: recordings as SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac, at any depth inside `path`.

    Speakers are groups. Tasks: `speaker` of an utterance; `speaker_frame`, the paper's, of each 10 ms; and `phone`,
    of each 10 ms that `phones` labels. An utterance that it does not label has no position of that task.
    """

    name: ClassVar[str] = "librispeech"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = LibrispeechConfig
    config: LibrispeechConfig

    @property
    def names(self) -> Sequence[str]:
        return [*self._placed]

    @property
    def labelled(self) -> bool:
        return self.config.labels == "given"

    @property
    def tasks(self) -> Mapping[str, Task]:
        train, found = self._parts["train"], {}
        if self._asks_speakers:
            names = class_names(self._speakers)
            codes, frames = self._speaker_codes[train], self._frames[train]
            whole = np.bincount(codes).max() / len(train)
            framed = np.bincount(codes, frames).max() / frames.sum()
            found[SPEAKER] = Task(name=SPEAKER, kind="class", metric="accuracy", classes=names, chance=float(whole))
            found[SPEAKER_FRAME] = _of_frames(SPEAKER_FRAME, names, float(framed))
        if self.config.phones is not None:
            counts = self._phone_counts[train].sum(axis=0)
            names = tuple(map(str, range(len(counts))))
            found[PHONE] = _of_frames(PHONE, names, float(counts.max() / counts.sum()))
        return found

    def strata(self) -> Ids:
        return self._speaker_codes if self._asks_speakers else np.zeros(len(self._catalogue), np.int64)

    def check_parts(self, parts: Mapping[SplitName, Ids]) -> None:
        if self._asks_speakers:
            try:
                check_classes(class_names(self._speakers), self._speaker_codes, parts, 0)
            except DatasetError as error:
                raise DatasetError(
                    f"{self.root}: task {SPEAKER!r}: {error}; or, if splits are to have other speakers each, say "
                    "`speakers: held_out`"
                ) from error
        if self.config.phones is not None:
            self._check_phones(parts)

    def files(self) -> Sequence[str]:
        named = (self.config.phones, *(getattr(self.config, split) for split in SPLITS))
        return [*(name for name in named if isinstance(name, str) and (self.root / name).is_file()), *self.names]

    def catalogue(self) -> Catalogue:
        first: dict[str, int] = {}
        given = [SPLITS.index(place.split) if place.split else UNDECIDED for place in self._placed.values()]
        return Catalogue(
            given=np.array(given, np.int8),
            groups=self._speakers,
            parted=self.config.speakers == "shared",
            alike=np.array([first.setdefault(self._digests[name], row) for row, name in enumerate(self.names)]),
        )

    def write_labels(self, ids: Ids, lengths: Ids, writer: Writer) -> None:
        if self._asks_speakers:
            codes = self._speaker_codes[ids]
            frames = [frames_of(length, self._rate) for length in lengths.tolist()]
            writer.labels(SPEAKER, codes)
            writer.labelled_positions(
                SPEAKER_FRAME,
                [intervals(count, self._rate) for count in frames],
                [np.full(count, code) for count, code in zip(frames, codes.tolist(), strict=True)],
            )
        if self.config.phones is not None:
            labels = [self._phones[row] for row in ids.tolist()]
            writer.labelled_positions(PHONE, [intervals(len(row), self._rate) for row in labels], labels)

    @property
    def _asks_speakers(self) -> bool:
        return self.config.labels == "given" and self.config.speakers == "shared"

    @cached_property
    def _placed(self) -> dict[str, Placed]:
        """Utterances by name, sorted.

        Raises:
            DatasetError: there is none, or one does not lie as LibriSpeech's do.
        """
        named = {split: value for split in SPLITS if isinstance(value := getattr(self.config, split), str)}
        names = all_recordings(self.root)
        odd = [str(self.root / name) for name in names if Path(name).stem.split("-")[:-1] != [*Path(name).parts[-3:-1]]]
        if odd:
            raise DatasetError(
                listed("utterances lie as SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac; not so", odd)
                + "\n  take these out, or read the folder with the dataset `audio` and a `pattern`"
            )
        return dict(sorted(placed_by(self.root, names, named).items()))

    @cached_property
    def _speakers(self) -> NDArray[np.str_]:
        """Of each utterance [N]."""
        return np.array([Path(name).parts[-3] for name in self.names])

    @cached_property
    def _speaker_codes(self) -> Ids:
        return codes_among(class_names(self._speakers), self._speakers)

    @cached_property
    def _frames(self) -> Ids:
        """Whole 10 ms of each utterance, as its head says [N]."""
        most = self.config.seconds or np.inf
        return np.array([int(min(head.seconds, most) * PER_SECOND + 1e-6) for head in self._heads], np.int64)

    @cached_property
    def _phones(self) -> list[NDArray[np.int64]]:
        """Labels of each utterance [N] of [L]; what lies beyond its end, or beyond `seconds`, is left out.

        Raises:
            DatasetError: an utterance has more labels than sound.
        """
        assert self.config.phones is not None
        path = self.root / self.config.phones
        known = read_phones(path)
        stems = [Path(name).stem for name in self.names]
        nothing = np.empty(0, np.int64)
        found = [known.get(stem, nothing) for stem in stems]
        longer, early = [], 0
        for row, (labels, head) in enumerate(zip(found, self._heads, strict=True)):
            frames = head.seconds * PER_SECOND
            if len(labels) > np.ceil(frames) + SPARE:
                longer.append(
                    f"{self.where(row)}: {len(labels)} labels, {len(labels) / PER_SECOND:.2f} s of sound "
                    f"would be needed, and it has {head.seconds:.2f} s"
                )
            early += 0 < len(labels) < frames - PER_SECOND / 10
        if longer:
            raise DatasetError(
                listed(f"{path}: {len(longer):,} utterances have more labels of 10 ms than sound", longer)
                + "\n  are these labels of other recordings, or were the recordings cut?"
            )
        bare, without = sum(not len(labels) for labels in found), len(set(known) - set(stems))
        _log.info("%s: labels %d of %d utterances here", path, len(found) - bare, len(found))
        if without:
            _log.info("%s: labels %d utterances that are not here", path, without)
        if early:
            _log.warning("%s: of %d utterances the labels end more than 0.1 s before the sound", path, early)
        return [labels[:frames] for labels, frames in zip(found, self._frames.tolist(), strict=True)]

    @cached_property
    def _phone_counts(self) -> Ids:
        """How often each utterance has each phone: [N, classes]."""
        classes = 1 + max((int(labels.max()) for labels in self._phones if len(labels)), default=0)
        return np.stack([np.bincount(labels, minlength=classes) for labels in self._phones])

    def _check_phones(self, parts: Mapping[SplitName, Ids]) -> None:
        counts = {split: self._phone_counts[ids].sum(axis=0) for split, ids in parts.items()}
        none = [split for split, count in counts.items() if not count.any()]
        if none:
            labelled = sum(bool(len(labels)) for labels in self._phones)
            raise DatasetError(
                f"{self.root}: `phones` labels no utterance of {' and '.join(none)} ({labelled} of "
                f"{len(self._phones)} utterances in all); give splits of which each has some, or leave out `phones`"
            )
        unlearnt = np.flatnonzero((counts["train"] == 0) & (np.sum([*counts.values()], axis=0) > 0)).tolist()
        if unlearnt:
            notes = [f"{phone}: {', '.join(f'{c[phone]} in {s}' for s, c in counts.items())}" for phone in unlearnt]
            raise DatasetError(listed("phones that no frame of train has", notes) + "\n  give other splits")


def _of_frames(name: str, classes: tuple[str, ...], chance: float) -> Task:
    return Task(name=name, kind="position", metric="position_accuracy", classes=classes, chance=chance)
