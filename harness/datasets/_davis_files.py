"""The folders of DAVIS: which sequences there are, with a mask to every frame, and which split each belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.datasets._catalogue import NAMED, listed
from harness.datasets._clips import Clip
from harness.datasets._dataset import DatasetError, SplitName
from harness.mistakes import suggestion

FRAMES, MASKS, LISTS = "JPEGImages", "Annotations", "ImageSets"
_FRAME_ENDINGS = frozenset({".jpg", ".jpeg", ".png"})
_MASK_ENDINGS = frozenset({".png"})
#: The first and the last frame are not scored.
_FEWEST = 3


def davis_root(path: Path) -> Path:
    """The folder that holds JPEGImages and Annotations: this one, or "DAVIS" in it.

    Raises:
        DatasetError: neither is.
    """
    for root in (path, path / "DAVIS"):
        if all((root / inner).is_dir() for inner in (FRAMES, MASKS)):
            return root
    missing = [inner for inner in (FRAMES, MASKS) if not (path / inner).is_dir()]
    raise DatasetError(
        f"{path}: is not DAVIS, which has folders {FRAMES} and {MASKS}; there is no {' and no '.join(missing)}\n"
        "  `path` is the folder that holds both, or the one around it that is called DAVIS"
    )


def stored_sequences(root: Path, stored: str) -> list[str]:
    """Names of all sequences, sorted.

    Raises:
        DatasetError: there is none.
    """
    folder = root / FRAMES / stored
    if not folder.is_dir():
        there = [path.name for path in sorted((root / FRAMES).iterdir()) if path.is_dir()]
        raise DatasetError(f"there is no {folder}; {suggestion(stored, there)}; say which with `stored`")
    names = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if not names:
        raise DatasetError(f"{folder}: holds no folders of frames; it is empty")
    return names


def read_clip(root: Path, stored: str, name: str) -> Clip:
    """The files of a sequence, none opened.

    Raises:
        DatasetError: they are too few, or some are missing.
    """
    frames = _numbered(root, f"{FRAMES}/{stored}/{name}", _FRAME_ENDINGS)
    masks = _numbered(root, f"{MASKS}/{stored}/{name}", _MASK_ENDINGS)
    folder = root / FRAMES / stored / name
    if len(frames) < _FEWEST:
        raise DatasetError(
            f"{folder}: too few frames ({len(frames)}) to follow objects in; {_FEWEST} are needed, since the first is "
            "given and the last is not scored; get the others, or leave the sequence out of `train`, `val` and `test`"
        )
    gaps = sorted(set(range(min(frames), max(frames))) - set(frames))
    if gaps:
        raise DatasetError(
            f"{folder}: frames {_some(gaps)} are missing between {min(frames)} and {max(frames)}; get them again"
        )
    for what, without in (
        ("masks without a frame", set(masks) - set(frames)),
        ("frames without a mask", set(frames) - set(masks)),
    ):
        if without:
            raise DatasetError(
                f"{root / MASKS / stored / name}: {what}: {_some(sorted(without))}; every frame of {folder} needs a "
                "mask of the same number; get what is missing, or leave the sequence out of `train`, `val` and `test`"
            )
    order = sorted(frames)
    return Clip(name=name, frames=tuple(frames[n] for n in order), masks=tuple(masks[n] for n in order))


def _numbered(root: Path, folder: str, endings: Iterable[str]) -> dict[int, str]:
    """Files of a folder by the number that is their name."""
    if not (root / folder).is_dir():
        raise DatasetError(
            f"there is no {root / folder}; get it, or leave its sequence out of `train`, `val` and `test`"
        )
    found: dict[int, str] = {}
    for path in sorted((root / folder).iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in endings:
            continue
        if not path.stem.isdecimal():
            raise DatasetError(f"{path}: the name is no frame number, such as 00000; rename it, or take it out")
        if found.setdefault(int(path.stem), f"{folder}/{path.name}") != f"{folder}/{path.name}":
            raise DatasetError(f"{path}: has the number of {root / found[int(path.stem)]}; take one of them out")
    if not found:
        raise DatasetError(f"{root / folder}: holds no {' '.join(sorted(endings))} files; fill it, or take it out")
    return found


def divided(
    root: Path, there: Sequence[str], named: Mapping[SplitName, Sequence[str]], year: int | None
) -> dict[SplitName, tuple[str, ...]]:
    """Sequences by split. What the settings name comes first; then DAVIS's own lists, whose train is ours and whose
    val, on which papers report, is our test; what nobody names is tested.

    Raises:
        DatasetError: a sequence is not there, or in two splits, or nothing is left to test.
    """
    lists = _lists(root, year)
    parts = dict(named)
    files: dict[SplitName, str] = {"train": "train.txt", "test": "val.txt"}
    for split, file in files.items():
        if not parts[split] and lists is not None and (lists / file).is_file():
            taken = {name for other, names in named.items() if other != split for name in names}
            parts[split] = [name for name in _read_list(lists / file, there) if name not in taken]
    if not parts["test"]:
        parts["test"] = [name for name in there if name not in {*parts["train"], *parts["val"]}]
    owners: dict[str, SplitName] = {}
    for split, names in parts.items():
        for name in names:
            if name not in there:
                raise DatasetError(f"`{split}`: there is no sequence {name!r} in {root}; {suggestion(name, there)}")
            if owners.setdefault(name, split) != split:
                raise DatasetError(f"the sequence {name!r} is in {owners[name]} and in {split}; name it in one of them")
    if not parts["test"]:
        raise DatasetError(f"{root}: no sequence is left to test; take some out of `train` or `val`")
    return {split: tuple(sorted(set(names))) for split, names in parts.items()}


def _lists(root: Path, year: int | None) -> Path | None:
    """The folder of DAVIS's own lists."""
    folder = root / LISTS
    if year is not None:
        if not (folder / str(year)).is_dir():
            raise DatasetError(f"there is no {folder / str(year)}; leave out `year`, or get the lists of that year")
        return folder / str(year)
    found = [path for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DatasetError(f"{folder} holds lists of several years ({names}); say which with `year`")
    return found[0] if found else None


def _read_list(file: Path, there: Sequence[str]) -> list[str]:
    """Sequences in a list: a name a line, or, as in 2016, a frame and its mask a line."""
    names: dict[str, int] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.strip():
            first = line.split()[0]
            names.setdefault(Path(first).parent.name if "/" in first else first, number)
    missing = [f"{file}, line {number}: {name}" for name, number in names.items() if name not in there]
    if missing:
        raise DatasetError(
            listed("sequences of a list are not there", missing)
            + "\n  get them, or name those that you have with `train`, `val` and `test`"
        )
    return list(names)


def _some(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return ", ".join(map(str, numbers[:NAMED])) + more
